"""Tables as HTML fragments for notebooks: no scripts, the notebook's own colours, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_RIGHT = "text-align:right"
_LEFT = "text-align:left"


def pairs(lines: Iterable[tuple[str, str]]) -> str:
    """Lay out labels, each with its text, one below the other."""
    rows = "".join(
        f'<tr><th scope="row" style="{_LEFT}">{escape(label)}</th><td style="{_LEFT}">{escape(text)}</td></tr>'
        for label, text in lines
    )
    return f"<table><tbody>{rows}</tbody></table>"


def table(
    title: str, heads: Sequence[str], rows: Iterable[tuple[str, int, Sequence[str]]], *, texts: bool = False
) -> str:
    """Lay out a table.

    Parameters
    ----------
    title : str
        Stands above the names of the rows.
    heads : sequence of str
        Names of the other columns.
    rows : iterable of (name, level, cells)
        Those of level 0 are bold, and others stand in by their level.
    texts : bool
        Cells are texts, to be read from the left, and not numbers.
    """
    side = _LEFT if texts else _RIGHT
    head = f'<th style="{_LEFT}">{escape(title)}</th>' + "".join(
        f'<th style="{side}">{escape(name)}</th>' for name in heads
    )
    body = []
    for name, level, cells in rows:
        weight = "normal" if level else "bold"
        label = f'<th scope="row" style="{_LEFT};font-weight:{weight};padding-left:{level + 0.5}em">'
        values = "".join(f'<td style="{side};font-weight:{weight}">{escape(cell)}</td>' for cell in cells)
        body.append(f"<tr>{label}{escape(name)}</th>{values}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def side_by_side(*fragments: str) -> str:
    """Put fragments beside each other, as far as there is room."""
    return f'<div style="display:flex;flex-wrap:wrap;align-items:flex-start;gap:2em">{"".join(fragments)}</div>'

"""Parts of a page: escaped text, tables that sort, marks of a drawing with something to say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from simulator.report.numbers import plain

VOID = {"input", "br"}  # elements that have no end
LINE_END = "\N{SYMBOL FOR RECORD SEPARATOR}"
"""Parts the lines of what a mark tells; the script beside the page knows it."""


def text(value: object) -> str:
    """Escape a text for any place of a page, attributes included; what is not printable becomes a question mark."""
    return escape(plain(str(value)), quote=True)


def prose(value: str) -> str:
    """Escape a sentence; a number stays on one line with its per cent sign."""
    return text(value).replace(" %", "&nbsp;%")


def tag(element: str, content: str = "", /, **attributes: object) -> str:
    """Write an element around content that is HTML already; values of attributes are escaped here.

    An underscore in a name stands for a hyphen, one at its end for nothing: ``class_``, ``aria_label``. An attribute
    that is None or False is left out, one that is True has no value.
    """
    given = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{text(_number(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return f"<{element}{given}>" if element in VOID else f"<{element}{given}>{content}</{element}>"


def _number(value: object) -> object:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes
    ----------
    shown : str
        What is read, not yet escaped.
    value : float, str or None
        What is sorted by; None sorts last, whichever way.
    """

    shown: str
    value: float | str | None = None


@dataclass(frozen=True)
class Column:
    """A column of a table: its head, what the head means, and whether it holds numbers."""

    head: str
    about: str = ""
    numeric: bool = True


def table(
    caption: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
    foot: Sequence[Cell] | None = None,
    marks: Sequence[str] = (),
) -> str:
    """Write a table whose columns sort by their heads.

    Parameters
    ----------
    caption : str
    columns : sequence of Column
        The first one names the row.
    rows : iterable of sequence of Cell
    foot : sequence of Cell, optional
        The sum, which stays last.
    marks : sequence of str
        What each row is about, to be lit together with the marks of charts that are about the same.
    """
    heads = "".join(
        tag(
            "th",
            tag("button", f'{text(column.head)}<span class="arrow" aria-hidden="true"></span>', type="button"),
            scope="col",
            class_="n" if column.numeric else None,
            aria_sort="none",
            title=column.about or None,
        )
        for column in columns
    )
    body = []
    for place, row in enumerate(rows):
        about = marks[place] if place < len(marks) else None
        body.append(tag("tr", _cells(columns, row), data_about=about))
    last = "" if foot is None else tag("tfoot", tag("tr", _cells(columns, foot)))
    inner = tag("caption", text(caption)) + tag("thead", tag("tr", heads)) + tag("tbody", "".join(body)) + last
    scroll = tag("table", inner, class_="sorts")
    return tag("div", scroll, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _cells(columns: Sequence[Column], row: Sequence[Cell]) -> str:
    cells = []
    for place, (column, cell) in enumerate(zip(columns, row, strict=True)):
        value = "" if cell.value is None else repr(cell.value) if isinstance(cell.value, float) else cell.value
        kind = {"class_": "n" if column.numeric else None, "data_value": str(value)}
        scope = {"scope": "row"} if place == 0 else {}
        cells.append(tag("td" if place else "th", text(cell.shown), **kind, **scope))
    return "".join(cells)


def section(anchor: str, title: str, *content: str, lead: str = "") -> str:
    """Write a section with a heading that can be linked to; `lead` is plain text, `content` HTML."""
    head = tag("h2", text(title), id=f"{anchor}-title")
    said = tag("p", text(lead), class_="lead") if lead else ""
    return tag("section", head + said + "".join(content), id=anchor, aria_labelledby=f"{anchor}-title")


def figure(drawing: str, caption: str, legend: Sequence[tuple[str, str]] = ()) -> str:
    """Write a drawing with its legend, pairs of a colour's class and a name, and a caption of plain text.

    An entry of the legend is a button that makes everything of other colours pale.
    """
    keys = ""
    for colour, name in legend:
        square = tag("rect", width=12, height=12, rx=2, class_=colour)
        key = tag("svg", square, class_="key", viewBox="0 0 12 12", aria_hidden="true")
        button = tag("button", key + text(name), type="button", aria_pressed="false", data_colour=colour)
        keys += tag("li", button)
    listed = tag("ul", keys, class_="legend") if legend else ""
    return tag("figure", listed + drawing + tag("figcaption", text(caption)))


def drawing(width: float, height: float, content: str, label: str, class_: str = "") -> str:
    """Write an SVG that scales with its place; `label` says to those who do not see it what it shows."""
    return tag(
        "svg", content, viewBox=f"0 0 {width:g} {height:g}", role="group", aria_label=label,
        class_=f"drawing {class_}".strip(),
    )  # fmt: skip


def rect(x: float, y: float, width: float, height: float, class_: str, **more: object) -> str:
    """Write a rectangle."""
    return tag("rect", x=x, y=y, width=max(width, 0.0), height=height, class_=class_, **more)


def label(x: float, y: float, said: str, class_: str = "", **more: object) -> str:
    """Write a text in a drawing."""
    return tag("text", text(said), x=x, y=y, class_=class_ or None, **more)


def spoken(content: str, said: str, about: str = "", class_: str = "") -> str:
    """Group marks that tell something when pointed at or focused; lines of `said` are told under each other."""
    return tag(
        "g", content, class_=f"mark {class_}".strip(), tabindex="0", role="img",
        aria_label=said.replace("\n", "; "), data_tip=said.replace("\n", LINE_END), data_about=about or None,
    )  # fmt: skip


def shortened_label(name: str, longest: int) -> str:
    """Cut a name that does not fit its place in a drawing; its end tells layers apart, so it loses its beginning."""
    return name if len(name) <= longest else "…" + name[1 - longest :]

"""Rows as lines of text in columns, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.report import numbers

LONGEST_CELL = 32
GAP = "  "


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> list[str]:
    """Lay rows out below a header and a rule.

    Parameters
    ----------
    head : sequence of str
        Names of columns; one may have several lines.
    rows : sequence of sequence of str
        As long as `head`; a cell is cut to `LONGEST_CELL` characters.
    texts : int
        So many columns are texts and begin at the left; numbers, after them, end at the right.
    """
    heads = [name.split("\n") for name in head]
    height = max(map(len, heads))
    over = [[""] * (height - len(parts)) + parts for parts in heads]
    lines_of_head = [list(line) for line in zip(*over, strict=True)]
    cut = [[numbers.shortened(cell, LONGEST_CELL) for cell in row] for row in [*lines_of_head, *rows]]
    widths = [max(map(len, column)) for column in zip(*cut, strict=True)]
    lines = [
        GAP.join(
            cell.ljust(width) if i < texts else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cut
    ]
    rule = "-" * (sum(widths) + len(GAP) * (len(widths) - 1))
    return [*lines[:height], rule, *lines[height:]]

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
    rows : sequence of sequence of str
        As long as `head`; a cell is cut to `LONGEST_CELL` characters.
    texts : int
        So many columns are texts and begin at the left; numbers, after them, end at the right.
    """
    cut = [[numbers.shortened(cell, LONGEST_CELL) for cell in row] for row in [head, *rows]]
    widths = [max(map(len, column)) for column in zip(*cut, strict=True)]
    lines = [
        GAP.join(
            cell.ljust(width) if i < texts else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cut
    ]
    return [lines[0], "-" * (sum(widths) + len(GAP) * (len(widths) - 1)), *lines[1:]]

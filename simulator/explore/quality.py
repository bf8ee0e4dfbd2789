"""How good the trained models were whose traces a space replays, and what that says of a row.

A machine does not know it: it comes from a table of the user's own, a line a trace, with the names that the results
have (``trace,perplexity``). The first trace of the space is what a loss is counted from, so the dense one stands first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from simulator.explore.evaluate import Row
from simulator.explore.rows import read_table
from traces.errors import InputError, Problem

Direction = Literal["min", "max"]
EXPECTED = "FILE.csv:COLUMN:min, or :max where more of it is better"


@dataclass(frozen=True)
class Quality:
    """A figure of quality of each trace.

    Attributes
    ----------
    figures : tuple of (str, float)
        By the trace's name; a loss is counted from the first.
    better : "min" or "max"
        Whether the figure is to be small (perplexity) or large (accuracy).
    """

    figures: tuple[tuple[str, float], ...]
    better: Direction

    @classmethod
    def read(cls, text: str, traces: Sequence[str], folder: Path = Path(), where: str = "--quality") -> Quality:
        """Read ``FILE.csv:COLUMN:min`` or ``FILE.csv:COLUMN:max``.

        Parameters
        ----------
        text : str
        traces : sequence of str
            Names of the space's traces, in its order.
        folder : path
            What a relative file is relative to.
        where : str
            What messages call the text.

        Raises
        ------
        InputError
            If it is not such a text, the file is no such table, a trace has no line or two, a cell is no number, or
            the first trace's figure, of which losses are shares, is 0.
        """
        named, _, better = text.rpartition(":")
        file, _, column = named.rpartition(":")
        if better not in ("min", "max") or not file or not column:
            raise InputError.of(where, repr(text), EXPECTED, "write quality.csv:perplexity:min")
        table = read_table(folder / file)
        table.require(["trace", column], where)
        names = [row["trace"] for row in table.rows]
        problems = []
        for name in dict.fromkeys(traces):
            if names.count(name) != 1:
                found = f"{names.count(name)} lines for the trace {name!r}"
                problems.append(Problem(table.source, found, "one line for each trace of the space"))
        if problems:
            raise InputError(problems)
        figures = dict(zip(names, table.numbers(column), strict=True))
        first = traces[0]
        if not figures[first]:
            raise InputError.of(table.source, f"0 for the trace {first!r}", "another figure: losses are shares of it")
        return cls(tuple((name, figures[name]) for name in dict.fromkeys(traces)), "max" if better == "max" else "min")

    def joined(self, row: Row) -> Row:
        """Give a row with its trace's ``quality`` and ``quality_loss``.

        The loss is how much worse the figure is than the first trace's, as a share of that; negative where
        it is better.
        """
        figures = dict(self.figures)
        here, there = figures[str(row["trace"])], self.figures[0][1]
        worse = there - here if self.better == "max" else here - there
        return {**row, "quality": here, "quality_loss": worse / abs(there)}

"""Rows as one tidy table: the same bytes for the same points, in whatever order they were evaluated."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from simulator.explore.evaluate import Row

if TYPE_CHECKING:
    import pandas as pd

IDENTITY = ("key", "status", "arch", "arch_digest")
RECORDED = ("trace", "trace_sha256", "steps", "steps_replayed")
BEFORE_COMPONENTS = (
    "cycles_total",
    "time_us",
    "macs_dense",
    "macs_executed",
    "macs_gated",
    "macs_skipped",
    "saving_backward",
    "saving_layers",
    "saving_network",
    "energy_total_pj",
)
AFTER_COMPONENTS = (
    "dram_read_bytes",
    "dram_write_bytes",
    "utilization",
    "speedup",
    "energy_saving",
    "bound_speedup",
    "error",
)


def columns(axes: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """List the columns: identity, axes, trace, measures.

    Energy components stand in the order in which the rows name them.

    Parameters
    ----------
    axes : sequence of str
        Paths of the axes.
    rows : sequence of dict
    """
    fixed = {*IDENTITY, *axes, *RECORDED, *BEFORE_COMPONENTS, *AFTER_COMPONENTS}
    components = dict.fromkeys(name for row in rows for name in row if name not in fixed)
    return [*IDENTITY, *axes, *RECORDED, *BEFORE_COMPONENTS, *components, *AFTER_COMPONENTS]


def to_csv(axes: Sequence[str], rows: Sequence[Row]) -> str:
    """Write rows as CSV (RFC 4180, but with line feeds).

    Floats are written in the shortest form that reads back the same. A cell is empty where there is nothing
    to say: the measures of an invalid row, the error of a valid one, an axis that the machine does not have.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = columns(axes, rows)
    writer.writerow(names)
    for row in rows:
        writer.writerow(["" if row.get(name) is None else row[name] for name in names])
    return text.getvalue()


def frame(axes: Sequence[str], rows: Sequence[Row]) -> pd.DataFrame:
    """Give the rows as a data frame with the columns of the CSV; what is empty there is missing here."""
    import pandas as pd

    return pd.DataFrame.from_records(
        [{name: value for name, value in row.items() if value is not None} for row in rows],
        columns=columns(axes, rows),
    )

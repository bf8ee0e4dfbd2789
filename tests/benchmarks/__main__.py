"""`make bench`: run the benchmarks and write BENCHMARKS.md anew."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks import events, replay
from benchmarks.rows import table

if __name__ == "__main__":
    load = os.getloadavg()[0]
    rows = [*replay.measure(), *events.measure()]
    page = table(rows, os.environ.get("OMP_NUM_THREADS", "all"), load)
    (Path(__file__).parents[2] / "BENCHMARKS.md").write_text(page, encoding="utf-8")
    print(page)

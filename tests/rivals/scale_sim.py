"""SCALE-Sim 3.0.0 in an environment of its own: it needs numpy below 2.4, and does not declare six."""

from __future__ import annotations

import csv
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from rivals import environment

WANTED = ("scalesim==3.0.0", "numpy<2.4", "six")
CONFIG = """
[general]
run_name = run
[architecture_presets]
ArrayHeight : {rows}
ArrayWidth : {columns}
IfmapSramSzkB : 64
FilterSramSzkB : 64
OfmapSramSzkB : 64
IfmapOffset : 0
FilterOffset : 10000000
OfmapOffset : 20000000
Dataflow : os
Bandwidth : 10
ReadRequestBuffer : 64
WriteRequestBuffer : 64
[layout]
IfmapCustomLayout : False
FilterCustomLayout : False
IfmapSRAMBankBandwidth : 10
IfmapSRAMBankNum : 10
IfmapSRAMBankPort : 2
FilterSRAMBankBandwidth : 10
FilterSRAMBankNum : 10
FilterSRAMBankPort : 2
[sparsity]
SparsitySupport : false
SparseRep : ellpack_block
OptimizedMapping : false
BlockSize : 8
RandomNumberGeneratorSeed : 40
[run_presets]
InterfaceBandwidth : CALC
UseRamulatorTrace : False
"""


def install(folder: Path) -> Path:
    """Make an environment with SCALE-Sim and return its Python; raises `NotInstalledError`."""
    return environment.install(folder, WANTED)


def simulate(
    python: Path, folder: Path, products: Sequence[tuple[int, int, int]], rows: int, columns: int
) -> tuple[list[int], float]:
    """Run dense products (m, k, n), output stationary: compute cycles of each, and seconds of wall time."""
    (folder / "config.cfg").write_text(CONFIG.format(rows=rows, columns=columns))
    lines = [f"p{i}, {m}, {n}, {k}," for i, (m, k, n) in enumerate(products)]
    (folder / "topology.csv").write_text("\n".join(["Layer, M, N, K,", *lines, ""]))
    (folder / "layout.csv").write_text("\n".join(["Layer,", *(f"p{i}," for i in range(len(products))), ""]))
    command = [python, "-m", "scalesim.scale", "-c", "config.cfg", "-t", "topology.csv", "-l", "layout.csv"]
    begin = time.perf_counter()
    ran = subprocess.run(
        [*command, "-i", "gemm", "-p", "out", "-s", "N"], cwd=folder, capture_output=True, text=True, check=False
    )
    spent = time.perf_counter() - begin
    assert ran.returncode == 0, ran.stderr[-2000:]
    with (folder / "out" / "run" / "COMPUTE_REPORT.csv").open() as file:
        return [int(row[" Total Cycles"]) for row in csv.DictReader(file)], spent

"""The same dense product on the same array by SCALE-Sim 3, both in one run."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from rivals import environment, scale_sim

from benchmarks.rows import Row, median_seconds
from simulator.arch import load_arch
from simulator.engine import run
from simulator.mapping import PassCache, plan
from simulator.workload import Epilogue, Product, Workload

PYTHON = "SKIPSTONE_SCALE_SIM_PYTHON"
"""Names the Python of an environment that has SCALE-Sim; without it one is made for the run."""


def measure(m: int = 64, k: int = 2600, n: int = 650, times: int = 9) -> list[Row]:
    """Measure one dh step of 64 x 2600 x 650; smaller sizes only for a quick check that it works."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            python = Path(os.environ[PYTHON]) if PYTHON in os.environ else scale_sim.install(folder / "venv")
        except environment.NotInstalledError as error:
            print(f"no row of SCALE-Sim: {error}")
            return []
        (cycles,), rival = scale_sim.simulate(python, folder, [(m, k, n)], 32, 32)
    arch = load_arch("systolic")
    product = Product("l", "dh", "backward", None, m, k, n, None, True, (), "l.U'", Epilogue())

    def ours() -> int:
        planned = plan(arch, Workload(0, (product,)), PassCache())
        run(planned, "compiled")
        return planned.products[0].array_cycles

    assert ours() - 1 == cycles, "our array time is SCALE-Sim's and its last cycle"
    note = f"dense {m} x {k} x {n}, output stationary, 32 x 32, {cycles:,} cycles on both; rival: SCALE-Sim 3.0.0"
    return [Row("SCALE-Sim", median_seconds(ours, times), rival, 10_000, 1_000, f"{note}, its process from its start")]

"""SCALE-Sim 3 itself, in an environment of its own, against the systolic preset."""

from __future__ import annotations

import csv
import subprocess
import venv

import pytest

from simulator.arch import load_arch
from simulator.mapping import plan
from simulator.workload import Epilogue, Product, Workload

PRODUCTS = [(16, 40, 24), (9, 5, 17), (64, 100, 33)]  # m, k, n
CONFIG = """
[general]
run_name = run
[architecture_presets]
ArrayHeight : 8
ArrayWidth : 8
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


@pytest.fixture(scope="module")
def scale_sim(tmp_path_factory):
    """A Python with SCALE-Sim 3.0.0; it needs numpy below 2.4, and does not declare six."""
    folder = tmp_path_factory.mktemp("scale_sim")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    wanted = ["scalesim==3.0.0", "numpy<2.4", "six"]
    installed = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *wanted], capture_output=True, text=True, check=False
    )
    if installed.returncode:
        pytest.skip(f"SCALE-Sim cannot be installed here: pip install {' '.join(wanted)} ({installed.stderr[-200:]})")
    return python


@pytest.mark.slow
def test_compute_cycles_equal_scale_sims_and_its_last_cycle(scale_sim, tmp_path):
    (tmp_path / "config.cfg").write_text(CONFIG)
    lines = [f"p{i}, {m}, {n}, {k}," for i, (m, k, n) in enumerate(PRODUCTS)]
    (tmp_path / "topology.csv").write_text("\n".join(["Layer, M, N, K,", *lines, ""]))
    (tmp_path / "layout.csv").write_text("\n".join(["Layer,", *(f"p{i}," for i in range(len(PRODUCTS))), ""]))
    command = [scale_sim, "-m", "scalesim.scale", "-c", "config.cfg", "-t", "topology.csv", "-l", "layout.csv"]
    ran = subprocess.run(
        [*command, "-i", "gemm", "-p", "out", "-s", "N"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    with (tmp_path / "out" / "run" / "COMPUTE_REPORT.csv").open() as file:
        theirs = [int(row[" Total Cycles"]) for row in csv.DictReader(file)]
    assert [cycles(m, k, n) - 1 for m, k, n in PRODUCTS] == theirs


def cycles(m: int, k: int, n: int) -> int:
    arch = load_arch("systolic", ["array.rows=8", "array.columns=8", "array.pass_overhead_cycles=14"])
    product = Product("l", "dx", "backward", None, m, k, n, None, True, (), "l.W'", Epilogue())
    return plan(arch, Workload(0, (product,))).products[0].array_cycles


def test_the_systolic_preset_counts_what_scale_sim_counted_before():
    # 64 x 2600 x 650 on 32 x 32, output stationary: SCALE-Sim 3.0.0 printed 111,803 (design notes, measured).
    arch = load_arch("systolic")
    product = Product("l", "dx", "backward", None, 64, 2600, 650, None, True, (), "l.W'", Epilogue())
    assert plan(arch, Workload(0, (product,))).products[0].array_cycles - 1 == 111_803

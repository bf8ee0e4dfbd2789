"""SCALE-Sim 3 itself, in an environment of its own, against the systolic preset."""

from __future__ import annotations

import pytest
from rivals import environment, scale_sim

from simulator.arch import load_arch
from simulator.mapping import plan
from simulator.workload import Epilogue, Product, Workload

PRODUCTS = [(16, 40, 24), (9, 5, 17), (64, 100, 33)]  # m, k, n


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    try:
        return scale_sim.install(tmp_path_factory.mktemp("scale_sim") / "venv")
    except environment.NotInstalledError as error:
        pytest.skip(f"SCALE-Sim cannot be installed here: {error}")


@pytest.mark.slow
def test_compute_cycles_equal_scale_sims_and_its_last_cycle(python, tmp_path):
    theirs, _ = scale_sim.simulate(python, tmp_path, PRODUCTS, 8, 8)
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

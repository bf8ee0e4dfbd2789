"""Waves of a pass: what the schedule says, of every mechanism that has one, and one clear message for the rest."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import vcd
from plain.cases import machine
from plain.schedules import plain_schedule

from simulator.arch import load_arch
from simulator.engine.passes import pass_name
from simulator.mapping import PassCache, Plan, plan
from simulator.report.chosen_pass import ChosenPass, choose_pass, require_lane_schedule
from simulator.report.waves import CYCLE_NS, hardware_for, require_pyvcd, write_waves
from simulator.skipping import run_pass
from simulator.values import SCHEDULES
from simulator.values.operands import unpacked
from simulator.workload import lower
from traces import InputError, Trace

pytest.importorskip("vcd", reason="pyvcd not found; pip install 'skipstone[waves]'")

SKIPPING: dict[str, dict[str, Any]] = {
    "dense": {"mechanism": "dense"},
    "several positions a cycle": {"mechanism": "dense", "positions_per_cycle": 4},
    "gated": {"mechanism": "gated"},
    "vector_skip": {"mechanism": "vector_skip"},
    "blocks": {"mechanism": "vector_skip", "block": 3},
    "lookahead": {"mechanism": "lookahead", "depth": 5, "refill": 2, "banks": 3},
    "independent lanes": {"mechanism": "lookahead", "depth": None, "refill": None},
    "ideal": {"mechanism": "ideal"},
    "inner_product": {"mechanism": "inner_product", "lanes": 16, "depth": 3},
    "a small inner_product": {"mechanism": "inner_product", "lanes": 4, "depth": 2, "moves": [[1, 1]]},
    "structured": {"mechanism": "structured", "n": 3, "m": 4},
}
HARDWARE = {"dense", "gated", "vector_skip", "lookahead", "independent lanes", "inner_product"}


def array_of(skipping: dict[str, Any]) -> Any:
    return machine(skipping=skipping)


def test_every_mechanism_with_a_schedule_is_tried() -> None:
    assert {type(array_of(skipping).skipping) for skipping in SKIPPING.values()} == set(SCHEDULES)


@pytest.mark.parametrize("name", SKIPPING)
@settings(max_examples=15)
@given(st.integers(1, 5), st.integers(0, 40), st.sampled_from([0.0, 0.2, 0.6, 1.0]), st.integers(0, 2**32 - 1))
def test_waves_say_which_lane_multiplies_which_position_when(tmp_path_factory, name, lanes, positions, density, seed):
    mask = np.random.default_rng(seed).random((lanes, positions)) < density
    if name == "structured":
        mask[:, 3::4] = False
    arch, path = array_of(SKIPPING[name]), tmp_path_factory.mktemp("waves") / "w.vcd"
    write_waves(arch, ChosenPass("l dh t=0:0", mask, True), path)
    widths, changes = vcd.read(path)

    def number(signal: str, cycle: int) -> int | None:
        bits = vcd.at(changes[f"skipstone.model.{signal}"], cycle * CYCLE_NS)
        return None if "x" in bits else int(bits, 2)

    own = {"mechanism": "inner_product", "lanes": 16, "depth": 3, "moves": _moves(arch)}
    cycles, entries = plain_schedule({**own, **SKIPPING[name]} if "inner" in name else SKIPPING[name], mask)
    result = run_pass(mask, arch.skipping)
    assert cycles == result.cycles
    for cycle in range(cycles + 1):
        assert number("cycle", cycle) == cycle
        assert number("running", cycle) == (cycle < cycles)
        now = [(lane, k) for at, lane, k in entries if at == cycle]
        assert number("executed", cycle) == len(now)
        for lane in range(lanes):
            of_lane = [k for r, k in now if r == lane]
            assert number(f"lane[{lane}].macs", cycle) == len(of_lane)
            assert number(f"lane[{lane}].position", cycle) == min(of_lane, default=None)
    assert sum(number("gated", cycle) or 0 for cycle in range(cycles)) == result.gated
    assert any(signal.startswith("skipstone.tile.") for signal in widths) == (name in HARDWARE)
    assert (hardware_for(arch.skipping, lanes, positions) is not None) == (name in HARDWARE)


def _moves(arch: Any) -> list[list[int]]:
    return [list(move) for move in getattr(arch.skipping, "moves", ())]


def test_the_same_pass_gives_the_same_bytes(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).random((4, 20)) < 0.4
    arch = array_of({"mechanism": "lookahead", "depth": 5, "refill": 2})
    for name in "ab":
        write_waves(arch, ChosenPass("a $end b:0", mask, True), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert vcd.read(tmp_path / "a")


@pytest.mark.parametrize(
    ("name", "mechanism"), [("scnn", "outer_product"), ("eie", "broadcast_fifo"), ("sigma", "packed")]
)
def test_a_mechanism_without_lanes_has_one_clear_message(name: str, mechanism: str, tmp_path: Path) -> None:
    arch = load_arch(name)
    for call in (
        lambda: require_lane_schedule(arch),
        lambda: write_waves(arch, ChosenPass("l dh:0", np.ones((1, 1), np.bool_), True), tmp_path / "w.vcd"),
    ):
        with pytest.raises(InputError, match=rf"{mechanism}, which reads both operands.*lookahead.*--waves"):
            call()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_told_with_its_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vcd", None)
    with pytest.raises(InputError, match=r"pyvcd is not installed.*skipstone\[waves\]"):
        require_pyvcd()


# --- choosing a pass -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small_plan(small_trace: Path) -> Plan:
    with Trace(small_trace) as trace:
        arch = machine(memory={"mapping": {"tile_k": 16}}, skipping={"mechanism": "gated"})
        return plan(arch, lower(trace, trace.step(3)), PassCache())


def test_every_pass_can_be_chosen_and_they_hold_the_whole_operand(small_plan: Plan) -> None:
    cut = 0
    for planned in small_plan.products:
        product, tiling = planned.product, planned.tiling
        if not product.k:
            continue
        whole = np.ones((product.m, product.k), np.bool_) if product.mask is None else unpacked(product.mask)
        row_passes, k_tiles = -(-product.m // tiling.rows), -(-product.k // tiling.tile_k)
        cut += k_tiles > 1
        tiles = []
        for q in range(k_tiles):
            chosen = [choose_pass(small_plan, f"{planned.label}:{q * row_passes + p}") for p in range(row_passes)]
            assert [c.name for c in chosen] == [pass_name(planned, q, p) for p in range(row_passes)]
            assert all(c.recorded == (product.mask is not None) for c in chosen)
            tiles.append(np.concatenate([c.mask for c in chosen]))
        assert np.array_equal(np.concatenate(tiles, axis=1), whole)
        with pytest.raises(InputError, match="--waves-pass"):
            choose_pass(small_plan, f"{planned.label}:{row_passes * k_tiles}")
    assert cut


def test_the_default_has_recorded_zeros_of_the_gradient(small_plan: Plan) -> None:
    chosen = choose_pass(small_plan, None)
    assert chosen.recorded
    assert not chosen.mask.all()
    assert chosen.name.endswith(":0")


def test_without_a_colon_it_is_the_first_pass(small_plan: Plan) -> None:
    assert choose_pass(small_plan, "  lstm1   dh t=2 ").name == "lstm1 dh t=2:0"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lstm1 dh t=9:0", "did you mean 'lstm1 dh t="),
        ("", "such as 'lstm0 gates_x'"),
        (":", "such as"),
        ("lstm1 dh t=2:x", "a pass from 0 to 3 of lstm1 dh t=2"),
        ("lstm1 dh t=2:-1", "a pass from 0 to 3"),
        ("lstm1 dh t=2:²", "a pass from 0 to 3"),
    ],
)
def test_a_pass_that_is_not_there_is_the_users_mistake(name: str, said: str, small_plan: Plan) -> None:
    with pytest.raises(InputError, match="--waves-pass") as error:
        choose_pass(small_plan, name)
    assert said in str(error.value)

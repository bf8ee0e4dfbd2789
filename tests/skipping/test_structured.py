"""The structured law (n:m): its ratio, its refusals, the plain form, and dense operands."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from contract.mechanism_contract import MechanismContract
from hypothesis import given, settings
from hypothesis import strategies as st
from plain.structured import plain_offence, plain_structured, pruned

from simulator import load_arch, simulate
from simulator.arch.mechanism import Mechanism
from simulator.skipping import Structured, run_pass
from simulator.skipping.masks import from_bools, full, rows_on_lanes
from simulator.skipping.structured import BrokenPatternError
from traces import Layer, Trace, TraceWriter, synthetic_trace
from traces.errors import InputError

Bools = npt.NDArray[np.bool_]


class TestStructuredContract(MechanismContract):
    mechanisms = (Structured(n=2, m=4), Structured(n=1, m=4), Structured(n=3, m=3), Structured(n=3, m=16))

    def mask_for(self, mechanism: Mechanism, mask: Bools) -> Bools:
        assert isinstance(mechanism, Structured)
        return pruned(mask, mechanism.n, mechanism.m)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Bools, int, int]:
    """Draw masks, some of which keep the pattern and some of which just break it."""
    m = draw(st.integers(1, 9))
    n = draw(st.integers(1, m))
    lanes, positions = draw(st.sampled_from([1, 2, 5, 64, 70])), draw(st.integers(0, 5 * m + 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mask = rng.random((lanes, positions)) < draw(st.sampled_from([0.0, 0.2, 0.6, 1.0]))
    mask = pruned(mask, n, m)
    if positions and draw(st.booleans()):
        mask[rng.integers(lanes), rng.integers(positions)] = True
    return mask, n, m


@settings(max_examples=250)
@given(cases())
def test_structured_counts_or_refuses_as_its_plain_form(case: tuple[Bools, int, int]) -> None:
    mask, n, m = case
    offence = plain_offence(mask, n, m)
    masks = from_bools(mask)
    if offence is None:
        assert Structured(n=n, m=m).count(masks).total() == plain_structured(mask, n, m)
        return
    lane, position = offence
    with pytest.raises(
        InputError, match=f"^pass 0, lane {lane}, position {position}: found non-zero number {n + 1} in "
    ):
        Structured(n=n, m=m).count(masks)


@pytest.mark.parametrize("density", [0.0, 0.3, 0.9])
def test_2_of_4_is_exactly_twice_as_fast_whatever_the_mask(density: float) -> None:
    mask = pruned(np.random.default_rng(4).random((32, 4096)) < density, 2, 4)
    count = Structured(n=2, m=4).count(from_bools(mask)).total()
    assert count["cycles"] == 2048
    assert count["executed"] + count["gated"] == 32 * 2048 == count["skipped"]


def test_a_short_last_group_takes_at_most_its_length() -> None:
    for positions, cycles in ((4, 2), (5, 3), (6, 4), (7, 4), (8, 4)):
        mask = np.zeros((2, positions), np.bool_)
        assert run_pass(mask, {"mechanism": "structured", "n": 2, "m": 4}).cycles == cycles


def test_the_first_offence_names_pass_lane_and_position() -> None:
    mask = np.zeros((70, 12), np.bool_)
    mask[66, [4, 5, 7]] = True  # a third non-zero, in lane 2 of the third pass
    mask[68, [8, 9, 10, 11]] = True
    packed = np.packbits(mask, axis=-1, bitorder="little")
    message = re.escape(
        "pass 2, lane 2, position 7: found non-zero number 3 in a group of 4 positions; "
        "expected at most 2 in each (structured 2:4)"
    )
    with pytest.raises(InputError, match=message):
        Structured(n=2, m=4).count(rows_on_lanes(packed, 12, 32))


def test_a_recorded_mask_without_a_zero_is_refused_and_an_unrecorded_operand_runs_dense() -> None:
    with pytest.raises(InputError, match="position 2: found non-zero number 3 in a group"):
        run_pass(np.ones((3, 8), np.bool_), {"mechanism": "structured", "n": 2, "m": 4})
    counts = Structured(n=2, m=4).count(full(3, 8, 5))
    assert counts.cycles.tolist() == [8, 8]
    assert counts.executed.tolist() == [24, 16]
    assert counts.gated.tolist() == counts.skipped.tolist() == counts.idle.tolist() == [0, 0]


LAYERS = [Layer("lstm0", "lstm", 32, 32), Layer("out", "linear", 32, 48)]


@pytest.fixture
def traced(tmp_path: Path) -> Callable[..., Path]:
    """Make a trace of an LSTM and a linear layer with half of the gate gradients zero."""

    def make(correlation: str, **options: Any) -> Path:
        sizes = {"sequence_length": 8, "batch_size": 12, "sparsity": 0.5}
        return synthetic_trace(tmp_path / "t.npz", layers=LAYERS, **sizes, correlation=correlation, **options)

    return make


def test_a_2_4_trace_runs_its_backward_products_exactly_twice_as_fast(traced: Callable[..., Path]) -> None:
    arch = load_arch("sparse_tensor_core_2_4", ["memory=ideal"])
    report = simulate(arch, traced("2:4"))
    assert report.baseline is not None
    ours, dense = (r.frame().set_index(["layer", "product", "time"])["array_cycles"] for r in (report, report.baseline))
    for key, cycles in ours.items():
        masked = key[1] in ("dh", "dx", "dW", "dU")
        assert dense[key] == (2 if masked else 1) * cycles, key


def test_k_tiles_of_a_small_buffer_keep_whole_groups(traced: Callable[..., Path]) -> None:
    # 13 positions of 32 rows fit half of the buffer: tiles of 12, so that no group of 4 is cut.
    arch = load_arch("sparse_tensor_core_2_4", ["memory.buffers.skip.capacity_kib=2", "array.rows=39"])
    report = simulate(arch, traced("2:4"))
    assert report.baseline is not None
    totals = report.activity.totals()
    assert totals["macs_executed"] + totals["macs_gated"] + totals["macs_skipped"] == totals["macs_dense"]
    assert not totals["slots_imbalance"]


def test_a_run_on_masks_that_break_the_pattern_names_layer_product_row_and_position(
    traced: Callable[..., Path],
) -> None:
    path = traced("independent")
    with Trace(path) as trace:
        mask = trace.step(0).layers["out"].gate_gradient.unpack().reshape(96, 48)
    # The first product with a recorded mask is the linear layer's dx.
    lanes = [mask[row : row + 32] for row in (0, 32, 64)]
    offences = [(p, plain_offence(part, 2, 4)) for p, part in enumerate(lanes)]
    at_pass, offence = next((p, found) for p, found in offences if found)
    assert offence is not None
    place = f"layer out, product dx: row {32 * at_pass + offence[0]}, position {offence[1]}: found non-zero number 3 in"
    with pytest.raises(InputError, match=f"^{re.escape(place)}"):
        simulate("sparse_tensor_core_2_4", path)


def test_a_refusal_in_a_later_k_tile_names_the_position_in_the_product(traced: Callable[..., Path]) -> None:
    path = traced("2:4", valid_steps=[8] * 12)
    with Trace(path) as trace:
        layers, records = trace.layers, dict(trace.step(0).layers)
        header = {"layers": layers, "batch_size": 12, "sequence_length": 8}
    broken = records["out"].gate_gradient.unpack()
    broken[3, 5, 40:44] = True
    with TraceWriter(path, header, checkpoint_every_seconds=None) as writer:
        masks = {name: {"gate_gradient": record.gate_gradient} for name, record in records.items()}
        writer.add_step(0, masks | {"out": {"gate_gradient": broken}})
    arch = load_arch("sparse_tensor_core_2_4", ["memory.mapping.tile_k=20"])
    with pytest.raises(InputError, match=r"^layer out, product dx: row 41, position 42: found non-zero number 3"):
        simulate(arch, path)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n": 0, "m": 4}, r"skipping\.n: found 0"),
        ({"n": 5, "m": 4}, "n 5 with m 4; expected n of at most m"),
        ({"n": 2}, "no key 'm'"),
        ({"n": 2, "m": True}, r"skipping\.m: found true"),
        ({"n": 2, "m": 4, "k": 4}, "unknown key 'k'"),
    ],
)
def test_a_wrong_parameter_of_structured_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_pass(np.ones((1, 4), np.bool_), {"mechanism": "structured"} | wrong)


def test_structured_holds_a_group_to_select_from() -> None:
    assert Structured(n=2, m=4).selector_positions == 4
    assert Structured(n=2, m=4).staged
    assert not Structured(n=1, m=1).staged


def test_an_offence_is_placed_in_its_product_by_pass_lane_and_k_tile() -> None:
    offence = BrokenPatternError(2, 4, at_pass=3, lane=3, position=5)
    assert "layer l, product dW: row 21, position 17: found" in str(offence.within("layer l, product dW", 6, 12))

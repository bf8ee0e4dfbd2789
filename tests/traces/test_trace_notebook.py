"""The notebook view of a trace, and its table: well-formed, escaped, and what the masks say."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from traces import DenseLayer, Layer, Trace, synthetic_trace
from traces.inspection import SHOWN_STEPS
from traces.statistics import time_rows, trace_rows

NASTY = '<b>"&'


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    path = synthetic_trace(
        tmp_path / "<i>&run.npz",
        layers=[Layer(NASTY, "gru", 6, 8), Layer("second", "lstm", 8, 4)],
        dense_layers=[DenseLayer("classifier <s>", 4, 20)],
        sequence_length=5,
        batch_size=3,
        sparsity=0.75,
        steps=[1, 2000],
        valid_steps=[5, 2, 3],
    )
    return Trace(path)


def cells(trace: Trace) -> list[str]:
    root = ET.fromstring(trace._repr_html_())  # fails where tags do not match or anything is not escaped
    assert root.tag == "div"
    return ["".join(element.itertext()) for element in root.iter() if element.tag in ("th", "td", "h4")]


def test_view_has_the_run_its_layers_and_its_zeros(trace: Trace) -> None:
    found = cells(trace)
    assert {"<i>&run.npz", NASTY, "second", "classifier <s>", "r z n", "i f o g"} <= set(found)
    assert "5 time steps x batch of 3" in found
    assert {"step 1", "step 2,000", "75.0"} <= set(found)


def test_view_of_a_closed_trace_reads_no_masks(trace: Trace) -> None:
    assert not trace.closed
    trace.close()
    assert trace.closed
    assert "second" in cells(trace)
    assert "step 1" not in cells(trace)


def test_view_of_many_steps_shows_some(tmp_path: Path) -> None:
    sizes = {"hidden_size": 2, "input_size": 2, "sequence_length": 1, "batch_size": 1}
    path = synthetic_trace(tmp_path / "many.npz", **sizes, steps=50)
    with Trace(path) as trace:
        found = cells(trace)
    assert sum(cell.startswith("step ") for cell in found) == SHOWN_STEPS
    assert {"step 0", "step 49"} <= set(found)


def test_frame_has_a_row_for_each_step_layer_and_gate(trace: Trace) -> None:
    frame = trace.frame()
    assert frame.to_dict("records") == trace_rows(trace)
    assert list(frame.columns) == ["step", "layer", "gate", "zeros", "elements", "sparsity", "zero_columns"]


def test_time_rows_sum_to_the_rows_of_the_step(trace: Trace) -> None:
    step = trace.step(2000)
    by_gate: dict[tuple[str, str], list[int]] = {}
    for row in time_rows(step, trace.layers):
        sums = by_gate.setdefault((row["layer"], row["gate"]), [0, 0])
        sums[0] += row["zeros"]
        sums[1] += row["elements"]
        sequences = sum(valid > row["time"] for valid in (5, 2, 3))
        assert row["elements"] == sequences * {NASTY: 8, "second": 4}[row["layer"]]
    expected = {(row["layer"], row["gate"]): [row["zeros"], row["elements"]]
                for row in trace_rows(trace) if row["step"] == 2000}  # fmt: skip
    assert by_gate == expected

"""Plots of a trace: cells, histograms and boxes show what its masks hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Text

from simulator.report.plots import gate_activations, lane_imbalance, sparsity_by_step, sparsity_by_time
from simulator.report.plots.activations import grid_of
from simulator.report.plots.lanes import lane_loads
from traces import Layer, Trace, TraceWriter
from traces.histograms import noted_activations

pytestmark = pytest.mark.usefixtures("no_window")

T, B, D, H = 5, 4, 3, 8
COUNTS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] * 2


@pytest.fixture(scope="module")
def masks() -> dict[int, dict[str, Any]]:
    """Gate gradients of two layers at two steps; the last time step of the second layer is padded."""
    rng = np.random.default_rng(3)
    shares = {"a": 0.2, "b": 0.7}
    found = {step: {name: rng.random((T, B, 4 * H)) < share for name, share in shares.items()} for step in (1, 9)}
    for step in found:
        found[step]["b"][-1] = False
    return found


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory, masks: dict[int, dict[str, Any]]) -> Trace:
    path = tmp_path_factory.mktemp("plots") / "run.npz"
    layers = [Layer("a", "lstm", D, H, input_needs_gradient=False), Layer("b", "lstm", H, H)]
    with TraceWriter(path, {"layers": layers, "batch_size": B, "sequence_length": T}) as writer:
        for step, tensors in masks.items():
            noted: dict[str, Any] = {"layer_valid_steps": {"b": [T - 1] * B}}
            noted["gate_histograms"] = {"b": dict.fromkeys("ifog", COUNTS)}
            writer.add_step(step, {name: {"gate_gradient": mask} for name, mask in tensors.items()}, **noted)
    return Trace(path)


def cells(axes: Axes) -> Any:
    return np.ma.getdata(axes.get_images()[0].get_array())


def test_sparsity_by_step_has_a_cell_for_each_layer_gate_and_step(trace: Trace, masks: dict[int, Any]) -> None:
    axes = sparsity_by_step(trace)
    drawn = cells(axes)
    assert drawn.shape == (8, 2)
    for column, step in enumerate((1, 9)):
        for row, (layer, gate) in enumerate((layer, gate) for layer in "ab" for gate in range(4)):
            real = masks[step][layer][: T if layer == "a" else T - 1, :, gate * H : (gate + 1) * H]
            assert drawn[row, column] == pytest.approx(100 * (1 - real.mean()))
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "9"]
    assert [label.get_text().split()[-1] for label in axes.get_yticklabels()] == list("ifog" * 2)
    assert len(axes.texts) == drawn.size  # each cell says its share


def test_sparsity_by_time_is_white_where_nothing_is_real(trace: Trace, masks: dict[int, Any]) -> None:
    drawn = cells(sparsity_by_time(trace, step=1))
    assert drawn.shape == (8, T)
    assert np.isnan(drawn[4:, -1]).all()
    assert not np.isnan(drawn[:, :-1]).any()
    for time in range(T):
        assert drawn[2, time] == pytest.approx(100 * (1 - masks[1]["a"][time, :, 2 * H : 3 * H].mean()))


def test_chosen_steps_are_drawn(trace: Trace) -> None:
    assert cells(sparsity_by_step(trace, steps=[9])).shape == (8, 1)
    assert "step 9" in sparsity_by_time(trace).get_title()


def test_activations_are_shares_of_each_gate(trace: Trace) -> None:
    assert grid_of(trace) == (1, 4)  # layer a has no histograms
    ((*panels,),) = gate_activations(trace)
    assert [ax.get_title() for ax in panels] == list("ifog")
    for ax in panels:
        heights = [patch.get_data().values for patch in ax.patches]  # type: ignore[attr-defined]
        assert len(heights) == 2
        assert heights[0] == pytest.approx(100 * np.array(COUNTS) / sum(COUNTS))


@pytest.mark.parametrize(
    "noted", [None, 3, {"b": 3}, *({"b": {"i": counts}} for counts in ([1, 2], ["x"] * 20, [-1] * 20, [0] * 20))]
)
def test_histograms_that_are_not_whole_are_left_out(noted: object) -> None:
    assert noted_activations({"gate_histograms": noted}) == {}


def test_a_trace_without_histograms_has_no_activations_to_draw(small_trace: Path) -> None:
    with Trace(small_trace) as trace, pytest.raises(ValueError, match="no histograms"):
        gate_activations(trace)


def test_lane_loads_are_the_fullest_lane_over_the_mean(trace: Trace, masks: dict[int, Any]) -> None:
    lanes = 6
    loads = {(one.layer, one.product): one.ratios.tolist() for one in lane_loads(trace, lanes, 9)}
    dG = masks[9]["a"].reshape(T * B, 4 * H)
    rows = {"dW": dG.T, "dU": dG.T}
    for product, operand in rows.items():
        sums = operand.sum(axis=1)
        passes = [sums[i : i + lanes] for i in range(0, len(sums), lanes)]
        assert loads["a", product] == pytest.approx([one.max() / one.mean() for one in passes])
    of_dh = [masks[9]["a"][t].sum(axis=1) for t in reversed(range(T))]  # B = 4 rows: one short pass a time step
    assert sorted(loads["a", "dh"]) == pytest.approx(sorted(one.max() / one.mean() for one in of_dh))


def test_lane_imbalance_has_a_box_for_each_product(trace: Trace) -> None:
    axes = lane_imbalance(trace, 4)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["a dh", "b dh", "b dx", "a dW", "b dW", "a dU", "b dU"]  # a's input needs no gradient
    assert {f"{one.layer} {one.product}" for one in lane_loads(trace, 4)} == set(names)
    assert len(axes.patches) == len(names)
    assert axes.get_xlim()[0] < 1


def test_names_of_layers_and_gates_are_drawn_as_they_are(tmp_path: Path) -> None:
    layer = Layer("$x${ <b>", "lstm", D, H, ("$x$", "$\\a", "<i>", "g"))
    header = {"layers": [layer], "batch_size": B, "sequence_length": T}
    with TraceWriter(tmp_path / "odd.npz", header) as writer:
        mask = np.ones((T, B, 4 * H), dtype=bool)
        writer.add_step(1, {layer.name: {"gate_gradient": mask}}, gate_histograms={layer.name: {"$x$": COUNTS}})
    with Trace(tmp_path / "odd.npz") as odd:
        for axes in (sparsity_by_step(odd), sparsity_by_time(odd), lane_imbalance(odd, 4), gate_activations(odd)[0][0]):
            axes.figure.canvas.draw()
            assert any("<b>" in text.get_text() for text in axes.figure.findobj(Text))

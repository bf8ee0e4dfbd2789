from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traces import DenseLayer, InputError, Layer, Trace, synthetic_trace

SIZES = {"input_size": 5, "hidden_size": 6, "sequence_length": 7, "batch_size": 4}


def masks(path):
    with Trace(path) as trace:
        return [record.gate_gradient.unpack() for step in trace for record in step.layers.values()]


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    share=st.floats(0, 1),
    correlation=st.sampled_from(["independent", "columns"]),
    kind=st.sampled_from(["lstm", "gru", "rnn", "linear"]),
    valid=st.none() | st.lists(st.integers(0, 7), min_size=4, max_size=4),
)
def test_zeros_are_exactly_the_rounded_share_of_real_elements(tmp_path_factory, share, correlation, kind, valid):
    path = tmp_path_factory.mktemp("synthetic") / "x.npz"
    synthetic_trace(
        path,
        **SIZES,
        layers=2,
        steps=2,
        kind=kind,
        sparsity=share,
        correlation=correlation,
        valid_steps=valid,
    )
    rows = 7 * 4 if valid is None else sum(valid)
    for mask in masks(path):
        elements = rows * mask.shape[2]
        assert elements - mask.sum() == round(share * elements)


def test_column_correlation_makes_whole_columns_zero_and_at_most_one_in_part(tmp_path):
    for mask in masks(synthetic_trace(tmp_path / "x.npz", **SIZES, sparsity=0.61, correlation="columns")):
        ones_in_column = mask.sum(axis=1)
        assert np.count_nonzero((ones_in_column > 0) & (ones_in_column < 4)) <= 1
    independent = masks(synthetic_trace(tmp_path / "y.npz", **SIZES, sparsity=0.61))[0].sum(axis=1)
    assert np.count_nonzero((independent > 0) & (independent < 4)) > 10


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.integers(1, 6).flatmap(lambda m: st.tuples(st.integers(1, m), st.just(m))),
    st.floats(0, 1),
    st.none() | st.lists(st.integers(0, 7), min_size=4, max_size=4),
    st.integers(0, 5),
)
def test_an_n_m_pattern_holds_along_rows_and_down_real_rows(tmp_path_factory, pattern, more, valid, seed):
    n, m = pattern
    path = tmp_path_factory.mktemp("synthetic") / "x.npz"
    share = 1 - n / m + more * n / m
    options = {"valid_steps": valid, "seed": seed, "sparsity": share, "input_sparsity": share}
    # At the ragged border of a matrix a pattern may have more zeros than its share; then it says so.
    with contextlib.suppress(InputError) if share < 1 else contextlib.nullcontext():
        synthetic_trace(path, **SIZES, **options, correlation=f"{n}:{m}")
    if not path.exists():
        return
    real = np.arange(7)[:, None] < np.broadcast_to(7 if valid is None else valid, 4)
    with Trace(path) as trace:
        record = trace.step(0).layers["lstm0"]
    for mask in (record.gate_gradient.unpack(), record.input.unpack()):
        rows = mask[real]
        assert not mask[~real].any()
        assert rows.size - rows.sum() == round(share * rows.size)
        for axis in (0, 1):
            groups = (
                np.add.reduceat(rows, np.arange(0, max(rows.shape[axis], 1), m), axis=axis, dtype=int)
                if rows.size
                else rows
            )
            assert groups.max(initial=0) <= n


def test_a_whole_pattern_is_met_exactly_and_a_lower_share_refused(tmp_path):
    sizes = SIZES | {"sequence_length": 8, "hidden_size": 8}
    (mask,) = masks(synthetic_trace(tmp_path / "x.npz", **sizes, sparsity=0.5, correlation="2:4"))
    rows = mask.reshape(32, 32)
    assert (rows.reshape(32, 8, 4).sum(axis=2) == 2).all()
    assert (rows.reshape(8, 4, 32).sum(axis=1) == 2).all()
    assert len(np.unique(rows[:4], axis=1).T) > 3  # blocks differ from each other
    with pytest.raises(InputError, match=r"sparsity: found 0\.49 with the pattern 2:4"):
        synthetic_trace(tmp_path / "y.npz", **sizes, sparsity=0.49, correlation="2:4")


def test_same_seed_gives_the_same_bytes_and_another_seed_other_masks(tmp_path):
    first = synthetic_trace(tmp_path / "a.npz", **SIZES, seed=1).read_bytes()
    assert synthetic_trace(tmp_path / "b.npz", **SIZES, seed=1).read_bytes() == first
    other = masks(synthetic_trace(tmp_path / "c.npz", **SIZES, seed=2))[0]
    assert (other != masks(tmp_path / "a.npz")[0]).any()


def test_layers_and_steps_differ_from_each_other(tmp_path):
    drawn = masks(synthetic_trace(tmp_path / "a.npz", **(SIZES | {"input_size": 6}), layers=2, steps=2))
    assert len({mask.tobytes() for mask in drawn}) == 4


def test_input_and_hidden_masks_have_their_own_shares(tmp_path):
    path = synthetic_trace(tmp_path / "x.npz", **SIZES, input_sparsity=0.5, hidden_sparsity=0.25)
    with Trace(path) as trace:
        record = trace.step(0).layers["lstm0"]
    assert record.input is not None
    assert record.hidden is not None
    assert record.input.count() == 140 - 70
    assert record.hidden.count() == 168 - 42


def test_values_are_recorded_one_for_each_nonzero(tmp_path):
    path = synthetic_trace(tmp_path / "x.npz", **SIZES, values=True)
    with Trace(path) as trace:
        record = trace.step(0).layers["lstm0"]
    assert record.values is not None
    assert record.values.shape == (record.gate_gradient.count(),)
    assert (record.values != 0).all()


def test_stacked_layers_take_the_hidden_state_of_the_one_before(tmp_path):
    dense = DenseLayer("classifier", 6, 65)
    path = synthetic_trace(tmp_path / "x.npz", **SIZES, layers=3, kind="gru", dense_layers=[dense])
    with Trace(path) as trace:
        assert [layer.name for layer in trace.layers] == ["gru0", "gru1", "gru2"]
        assert [layer.input_size for layer in trace.layers] == [5, 6, 6]
        assert [layer.input_needs_gradient for layer in trace.layers] == [False, True, True]
        assert trace.dense_layers == (dense,)


def test_layers_may_be_given_as_they_are(tmp_path):
    layers = (Layer("a", "lstm", 3, 4), Layer("b", "linear", 4, 9))
    path = synthetic_trace(tmp_path / "x.npz", layers=layers, sequence_length=2, batch_size=2, hidden_sparsity=0.5)
    with Trace(path) as trace:
        assert trace.layers == layers
        assert trace.step(0).layers["b"].hidden is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"sparsity": 1.2},
        {"sparsity": float("nan")},
        {"input_sparsity": -0.1},
        {"correlation": "colums"},
        {"correlation": "5:4"},
        {"correlation": "0:4"},
        {"correlation": "2:4", "sparsity": 0.3},
        {"kind": "lstmm"},
        {"hidden_size": None},
        {"hidden_size": -1},
        {"batch_size": 0},
        {"sequence_length": True},
        {"layers": 0},
        {"valid_steps": [1, 2]},
        {"valid_steps": [8, 1, 1, 1]},
        {"steps": [-1]},
        {"seed": -1},
        {"steps": [2, 2]},
    ],
)
def test_a_wrong_argument_is_refused_and_leaves_no_file(tmp_path, wrong):
    with pytest.raises(InputError):
        synthetic_trace(tmp_path / "x.npz", **(SIZES | wrong))
    # Steps recorded before the wrong one are kept, as in any recording.
    assert [file.name for file in tmp_path.iterdir()] == (["x.npz"] if wrong == {"steps": [2, 2]} else [])

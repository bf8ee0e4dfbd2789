"""Which elements stay: relative thresholds, the k largest, n of m, columns and blocks, beside plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from plain import thresholds as plain

from traces.errors import InputError
from traces.thresholds import Blocks, Columns, Fixed, Moment, NofM, Relative, Target, TopK, from_mapping

NOW = Moment(step=1, time=0)
quick = hypothesis_settings(derandomize=True, deadline=None, max_examples=60)
shapes = array_shapes(min_dims=3, max_dims=3, max_side=7)
# Few values, so that most examples have ties; quarters, so that sums are exact in any order.
tied = arrays(np.float32, shapes, elements=st.sampled_from([0, 0.25, -0.25, 0.5, -0.75, 1, -1]))
# Long rows, so that the partition is met and not only the comparison of all pairs.
long_tied = arrays(np.float32, (2, 9, 3), elements=st.sampled_from([0, 0.25, -0.25, 0.5, -0.75, 1, -1]))


@quick
@given(gradient=st.one_of(tied, long_tied), k=st.integers(1, 20), per=st.sampled_from(["layer", "gate", "row"]))
def test_top_k_keeps_exactly_the_k_largest_and_of_equal_ones_the_first(gradient, k, per):
    found = TopK(k=k, per=per).sparsify(gradient, NOW)
    expected = plain.keep_in_groups(gradient, plain.groups_of(gradient.shape, per), k)
    np.testing.assert_array_equal(found, expected)


@quick
@given(gradient=st.one_of(tied, long_tied), sparsity=st.floats(0, 0.99), per=st.sampled_from(["layer", "gate", "row"]))
def test_top_k_by_sparsity_keeps_what_the_rounded_share_leaves(gradient, sparsity, per):
    groups = plain.groups_of(gradient.shape, per)
    count = len(groups[0]) - round(sparsity * len(groups[0]))
    found = TopK(sparsity=sparsity, per=per).sparsify(gradient, NOW)
    np.testing.assert_array_equal(found, plain.keep_in_groups(gradient, groups, count))


@quick
@given(
    gradient=st.one_of(tied, long_tied), m=st.integers(1, 12), axis=st.sampled_from(["gate", "batch"]), data=st.data()
)
def test_n_of_m_keeps_the_n_largest_of_each_m_neighbours(gradient, m, axis, data):
    n = data.draw(st.integers(1, m))
    found = NofM(n, m, axis).sparsify(gradient, NOW)
    np.testing.assert_array_equal(found, plain.n_of_m(gradient, n, m, axis))


@quick
@given(
    gradient=tied,
    cells=st.integers(1, 8),
    sequences=st.integers(1, 8),
    criterion=st.sampled_from(["max", "l1", "l2"]),
    threshold=st.sampled_from([0, 0.3, 0.6, 1.1, 2.6]),
)
def test_blocks_stay_where_their_size_is_above_the_threshold(gradient, cells, sequences, criterion, threshold):
    policy = Blocks((cells, sequences), criterion, Fixed(threshold))
    found = policy.for_layer("lstm0").sparsify(gradient, NOW)
    np.testing.assert_array_equal(found, plain.blocks(gradient, cells, sequences, criterion, threshold))


@quick
@given(gradient=tied, criterion=st.sampled_from(["max", "l1", "l2"]), threshold=st.sampled_from([0, 0.3, 1.1]))
def test_columns_are_blocks_of_the_whole_batch(gradient, criterion, threshold):
    found = Columns(criterion, Fixed(threshold)).for_layer("lstm0").sparsify(gradient, NOW)
    np.testing.assert_array_equal(found, plain.blocks(gradient, 1, gradient.shape[2], criterion, threshold))


def test_blocks_by_share_drop_exactly_that_share_of_blocks():
    gradient = np.random.default_rng(0).standard_normal((4, 8, 6)).astype(np.float32)
    policy = Blocks((4, 1), "l2", TopK(sparsity=0.75, per="layer"))
    kept = policy.for_layer("lstm0").sparsify(gradient, NOW) != 0
    blocks = kept.reshape(4, 2, 4, 6)
    assert (blocks.all(axis=2) == blocks.any(axis=2)).all()
    assert np.count_nonzero(blocks.all(axis=2)) == 12


@quick
@given(
    gradient=arrays(np.float64, (3, 4, 2), elements=st.floats(-1, 1)),
    factor=st.floats(0.01, 3),
    of=st.sampled_from(["rms", "l2"]),
    per=st.sampled_from(["layer", "gate"]),
)
def test_relative_keeps_what_is_above_the_factor_of_the_size(gradient, factor, of, per):
    found = Relative(of, factor, per).sparsify(gradient, NOW)
    for places in plain.groups_of(gradient.shape, per):
        norm = plain.block_size([float(gradient[place]) for place in places], "l2")
        size = norm / len(places) ** 0.5 if of == "rms" else norm
        for place in places:
            # Away from the border, where two ways to round a sum may differ.
            if abs(abs(gradient[place]) - factor * size) > 1e-12 * size + 1e-307:
                assert found[place] == (gradient[place] if abs(gradient[place]) > factor * size else 0)


@pytest.mark.parametrize("scale", [1e-38, 1e-22, 1e-3, 1e18, 1e30])
def test_relative_does_not_depend_on_the_scale_of_the_gradient(scale):
    gradient = np.random.default_rng(1).standard_normal((4, 5, 3)).astype(np.float32)
    expected = Relative("rms", 0.8).sparsify(gradient, NOW) != 0
    scaled = (gradient.astype(np.float64) * scale).astype(np.float32)
    np.testing.assert_array_equal(Relative("rms", 0.8).sparsify(scaled, NOW) != 0, expected)


def test_relative_to_the_learning_rate_follows_it_and_must_know_it():
    gradient = np.array([[[0.3, -0.05, 0.02]]])
    policy = Relative("learning_rate", 10)
    assert policy.sparsify(gradient, Moment(1, 0, 0.01)).tolist() == [[[0.3, 0, 0]]]
    assert policy.sparsify(gradient, Moment(1, 0, 0.003)).tolist() == [[[0.3, -0.05, 0]]]
    with pytest.raises(InputError, match="a learning rate that is known"):
        policy.sparsify(gradient, NOW)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"kind": "relative", "of": "rmss", "factor": 1}, "policy of: .*did you mean 'rms'"),
        ({"kind": "relative", "of": "rms", "factor": -1}, "policy factor: found -1"),
        ({"kind": "relative", "of": "rms", "factor": 1, "per": "row"}, "policy per: .*layer, gate"),
        ({"kind": "top_k"}, "policy sparsity or k: found neither"),
        ({"kind": "top_k", "k": 3, "sparsity": 0.5}, "found sparsity and k"),
        ({"kind": "top_k", "k": 0}, "policy k: found 0"),
        ({"kind": "top_k", "sparsity": 1}, "policy sparsity: found 1"),
        ({"kind": "n_m", "n": 5, "m": 4}, "policy n: found 5; expected an integer from 1 to 4"),
        ({"kind": "n_m", "n": 1, "m": 4, "axis": "time"}, "policy axis"),
        (
            {"kind": "blocks", "shape": [0, 1], "criterion": "max", "rule": {"kind": "off"}},
            r"policy shape\[0\]: found 0",
        ),
        ({"kind": "blocks", "shape": 4, "criterion": "max", "rule": {"kind": "off"}}, "policy shape: found 4"),
        ({"kind": "columns", "criterion": "l3", "rule": {"kind": "off"}}, "policy criterion"),
        ({"kind": "columns", "criterion": "l2", "rule": {"kind": "fixed", "threshold": -1}}, "policy rule threshold"),
        ({"kind": "columns", "criterion": "l2", "rule": {"kind": "fixt"}}, "policy rule kind: .*did you mean 'fixed'"),
        ({"kind": "columns", "criterion": "l2", "rule": {"kind": "stochastic", "threshold": 1}}, "changes no values"),
        ({"kind": "columns", "criterion": "l2", "rule": None}, "policy rule: found nothing"),
    ],
)
def test_choice_refuses_what_makes_no_sense_and_says_where(mapping, message):
    with pytest.raises(InputError, match=message):
        from_mapping(mapping)


def test_policies_may_be_given_as_objects_or_as_mappings():
    assert Columns("max", {"kind": "target", "sparsity": 0.5}) == Columns("max", Target(0.5))

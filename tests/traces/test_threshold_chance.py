"""Unbiased pruning: what it makes of each element, that its mean stays, and that its numbers can be had again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from traces.errors import InputError
from traces.thresholds import Moment, Stochastic, from_mapping


def pruned(policy, gradient, layer="lstm0", step=1, time=0):
    return policy.for_layer(layer).sparsify(gradient, Moment(step, time))


@hypothesis_settings(derandomize=True, deadline=None, max_examples=80)
@given(
    gradient=arrays(np.float32, (2, 3, 4), elements=st.floats(-1, 1, width=32)),
    threshold=st.floats(2.0**-60, 1, width=32),
    seed=st.integers(0, 2**64 - 1),
)
def test_large_elements_stay_and_small_ones_become_zero_or_the_signed_threshold(gradient, threshold, seed):
    found = pruned(Stochastic(threshold=threshold, seed=seed), gradient)
    large = np.abs(gradient) > threshold
    np.testing.assert_array_equal(found[large], gradient[large])
    small = found[~large]
    assert set(np.abs(small).tolist()) <= {0, threshold}
    assert (np.sign(small) * gradient[~large] >= 0).all()
    assert not found[gradient == 0].any()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("value", [0.001, 0.1, 0.37, -0.9, 1.0, 1.5])
def test_mean_of_many_draws_is_the_gradient(dtype, value):
    gradient = np.full((10, 20, 30), value, dtype)
    value, steps = float(gradient[0, 0, 0]), 40
    policy = Stochastic(threshold=1).for_layer("lstm0")
    found = [policy.sparsify(gradient, Moment(step, step % 3)).astype(np.float64) for step in range(1, steps + 1)]
    chance = min(1.0, abs(value))
    # Six standard deviations of a mean of draws of 0 and 1; none where the outcome is certain.
    tolerance = 6 * (chance * (1 - chance) / (steps * gradient.size)) ** 0.5
    assert abs(np.mean(found) - value) <= tolerance
    # And of each place, over the steps: no place always gets the same number.
    assert np.abs(np.mean(found, axis=0) - value).max() <= 7 * (chance * (1 - chance) / steps) ** 0.5 + 0.05


def test_threshold_that_half_precision_rounds_is_used_as_it_is_rounded():
    found = pruned(Stochastic(threshold=0.1), np.full((4, 50, 50), 0.05, np.float16))
    assert set(found.ravel().tolist()) == {0.0, float(np.float16(0.1))}
    # Rounded down to the gradient itself, the threshold leaves nothing to chance.
    least = np.full((2, 8, 8), 2.0**-24, np.float16)
    assert pruned(Stochastic(threshold=1.4 * 2.0**-24), least).tobytes() == least.tobytes()
    tiny = np.full((2, 2, 2), 6e-8, np.float16)
    assert pruned(Stochastic(threshold=1e-9), tiny).tobytes() == tiny.tobytes()


def test_numbers_are_a_function_of_seed_layer_step_and_time_alone():
    gradient = np.full((4, 4, 4), 0.5, np.float32)
    places = [(seed, layer, step, time) for seed in (0, 1) for layer in "ab" for step in (1, 2) for time in (0, 1)]

    def draw(place):
        return pruned(Stochastic(threshold=1, seed=place[0]), gradient, *place[1:]).tobytes()

    found = [draw(place) for place in places]
    assert len(set(found)) == len(places)
    # In any order, and whatever was asked before.
    assert [draw(place) for place in reversed(places)] == found[::-1]


def test_neighbouring_draws_are_not_correlated():
    gradient = np.full((4, 32, 32), 0.5, np.float32)
    drawn = [pruned(Stochastic(threshold=1), gradient, step=s, time=t).ravel() - 0.5 for s in (1, 2, 3) for t in (0, 1)]
    correlation = np.corrcoef(drawn)
    off = correlation[~np.eye(6, dtype=bool)]
    assert np.abs(off).max() < 6 / gradient.size**0.5
    # Nor does one stream run into the next, as it would if they were counted in the same word.
    for lag in range(1, 64):
        shifted = np.corrcoef([*(d[lag:] for d in drawn), *(d[:-lag] for d in drawn)])[:6, 6:]
        assert np.abs(shifted).max() < 6 / (gradient.size - lag) ** 0.5


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({}, "policy threshold or sparsity: found neither"),
        ({"threshold": 1, "sparsity": 0.5}, "found threshold and sparsity"),
        ({"threshold": -1}, "policy threshold: found -1"),
        ({"sparsity": 1.0}, "policy sparsity: found 1.0"),
        ({"threshold": 1, "seed": -1}, "policy seed: found -1"),
        ({"threshold": 1, "seed": 2**64}, "policy seed"),
    ],
)
def test_stochastic_refuses_what_makes_no_sense(mapping, message):
    with pytest.raises(InputError, match=message):
        from_mapping({"kind": "stochastic"} | mapping)

"""The controller of a target sparsity: what it promises, for whatever gradients come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from traces.errors import InputError
from traces.thresholds import Columns, Moment, Stochastic, Target, from_mapping, restore_state, state_of

NOW = Moment(step=1, time=0)


def shares(policy, gradients):
    """Ask for one gradient after the other: the share of zeros of each answer, and the thresholder."""
    asked = policy.for_layer("lstm0")
    found = [
        np.mean(asked.sparsify(gradient, Moment(1 + k // 10, 9 - k % 10)) == 0) for k, gradient in enumerate(gradients)
    ]
    return np.array(found), asked


def stationary(rng, count):
    return [rng.standard_normal((4, 16, 8)).astype(np.float32) for _ in range(count)]


def lognormal(rng, count):
    """Heavy tails, over some eight decades."""
    return [
        (np.exp(3 * rng.standard_normal((4, 16, 8))) * rng.choice([-1, 1], (4, 16, 8))).astype(np.float32)
        for _ in range(count)
    ]


def fading(rng, count):
    """Ten time steps of a backward pass shrink a thousandfold, then the next optimiser step begins anew."""
    return [g * np.float32(10.0 ** (-3 * (k % 10) / 10)) for k, g in enumerate(lognormal(rng, count))]


def drifting(rng, count):
    """The scale falls by six decades over the run, and the tails become heavier."""
    made = []
    for k in range(count):
        width = 1 + 2 * k / count
        values = np.exp(width * rng.standard_normal((4, 16, 8)) - 14 * k / count) * rng.choice([-1, 1], (4, 16, 8))
        made.append(values.astype(np.float32))
    return made


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("make", [stationary, lognormal, fading, drifting])
@pytest.mark.parametrize("per", ["layer", "gate"])
def test_target_is_met_on_average(sparsity, make, per):
    found, _ = shares(Target(sparsity, per=per), make(np.random.default_rng(7), 400))
    # Drifting tails move the threshold by 4.5 nats in 400 time steps at most: that is 0.011 on the mean.
    assert abs(found.mean() - sparsity) < 0.012
    # And not by extremes that cancel: each time step is near, but for what its 512 elements scatter.
    assert np.sqrt(np.mean((found - sparsity) ** 2)) < 0.08


@hypothesis_settings(derandomize=True, deadline=None, max_examples=60)
@given(
    gradients=st.lists(
        arrays(np.float64, (2, 3, 2), elements=st.floats(1e-6, 1e6) | st.floats(-1e6, -1e-6)), min_size=1, max_size=30
    ),
    sparsity=st.floats(0.01, 0.99),
    gain=st.floats(0.01, 10),
)
def test_mean_share_is_off_by_exactly_how_far_the_threshold_moved(gradients, sparsity, gain):
    asked = Target(sparsity, gain).for_layer("lstm0")
    first = asked.sparsify(gradients[0], NOW)
    moved = gain * (sparsity - np.mean(first == 0))
    begin = state_of(asked)["u"][0] - (0 if moved < 0 and first.all() else moved)
    found = [np.mean(first == 0)] + [np.mean(asked.sparsify(g, NOW) == 0) for g in gradients[1:]]
    # Nothing is zero by itself here, so whenever the threshold should fall something was dropped.
    end = state_of(asked)["u"][0]
    assert end - begin == pytest.approx(
        gain * (sparsity * len(found) - sum(found)), abs=1e-9 * gain * len(found) + 1e-9
    )
    # Bounded by the ratios of magnitude to mean that there are, and one update beyond them.
    assert -np.log(1e12) - np.log(2) - gain <= end <= np.log(12) + gain + 1e-9


def test_target_is_met_where_all_magnitudes_are_equal_by_time_steps_that_take_turns():
    found, _ = shares(Target(0.7), [np.full((4, 2, 2), 0.5, np.float32)] * 300)
    assert set(found.tolist()) == {0.0, 1.0}
    assert abs(found.mean() - 0.7) < 0.02


def test_natural_zeros_beyond_the_target_are_left_and_do_not_wind_the_threshold_down():
    rng = np.random.default_rng(0)
    dense = stationary(rng, 200)
    sparse = [gradient * (rng.random(gradient.shape) < 0.1) for gradient in stationary(rng, 300)]
    found, _ = shares(Target(0.5), sparse)
    # The threshold rests just below the smallest magnitudes: now and then one element falls under it.
    natural = np.array([np.mean(gradient == 0) for gradient in sparse])
    assert ((found - natural) * 512).max() <= 3
    found, _ = shares(Target(0.5), dense + sparse + dense)
    assert abs(found[-180:].mean() - 0.5) < 0.02


def test_first_gradient_meets_the_target_at_once():
    for sparsity in (0.2, 0.75):
        found, _ = shares(Target(sparsity), stationary(np.random.default_rng(0), 1))
        assert abs(found[0] - sparsity) <= 1 / 512


def test_target_per_gate_holds_it_in_each_gate_and_per_layer_in_their_mean_alone():
    gradients = [g * np.float32([1, 10, 100, 1000])[:, None, None] for g in stationary(np.random.default_rng(0), 200)]
    by_per = {}
    for per in ("gate", "layer"):
        asked = Target(0.6, per=per).for_layer("lstm0")
        by_per[per] = np.mean([np.mean(asked.sparsify(g, NOW) == 0, axis=(1, 2)) for g in gradients], axis=0)
    assert np.abs(by_per["gate"] - 0.6).max() < 0.02
    assert abs(by_per["layer"].mean() - 0.6) < 0.02
    assert np.ptp(by_per["layer"]) > 0.5


def test_target_holds_a_share_of_columns_too():
    asked = Columns("max", Target(0.6)).for_layer("lstm0")
    kept = [asked.sparsify(g, NOW) != 0 for g in stationary(np.random.default_rng(0), 300)]
    assert all((mask.all(axis=2) == mask.any(axis=2)).all() for mask in kept)
    assert abs(1 - np.mean(kept) - 0.6) < 0.02


def test_stochastic_pruning_holds_its_sparsity_too():
    for make in (stationary, lognormal, drifting):
        found, _ = shares(Stochastic(sparsity=0.7), make(np.random.default_rng(3), 300))
        assert abs(found[30:].mean() - 0.7) < 0.02


def test_gradient_that_is_not_finite_is_left_and_teaches_nothing():
    gradients = stationary(np.random.default_rng(0), 20)
    _, asked = shares(Target(0.5), gradients)
    before = state_of(asked)
    bad = gradients[0].copy()
    bad[0, 0, 0] = np.nan
    assert asked.sparsify(bad, NOW).tobytes() == bad.tobytes()
    assert state_of(asked)["u"].tobytes() == before["u"].tobytes()


@pytest.mark.parametrize(
    ("state", "message"),
    [({"v": np.zeros(1)}, "found v"), ({"u": np.zeros((1, 1))}, "one array u"), ({"u": np.array([np.inf])}, "u")],
)
def test_state_of_something_else_is_refused(state, message):
    with pytest.raises(InputError, match=message):
        restore_state(Target(0.5).for_layer("lstm0"), state)


def test_state_for_a_policy_without_one_is_refused():
    restore_state(from_mapping({"kind": "fixed", "threshold": 1}).for_layer("lstm0"), {})
    with pytest.raises(InputError, match="holds no state"):
        restore_state(from_mapping({"kind": "fixed", "threshold": 1}).for_layer("lstm0"), {"u": np.zeros(1)})


@pytest.mark.parametrize("change", [{"sparsity": 1}, {"sparsity": -0.1}, {"gain": 0}, {"gain": 11}, {"per": "row"}])
def test_target_refuses_values_out_of_range(change):
    with pytest.raises(InputError, match=f"policy {next(iter(change))}"):
        from_mapping({"kind": "target", "sparsity": 0.5} | change)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_first_gradient_of_zeros_and_the_least_and_largest_numbers_is_no_trouble(dtype):
    least, largest = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    for values in ([0, 0, 0, least], [0, 0, least, largest], [least, least, largest, largest], [0, 0, 0, 0]):
        gradient = np.array([[values]], dtype)
        asked = Target(0.5).for_layer("lstm0")
        for _ in range(50):
            found = asked.sparsify(gradient, NOW)
            assert ((found == gradient) | (found == 0)).all()
        if values[0]:
            assert np.count_nonzero(found) == 2

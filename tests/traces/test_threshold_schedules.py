"""When and where policies act: warm-up, mixing, by layer, by gate; and what error feedback carries on."""

from __future__ import annotations

import numpy as np
import pytest
from contract.threshold_policies import gradients, moments

from traces.errors import InputError
from traces.thresholds import (
    ByGate,
    ByLayer,
    ErrorFeedback,
    Fixed,
    Mixed,
    Moment,
    NofM,
    Off,
    Relative,
    Stochastic,
    Target,
    TopK,
    WarmUp,
    from_mapping,
    restore_state,
    state_of,
)

GRADIENT = gradients(1, (4, 6, 5))[0]
FIXED = Fixed(0.5)


def at(policy, step, gradient=GRADIENT):
    return policy.for_layer("lstm0").sparsify(gradient, Moment(step, 0, learning_rate=0.5))


def acting_steps(policy, steps):
    return [step for step in steps if (at(policy, step) != GRADIENT).any()]


def test_warm_up_is_dense_up_to_its_last_step_and_the_policy_itself_after_it():
    assert acting_steps(WarmUp(3, FIXED), range(1, 7)) == [4, 5, 6]
    np.testing.assert_array_equal(at(WarmUp(3, FIXED), 4), FIXED.sparsify(GRADIENT, Moment(1, 0)))
    assert acting_steps(WarmUp(0, FIXED), range(1, 4)) == [1, 2, 3]


@pytest.mark.parametrize(
    ("full", "half"),
    [
        (Fixed(0.5), Fixed(0.25)),
        (Relative("rms", 1), Relative("rms", 0.5)),
        (Relative("learning_rate", 1), Relative("learning_rate", 0.5)),
        (TopK(sparsity=0.8, per="layer"), TopK(sparsity=0.4, per="layer")),
        (Target(0.8), Target(0.4)),
        (Stochastic(threshold=0.5), Stochastic(threshold=0.25)),
        (ByLayer({"lstm0": Fixed(0.5)}), ByLayer({"lstm0": Fixed(0.25)})),
        (ByGate((Fixed(0.5), Off(), Fixed(1), Off())), ByGate((Fixed(0.25), Off(), Fixed(0.5), Off()))),
    ],
)
def test_ramp_reaches_half_of_the_policy_at_half_of_its_steps_and_all_of_it_at_the_end(full, half):
    ramped = WarmUp(10, full, ramp=True)
    for step, reached in ((5, half), (10, full), (11, full), (99, full)):
        np.testing.assert_array_equal(at(ramped, step), at(reached, step))


@pytest.mark.parametrize("policy", [NofM(2, 4), TopK(k=3), ByLayer({"lstm0": FIXED}, NofM(1, 2))])
def test_ramp_of_what_has_no_threshold_is_refused(policy):
    with pytest.raises(InputError, match=r"policy ramp: found true.*nothing that can be ramped"):
        WarmUp(10, policy, ramp=True)
    assert WarmUp(10, policy).for_layer("lstm0") is not None


def test_mixed_counts_steps_or_epochs_from_the_first_of_each_period():
    assert acting_steps(Mixed(4, 1, FIXED), range(1, 10)) == [2, 3, 4, 6, 7, 8]
    assert acting_steps(Mixed(2, 1, FIXED, "epoch", 3), range(1, 14)) == [4, 5, 6, 10, 11, 12]
    assert acting_steps(Mixed(2, 0, FIXED), range(1, 5)) == [1, 2, 3, 4]
    assert acting_steps(Mixed(2, 2, FIXED), range(1, 5)) == []


def test_by_layer_gives_each_layer_its_own_and_the_rest_the_default():
    policy = ByLayer({"lstm0": Fixed(0.1), "lstm1": Off()}, FIXED)
    assert [policy.for_layer(name) for name in ("lstm0", "lstm1", "lstm2")] == [Fixed(0.1), None, FIXED]


def test_a_layer_that_the_model_does_not_have_is_refused_wherever_it_is_named():
    policy = WarmUp(5, ByLayer({"lstm0": FIXED, "lsmt1": FIXED}))
    with pytest.raises(InputError, match=r"policy policy layers lsmt1: found no such layer.*did you mean 'lstm1'"):
        policy.for_layers(["lstm0", "lstm1"])
    assert len(policy.for_layers(["lstm0", "lsmt1", "lstm2"])) == 3
    nested = ByGate((ByLayer({"x": FIXED}),))
    with pytest.raises(InputError, match=r"policy gates\[0\] layers x"):
        nested.for_layers(["lstm0"])


def test_by_gate_asks_each_policy_for_its_gate_alone():
    policy = ByGate((FIXED, Off(), TopK(k=2, per="layer"), ByLayer({"lstm0": Fixed(1)})))
    found = at(policy, 1)
    for g, alone in enumerate((FIXED, Fixed(0), TopK(k=2, per="layer"), Fixed(1))):
        np.testing.assert_array_equal(found[g : g + 1], at(alone, 1, GRADIENT[g : g + 1]))


def test_gates_with_the_same_random_policy_draw_different_numbers():
    same = np.full((4, 8, 8), 0.5, np.float32)
    found = at(ByGate((Stochastic(threshold=1),) * 4), 1, same)
    assert len({found[g].tobytes() for g in range(4)}) == 4


def test_by_gate_refuses_a_layer_with_another_number_of_gates():
    with pytest.raises(InputError, match="policy gates: found 3; expected 4 policies, one for each gate of lstm0"):
        at(ByGate((FIXED, FIXED, FIXED)), 1)


def test_error_feedback_loses_nothing():
    # Of integers, whose sums are exact: all that came in is what went out and what is still held.
    rng = np.random.default_rng(0)
    asked = ErrorFeedback(Fixed(5)).for_layer("lstm0")
    came, went = np.zeros((2, 4, 3, 2)), np.zeros((2, 4, 3, 2))
    for moment in moments(steps=20):
        gradient = rng.integers(-4, 5, (4, 3, 2)).astype(np.float64)
        came[moment.time] += gradient
        went[moment.time] += asked.sparsify(gradient, moment)
    held = np.stack([state_of(asked)["error.0"], state_of(asked)["error.1"]])
    np.testing.assert_array_equal(came, went + held)
    assert np.count_nonzero(went)
    assert np.abs(held).max() <= 5


def test_error_feedback_adds_what_the_same_time_step_lost_and_decays_it():
    asked = ErrorFeedback(Fixed(0.5), decay=0.5).for_layer("lstm0")

    def ask(step, time, value):
        return float(asked.sparsify(np.array([[[value]]]), Moment(step, time))[0, 0, 0])

    assert [ask(1, 1, 0.5), ask(1, 0, 0.25)] == [0, 0]
    assert [ask(2, 1, 0.5), ask(2, 0, 0.5)] == [0.75, 0.625]
    assert [ask(3, 1, 0.625), ask(3, 0, 0.625)] == [0.625, 0.625]


def test_error_feedback_begins_anew_with_a_batch_of_another_shape():
    asked = ErrorFeedback(Fixed(1)).for_layer("lstm0")
    asked.sparsify(np.full((1, 2, 3), 0.5), Moment(1, 1))
    asked.sparsify(np.full((1, 2, 3), 0.75), Moment(1, 0))
    assert asked.sparsify(np.full((1, 2, 2), 0.75), Moment(2, 1)).max() == 0
    assert set(state_of(asked)) == {"error.1"}
    assert asked.sparsify(np.full((1, 2, 2), 0.75), Moment(3, 1)).min() == 1.5


def test_error_feedback_in_half_precision_remembers_what_rounding_lost():
    asked = ErrorFeedback(Fixed(0)).for_layer("lstm0")
    asked.errors[0] = np.full((1, 1, 1), 2**-12, np.float32)
    assert asked.sparsify(np.ones((1, 1, 1), np.float16), Moment(2, 0)).item() == 1
    assert state_of(asked)["error.0"].item() == 2**-12


@pytest.mark.parametrize(
    ("mapping", "state", "message"),
    [
        ({"kind": "error_feedback", "policy": {"kind": "off"}}, {"error.x": np.zeros((1, 1, 1))}, "error.x"),
        ({"kind": "error_feedback", "policy": {"kind": "off"}}, {"error.1": np.zeros(1)}, "error.1"),
        ({"kind": "error_feedback", "policy": {"kind": "off"}}, {"policy.u": np.zeros(1)}, "holds no state"),
        ({"kind": "by_gate", "gates": [{"kind": "off"}]}, {"1.u": np.zeros(1)}, "a gate below 1"),
    ],
)
def test_state_of_another_policy_is_refused(mapping, state, message):
    with pytest.raises(InputError, match=message):
        restore_state(from_mapping(mapping).for_layer("lstm0"), state)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"kind": "warm_up", "steps": -1, "policy": {"kind": "off"}}, "policy steps: found -1"),
        ({"kind": "warm_up", "steps": 1, "policy": {"kind": "off"}, "ramp": 1}, "policy ramp: found 1"),
        ({"kind": "warm_up", "steps": 1, "policy": 3}, "policy policy: found 3"),
        ({"kind": "mixed", "period": 2, "dense": 3, "policy": {"kind": "off"}}, "policy dense: .*from 0 to 2"),
        ({"kind": "mixed", "period": 2, "dense": 1, "policy": {"kind": "off"}, "by": "epoch"}, "steps_per_epoch"),
        ({"kind": "mixed", "period": 2, "dense": 1, "policy": {"kind": "off"}, "steps_per_epoch": 9}, "are counted"),
        ({"kind": "error_feedback", "policy": {"kind": "off"}, "decay": 0}, "policy decay: found 0"),
        ({"kind": "error_feedback", "policy": {"kind": "off"}, "decay": 1.5}, "at most 1"),
        ({"kind": "by_layer", "layers": {"a": {"kind": "fixed"}}}, "policy layers a threshold: found nothing"),
        ({"kind": "by_layer", "layers": ["a"]}, "policy layers: .*a mapping of layer names"),
        ({"kind": "by_gate", "gates": []}, "policy gates"),
        ({"kind": "by_gate", "gates": [{"kind": "off"}, {"kind": "target"}]}, r"policy gates\[1\] sparsity"),
    ],
)
def test_composition_refuses_what_makes_no_sense_and_says_where(mapping, message):
    with pytest.raises(InputError, match=message):
        from_mapping(mapping)

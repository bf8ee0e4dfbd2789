"""What every threshold policy keeps to, whatever it does."""

from __future__ import annotations

import json

import numpy as np
import pytest
from contract.threshold_policies import BY_GATE, NOTHING, POLICIES, gradients, moments

from traces.thresholds import Moment, Policy, from_mapping, restore_state, state_of

LSTM = POLICIES | {"by_gate": BY_GATE}
every_policy = pytest.mark.parametrize("mapping", LSTM.values(), ids=LSTM)
any_gates = pytest.mark.parametrize("mapping", POLICIES.values(), ids=POLICIES)


def thresholder(mapping, layer="lstm0"):
    return from_mapping(mapping).for_layer(layer)


def ask(asked, gradient, moment):
    """Ask as a backward pass does: where there is no thresholder the gradient is computed with as it is."""
    return gradient.copy() if asked is None else asked.sparsify(gradient, moment)


def answers(asked, dtype="float32", shape=(4, 5, 4)):
    return [ask(asked, g, m) for g, m in zip(gradients(6, shape, dtype), moments(), strict=True)]


def same_bits(found, expected):
    return [a.tobytes() for a in found] == [a.tobytes() for a in expected]


def test_every_registered_kind_is_tested():
    assert {mapping["kind"] for mapping in LSTM.values()} == set(Policy.registered)


@every_policy
def test_policy_survives_its_mapping_and_json(mapping):
    policy = from_mapping(mapping)
    stated = policy.to_mapping()
    assert json.loads(json.dumps(stated)) == stated
    assert from_mapping(stated) == policy
    assert {key: stated[key] for key in mapping if key not in ("policy", "rule", "gates", "layers")}.items() <= (
        mapping.items()
    )


@every_policy
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_answer_is_another_array_of_the_same_dtype_and_shape_and_the_question_is_untouched(mapping, dtype):
    asked = thresholder(mapping)
    for gradient, moment in zip(gradients(6, dtype=dtype), moments(), strict=True):
        before = gradient.tobytes()
        gradient.flags.writeable = False
        answer = ask(asked, gradient, moment)
        assert (answer.dtype, answer.shape) == (gradient.dtype, gradient.shape)
        assert not np.shares_memory(answer, gradient)
        assert gradient.tobytes() == before


@every_policy
def test_a_policy_that_keeps_values_keeps_them_to_the_bit(mapping):
    asked = thresholder(mapping)
    changed = 0
    for gradient, moment in zip(gradients(6), moments(), strict=True):
        answer = ask(asked, gradient, moment)
        changed += np.count_nonzero((answer != 0) & (answer != gradient))
    assert (changed > 0) == from_mapping(mapping).changes_values()


@every_policy
def test_something_is_dropped_and_something_kept(mapping):
    given, kept = (np.count_nonzero(found) for found in (gradients(6), answers(thresholder(mapping))))
    assert kept > 0
    assert kept < given or from_mapping(mapping).for_layer("lstm0") is None


@every_policy
def test_all_zero_gradient_stays_all_zero(mapping):
    asked = thresholder(mapping)
    for moment in moments():
        zeros = np.zeros((4, 5, 4), np.float32)
        assert not ask(asked, zeros, moment).any()


@every_policy
def test_nan_stays_nan_and_does_not_outlive_its_time_step(mapping):
    asked = thresholder(mapping)
    for k, (gradient, moment) in enumerate(zip(gradients(6), moments(), strict=True)):
        if k < 2:
            gradient[1, 2, 3] = np.nan
        assert list(zip(*np.nonzero(np.isnan(ask(asked, gradient, moment))), strict=True)) == (
            [(1, 2, 3)] if k < 2 else []
        )


@every_policy
def test_infinity_is_never_hidden(mapping):
    asked = thresholder(mapping)
    for gradient, moment in zip(gradients(6), moments(), strict=True):
        gradient[0, 1, 0] = -np.inf
        assert not np.isfinite(ask(asked, gradient, moment)[0, 1, 0])


@every_policy
def test_same_state_gives_the_same_bits(mapping):
    assert same_bits(answers(thresholder(mapping)), answers(thresholder(mapping)))


@every_policy
def test_resumed_from_its_state_a_thresholder_goes_on_to_the_same_bits(mapping):
    whole = answers(thresholder(mapping))
    questions = list(zip(gradients(6), moments(), strict=True))
    for cut in range(7):
        first, second = thresholder(mapping), thresholder(mapping)
        begun = [ask(first, *question) for question in questions[:cut]]
        state = state_of(first)
        assert all(isinstance(value, np.ndarray) and value.dtype.kind == "f" for value in state.values())
        restore_state(second, state)
        # What has been handed over is the receiver's own.
        for question in questions[cut:]:
            ask(first, *question)
        assert same_bits(begun + [ask(second, *question) for question in questions[cut:]], whole)


@pytest.mark.parametrize("mapping", NOTHING.values(), ids=NOTHING)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_policy_that_drops_nothing_changes_no_bit(mapping, dtype):
    asked = thresholder(mapping)
    least = np.finfo(dtype).smallest_subnormal
    for gradient, moment in zip(gradients(6, dtype=dtype), moments(), strict=True):
        gradient[0, 0] = [0.0, -0.0, least, -least]
        gradient[3] = np.array([least, -0.0, 0.0, 2 * least])
        assert ask(asked, gradient, moment).tobytes() == gradient.tobytes()


@any_gates
@pytest.mark.parametrize("shape", [(1, 5, 4), (4, 1, 4), (4, 5, 1), (1, 1, 1), (3, 7, 2)])
def test_any_shape_is_answered(mapping, shape):
    for gradient, answer in zip(gradients(6, shape), answers(thresholder(mapping), shape=shape), strict=True):
        assert answer.shape == shape
        assert not answer[gradient == 0].any() or from_mapping(mapping).changes_values()


@every_policy
def test_array_that_is_not_contiguous_is_answered_like_its_copy(mapping):
    # [4H, T, B] seen at one time step, as the layers hold it.
    strided = [np.moveaxis(np.stack([g, g + 1], axis=2), 2, 0)[0] for g in gradients(6)]
    asked = thresholder(mapping)
    found = [ask(asked, g, m) for g, m in zip(strided, moments(), strict=True)]
    assert all(not g.flags.c_contiguous for g in strided)
    assert same_bits(found, answers(thresholder(mapping)))


@every_policy
def test_scale_far_from_one_gives_no_warning(mapping):
    for scale in (1e-44, 1e-30, 1e30):
        asked = thresholder(mapping)
        for gradient, moment in zip(gradients(6), moments(), strict=True):
            assert np.isfinite(ask(asked, gradient * np.float32(scale), moment)).all()


def test_moment_is_at_full_strength_unless_ramped():
    assert Moment(1, 0).strength == 1

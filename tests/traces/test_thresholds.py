from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from traces.errors import InputError
from traces.thresholds import Fixed, Moment, Off, Policy, from_mapping

NOW = Moment(step=1, time=0)


@hypothesis_settings(derandomize=True, deadline=None)
@given(
    gradient=arrays(np.float32, (4, 3, 2), elements=st.floats(-1, 1, width=32)),
    threshold=st.floats(0, 1, width=32),
)
def test_fixed_keeps_exactly_the_elements_whose_magnitude_is_above_the_threshold(gradient, threshold):
    before = gradient.copy()
    found = Fixed(threshold).for_layer("lstm0").sparsify(gradient, NOW)
    expected = [[[float(v) if abs(float(v)) > threshold else 0 for v in row] for row in gate] for gate in gradient]
    assert found.dtype == np.float32
    assert found.tolist() == expected
    np.testing.assert_array_equal(gradient, before)


def test_fixed_at_zero_drops_only_what_is_zero_already():
    gradient = np.array([[[-1.0, 0.0, -0.0, 5e-324, np.nan]]])
    before = gradient.tobytes()
    after = Fixed(0).for_layer("lstm0").sparsify(gradient, NOW)
    assert after.tobytes() == before


def test_fixed_drops_an_element_that_equals_the_threshold_and_keeps_a_negative_one_beyond_it():
    gradient = np.array([[[0.5, -0.5, 0.6, -0.6]]])
    assert Fixed(0.5).sparsify(gradient, NOW).tolist() == [[[0, 0, 0.6, -0.6]]]


def test_off_asks_nothing():
    assert Off().for_layer("lstm0") is None


@pytest.mark.parametrize("policy", [Off(), Fixed(0), Fixed(1e-6)])
def test_policy_survives_its_mapping(policy):
    assert from_mapping(policy.to_mapping()) == policy
    assert from_mapping(policy) is policy


def test_policy_mapping_is_the_one_of_the_trace_header():
    assert Fixed(1e-6).to_mapping() == {"kind": "fixed", "threshold": 1e-6}
    assert from_mapping(None) == Off()


@pytest.mark.parametrize("threshold", [-1e-9, float("nan"), float("inf"), "1e-6", None, True])
def test_policy_refuses_a_threshold_that_is_no_size(threshold):
    with pytest.raises(InputError, match=r"threshold: found .*at least 0"):
        from_mapping({"kind": "fixed", "threshold": threshold})


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"kind": "fixd", "threshold": 1e-6}, "did you mean 'fixed'"),
        ({"threshold": 1e-6}, "found nothing; expected one of"),
        ({"kind": ["fixed"]}, "expected one of"),
        ({"kind": "fixed"}, "policy threshold: found nothing"),
        ({"kind": "fixed", "treshold": 1}, "did you mean 'threshold'"),
        ({"kind": "off", "threshold": 1}, "policy threshold: found an unknown key"),
        (1e-6, "expected a mapping"),
    ],
)
def test_policy_refuses_an_unknown_kind_or_key_and_says_what_is_known(mapping, message):
    with pytest.raises(InputError, match=message):
        from_mapping(mapping)


def test_policy_defined_elsewhere_is_read_by_its_kind():
    @dataclass(frozen=True)
    class DropHalf(Policy):
        rows: int
        kind: ClassVar[str] = "test-drop-half"

        def for_layer(self, name):
            return self

    try:
        assert from_mapping({"kind": "test-drop-half", "rows": 3}) == DropHalf(3)
        assert DropHalf(3).to_mapping() == {"kind": "test-drop-half", "rows": 3}
    finally:
        del Policy.registered["test-drop-half"]

"""The blocked in-place updates against the formulas, written down element by element."""

import math

import numpy as np
import pytest

from traces.errors import InputError
from traces.numpy_frontend.optimizers import SGD, Adam, clip, global_norm, make_optimizer

SIZE = 40_000  # more than two blocks, the last one short


def gradients(count=4):
    generator = np.random.default_rng(0)
    return [generator.standard_normal(SIZE) for _ in range(count)]


def test_adam_follows_kingma_and_ba():
    parameters = np.linspace(-1, 1, SIZE)
    expected, m, v = parameters.copy(), np.zeros(SIZE), np.zeros(SIZE)
    adam = Adam(parameters, 0.01)
    for t, g in enumerate(gradients(), start=1):
        adam.update(parameters, g)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        expected -= 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(parameters, expected, rtol=1e-10, atol=1e-14)
    assert adam.updates == 4


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_follows_its_formula(momentum):
    parameters = np.linspace(-1, 1, SIZE)
    expected, velocity = parameters.copy(), np.zeros(SIZE)
    sgd = SGD(parameters, 0.1, momentum)
    for g in gradients():
        sgd.update(parameters, g)
        velocity = momentum * velocity + g
        expected -= 0.1 * velocity
    np.testing.assert_allclose(parameters, expected, rtol=1e-12, atol=1e-14)
    assert set(sgd.slots) == ({"sgd_velocity"} if momentum else set())


def test_updates_leave_the_gradient_as_it_was():
    for kind in ("adam", "sgd"):
        gradient = np.ones(5, np.float32)
        make_optimizer(kind, np.zeros(5, np.float32), 0.1).update(np.zeros(5, np.float32), gradient)
        assert gradient.tolist() == [1] * 5


def test_clip_scales_to_the_limit_only_what_is_above_it():
    gradient = np.array([3.0, 4.0])
    assert clip(gradient, 10) == 5
    assert gradient.tolist() == [3, 4]
    assert clip(gradient, 0) == 5
    assert gradient.tolist() == [3, 4]
    assert clip(gradient, 1) == 5
    assert global_norm(gradient) == pytest.approx(1)
    assert gradient[0] / gradient[1] == pytest.approx(0.75)


def test_global_norm_of_an_overflow_is_not_finite_and_no_warning():
    assert math.isinf(global_norm(np.full(3, 1e30, np.float32)))
    assert math.isnan(global_norm(np.array([np.nan, 1.0])))


@pytest.mark.parametrize(
    ("kind", "rate", "momentum"),
    [
        ("rmsprop", 0.1, 0),
        ("adam", -1, 0),
        ("adam", 0, 0),
        ("adam", math.nan, 0),
        ("sgd", 1, 1),
        ("adam", 1, 0.9),
    ],
)
def test_optimizer_settings_out_of_range_are_refused(kind, rate, momentum):
    with pytest.raises(InputError, match="expected"):
        make_optimizer(kind, np.zeros(2), rate, momentum)

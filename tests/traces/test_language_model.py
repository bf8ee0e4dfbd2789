import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from traces.errors import InputError
from traces.numpy_frontend.diagnosis import (
    gate_sparsity,
    gradient_mask,
    gradient_values,
    hidden_mask,
    input_mask,
    natural_zeros,
    weight_gradient_cosine,
)
from traces.numpy_frontend.language_model import LanguageModel, Shape, Vocabulary, initial_parameters
from traces.numpy_frontend.lstm import BackwardRecord
from traces.numpy_frontend.optimizers import make_optimizer
from traces.numpy_frontend.training import Trainer, Windows, bits_per_character, evaluate
from traces.thresholds import Fixed, Off


def make_trainer(policy, *, T=8, B=3, V=7, H=6, layers=2, dtype=np.float32, kind="adam", clip=0.5, rate=0.01):
    shape = Shape(V, H, layers)
    parameters = initial_parameters(shape, seed=5, dtype=dtype)
    symbols = np.random.default_rng(1).integers(0, V, 200)
    return Trainer(
        LanguageModel(shape, parameters, T, B),
        make_optimizer(kind, parameters.flat, rate),
        Windows(symbols, T, B),
        policy,
        "mean",
        clip,
    )


def recorded_step(trainer):
    layers = zip(trainer.model.shape.layer_names, trainer.model.layers, strict=True)
    dtype = trainer.model.dtype
    records = {name: BackwardRecord.empty(layer.H, layer.T, layer.B, dtype) for name, layer in layers}
    trainer.take_step(records)
    return records


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_training_at_threshold_zero_is_bit_identical_to_training_without_one(dtype, kind):
    runs = [make_trainer(policy, dtype=dtype, kind=kind) for policy in (Off(), Fixed(0.0))]
    for _ in range(20):  # beyond the end of the text, so that the state is reset on the way
        losses = [run.take_step() for run in runs]
        assert losses[0] == losses[1]
        assert runs[0].model.parameters.flat.tobytes() == runs[1].model.parameters.flat.tobytes()
    gradients = [run.model.parameters.flat_gradient for run in runs]
    assert gradients[0].any()
    assert gradients[0].tobytes() == gradients[1].tobytes()


def test_training_with_a_threshold_takes_another_way():
    runs = [make_trainer(policy) for policy in (Off(), Fixed(1e-3))]
    for _ in range(3):
        for run in runs:
            run.take_step()
    assert runs[0].model.parameters.flat.tobytes() != runs[1].model.parameters.flat.tobytes()


def test_training_lowers_the_loss_on_a_text_that_can_be_learnt():
    symbols = np.tile(np.arange(5), 100)
    shape = Shape(5, 12, 2)
    parameters = initial_parameters(shape, 0)
    trainer = Trainer(
        LanguageModel(shape, parameters, 10, 4),
        make_optimizer("adam", parameters.flat, 0.02),
        Windows(symbols, 10, 4),
        Fixed(1e-6),
        "mean",
        5.0,
    )
    first = trainer.take_step()
    assert first == pytest.approx(math.log(5), rel=0.05)
    for _ in range(100):
        last = trainer.take_step()
    assert last < 0.1
    assert evaluate(shape, parameters, symbols, 10, 4) < 0.1


def test_training_that_diverges_is_an_input_error_and_keeps_the_parameters():
    trainer = make_trainer(Off(), kind="sgd", clip=0.0, rate=1e39)
    trainer.model.parameters.flat[-1] = 1e38  # the classifier's odds overflow
    trainer.model.parameters.flat[-2] = -3e38
    before = trainer.model.parameters.flat.copy()
    with pytest.raises(InputError, match=r"training step 1: found a loss of .* smaller learning rate"):
        trainer.take_step()
    assert np.array_equal(trainer.model.parameters.flat, before)


def test_state_is_zero_at_the_beginning_of_each_epoch_and_carried_within():
    trainer = make_trainer(Off())
    epoch = len(trainer.windows)
    assert epoch == 8
    for step in range(2 * epoch + 1):
        trainer.take_step()
        started_from_zero = not trainer.model.layers[0].hidden[:, 0].any()
        assert started_from_zero == (step % epoch == 0)


@hypothesis_settings(derandomize=True, deadline=None)
@given(size=st.integers(2, 200), T=st.integers(1, 9), B=st.integers(1, 9))
def test_windows_read_every_stream_in_order_and_nothing_twice(size, T, B):
    windows = Windows(np.arange(size), T, B)
    read = [windows.window(k) for k in range(len(windows))]
    assert len(windows) == ((size - 1) // B) // T
    for inputs, targets in read:
        assert inputs.shape == (T, B)
        np.testing.assert_array_equal(targets, inputs + 1)
    if read:
        streams = np.concatenate([inputs for inputs, _ in read])  # [windows * T, B]
        assert (np.diff(streams, axis=0) == 1).all()
        assert np.unique(streams).size == streams.size


def test_evaluation_reads_the_whole_text_however_it_is_cut():
    shape = Shape(5, 4, 2)
    parameters = initial_parameters(shape, 3, np.float64)
    symbols = np.random.default_rng(0).integers(0, 5, 50)
    whole = evaluate(shape, parameters, symbols, 49, 1)
    assert evaluate(shape, parameters, symbols, 7, 1) == pytest.approx(whole, rel=1e-12)
    assert evaluate(shape, parameters, symbols, 10, 1) == pytest.approx(whole, rel=1e-12)  # 4 windows and 9
    assert evaluate(shape, parameters, symbols, 100, 8) == pytest.approx(whole, rel=1e-12)
    start = evaluate(shape, parameters, symbols[:15], 7, 1)
    assert evaluate(shape, parameters, symbols, 7, 1, most_windows=2) == pytest.approx(start, rel=1e-12)


def test_loss_is_stable_for_huge_odds():
    shape = Shape(3, 2, 1)
    parameters = initial_parameters(shape, 0)
    parameters.values["classifier.b"][:] = [0, 3e4, -3e4]
    model = LanguageModel(shape, parameters, 1, 1)
    loss, _ = model.forward(np.array([[0]]), np.array([[2]]), model.zero_state())
    assert loss == pytest.approx(6e4)
    model.backward("mean")
    assert np.isfinite(parameters.flat_gradient).all()


def test_normalisations_differ_by_their_divisor_alone():
    shape = Shape(5, 4, 2)
    parameters = initial_parameters(shape, 3, np.float64)
    model = LanguageModel(shape, parameters, 6, 3)
    symbols = np.random.default_rng(0).integers(0, 5, (7, 3))
    gradients = {}
    for name in ("mean", "batch", "sum"):
        model.forward(symbols[:-1], symbols[1:], model.zero_state())
        model.backward(name)
        gradients[name] = parameters.flat_gradient.copy()
    np.testing.assert_allclose(gradients["batch"], 6 * gradients["mean"], rtol=1e-9)
    np.testing.assert_allclose(gradients["sum"], 18 * gradients["mean"], rtol=1e-9)


def test_vocabulary_has_the_training_symbols_and_one_for_all_others():
    vocabulary = Vocabulary("banana ü")
    assert vocabulary.symbols == (" ", "a", "b", "n", "ü")
    assert len(vocabulary) == 6
    assert vocabulary.encode("ab nü").tolist() == [2, 3, 1, 4, 5]
    assert vocabulary.encode("\x00c\U0001f600").tolist() == [0, 0, 0]
    assert vocabulary.encode("").tolist() == []


def test_initial_parameters_are_the_same_in_both_precisions_and_open_the_forget_gates():
    shape = Shape(7, 4, 2)
    single, double = (initial_parameters(shape, 1, dtype, 2.5) for dtype in (np.float32, np.float64))
    np.testing.assert_array_equal(single.flat, double.flat.astype(np.float32))
    assert double.values["lstm1.b"].tolist() == [0] * 4 + [2.5] * 4 + [0] * 8
    assert np.abs(double.values["lstm0.W"]).max() <= 0.5
    assert not np.array_equal(double.flat, initial_parameters(shape, 2, np.float64).flat)


def test_bits_per_character_of_a_coin_is_one():
    assert bits_per_character(math.log(2)) == 1


def test_recorded_masks_and_values_are_the_gradient_in_trace_order():
    trainer = make_trainer(Fixed(1e-3))
    recorded_step(trainer)
    inputs, _ = trainer.windows.window(0)
    for layer in trainer.model.layers:
        dG = np.moveaxis(layer.dG, 0, -1)  # [T, B, 4H]
        mask = gradient_mask(layer).unpack()
        np.testing.assert_array_equal(mask, dG != 0)
        assert 0 < mask.mean() < 1
        values = np.zeros(mask.shape, np.float32)
        values[mask] = gradient_values(layer)
        np.testing.assert_array_equal(values, dG)
        shares = [1 - mask[..., start : start + 6].mean() for start in range(0, 24, 6)]
        assert list(gate_sparsity(layer).values()) == pytest.approx(shares)
        # The first step begins with a zero state: an eighth of h_{t-1}, enough to be recorded.
        np.testing.assert_array_equal(hidden_mask(layer).unpack()[0], False)
        np.testing.assert_array_equal(hidden_mask(layer).unpack()[1:], True)
    np.testing.assert_array_equal(input_mask(trainer.model.layers[0], inputs).unpack(), np.eye(7)[inputs] == 1)
    trainer.take_step()
    assert hidden_mask(trainer.model.layers[0]) is None


def test_cosine_of_the_weight_gradient_is_one_without_and_less_with_a_threshold():
    trainer = make_trainer(Off())
    records = recorded_step(trainer)
    for name, layer in zip(("lstm0", "lstm1"), trainer.model.layers, strict=True):
        assert weight_gradient_cosine(layer, records[name]) == pytest.approx(1, abs=1e-12)
    trainer = make_trainer(Fixed(2e-3))
    records = recorded_step(trainer)
    layer = trainer.model.layers[1]
    x, dG, raw = (
        a.reshape(a.shape[0], -1).astype(float)
        for a in (trainer.model.layers[0].hidden[:, 1:], layer.dG, records["lstm1"].gate_gradient)
    )
    a, b = (dG @ x.T).ravel(), (raw @ x.T).ravel()
    expected = a @ b / math.sqrt((a @ a) * (b @ b))
    assert 0 < expected < 0.999
    assert weight_gradient_cosine(layer, records["lstm1"]) == pytest.approx(expected, rel=1e-5)
    trainer = make_trainer(Fixed(1e9))
    records = recorded_step(trainer)
    assert weight_gradient_cosine(trainer.model.layers[1], records["lstm1"]) is None


def test_natural_zeros_are_counted_once_each_by_their_cause():
    trainer = make_trainer(Off(), T=4, B=2, H=3, layers=1, dtype=np.float64)
    bias = trainer.model.layers[0].weights.b
    bias[0:3] = [800, 0, 0]  # unit 0: i is exactly 1, so its derivative is 0
    bias[6:9] = [0, -800, 0]  # unit 1: o is exactly 0, and so is all that goes through its cell
    records = recorded_step(trainer)
    counts = natural_zeros(trainer.model.layers[0], records["lstm0"])
    zeros = int(np.count_nonzero(records["lstm0"].gate_gradient == 0))
    assert sum(counts.values()) == zeros
    # Unit 0: gate i, 4 x 2 times; unit 1: all four gates. f of the fresh state is zero in units 0 and 2 too.
    assert counts == {"saturated": 8 + 32, "zero_state": 2 * 2, "upstream": 0, "underflow": 0, "padding": 0}


def test_natural_zeros_below_a_cleared_layer_come_from_upstream():
    trainer = make_trainer(Fixed(1e9), dtype=np.float64)
    records = recorded_step(trainer)
    counts = natural_zeros(trainer.model.layers[0], records["lstm0"])
    fresh = 6 * 3  # f at the first time step, H x B
    assert counts["zero_state"] == fresh
    assert counts["upstream"] == 4 * 6 * 8 * 3 - fresh


def test_natural_zeros_of_tiny_gradients_are_underflow():
    trainer = make_trainer(Off(), T=2, B=1, H=2, layers=1)
    layer = trainer.model.layers[0]
    recorded_step(trainer)
    record = BackwardRecord.empty(2, 2, 1, np.float32)
    trainer.take_step()
    layer.backward(np.full((2, 2, 1), 1e-45, np.float32), None, record=record)
    counts = natural_zeros(layer, record)
    assert counts["underflow"] == np.count_nonzero(record.gate_gradient == 0) > 0

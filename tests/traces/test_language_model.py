import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from plain import diagnosis as plain
from plain.diagnosis import Copies

from traces.errors import InputError
from traces.numpy_frontend.diagnosis import COSINE_UNITS, LayerDiagnosis, gradient_values, hidden_mask, input_mask
from traces.numpy_frontend.language_model import LanguageModel, Shape, Vocabulary, initial_parameters
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


def recorded_step(trainer, observer=LayerDiagnosis):
    layers = zip(trainer.model.shape.layer_names, trainer.model.layers, strict=True)
    observers = {name: observer(layer) for name, layer in layers}
    trainer.take_step(observers)
    return observers


class Both:
    """Shows a backward pass to the fast diagnosis and to plain copies."""

    def __init__(self, layer):
        self.fast, self.copies = LayerDiagnosis(layer), Copies(layer)

    def observe(self, *seen):
        self.fast.observe(*seen)
        self.copies.observe(*seen)


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
    diagnoses = recorded_step(trainer)
    inputs, _ = trainer.windows.window(0)
    for layer, diagnosis in zip(trainer.model.layers, diagnoses.values(), strict=True):
        dG = np.moveaxis(layer.dG, 0, -1)  # [T, B, 4H]
        mask = diagnosis.gradient_mask().unpack()
        np.testing.assert_array_equal(mask, dG != 0)
        assert 0 < mask.mean() < 1
        values = np.zeros(mask.shape, np.float32)
        values[mask] = gradient_values(layer)
        np.testing.assert_array_equal(values, dG)
        shares = [1 - mask[..., start : start + 6].mean() for start in range(0, 24, 6)]
        assert list(diagnosis.gate_sparsity().values()) == pytest.approx(shares)
        # The first step begins with a zero state: an eighth of h_{t-1}, enough to be recorded.
        np.testing.assert_array_equal(hidden_mask(layer).unpack()[0], False)
        np.testing.assert_array_equal(hidden_mask(layer).unpack()[1:], True)
    np.testing.assert_array_equal(input_mask(trainer.model.layers[0], inputs).unpack(), np.eye(7)[inputs] == 1)
    trainer.take_step()
    assert hidden_mask(trainer.model.layers[0]) is None


@hypothesis_settings(derandomize=True, deadline=None, max_examples=40)
@given(
    H=st.integers(1, 40),
    T=st.integers(1, 6),
    B=st.integers(1, 35),
    dtype=st.sampled_from([np.float32, np.float64]),
    threshold=st.sampled_from([0.0, 1e-5, 1e-3, 1e9]),
    rounded=st.sampled_from([0.0, 0.25, 0.75]),
    seed=st.integers(0, 100),
)
def test_diagnosis_equals_its_plain_form_on_copies_of_everything(H, T, B, dtype, threshold, rounded, seed):
    trainer = make_trainer(Fixed(threshold), T=T, B=B, H=H, dtype=dtype, clip=1e-4)
    model, generator = trainer.model, np.random.default_rng(seed)
    if not len(trainer.windows):
        trainer.windows = Windows(generator.integers(0, 7, 2 * T * B + 2), T, B)
    trainer.take_step()
    for layer in model.layers:
        # Gates that saturate either way, so that every cause occurs.
        bias = layer.weights.b
        bias[generator.random(bias.size) < rounded] = generator.choice([-800, 800])
    for layer, seen in zip(model.layers, recorded_step(trainer, Both).values(), strict=True):
        mask = seen.fast.gradient_mask()
        np.testing.assert_array_equal(mask.unpack(), plain.gradient_mask(layer))
        assert seen.fast.gate_sparsity() == plain.gate_sparsity(layer)
        assert seen.fast.natural_zeros() == plain.natural_zeros(layer, seen.copies)
        expected, found = plain.weight_gradient_cosine(layer, seen.copies), seen.fast.weight_gradient_cosine()
        if H <= COSINE_UNITS:
            assert found == (None if expected is None else pytest.approx(expected, abs=1e-5))
        else:
            assert found is None or -1 <= found <= 1


def test_every_cause_of_natural_zeros_occurs_where_diagnosis_and_plain_form_are_compared():
    found = dict.fromkeys(("saturated", "zero_state", "upstream"), 0)
    for threshold in (0.0, 1e9):
        trainer = make_trainer(Fixed(threshold))
        trainer.model.layers[0].weights.b[:9] = 800
        for diagnosis in recorded_step(trainer).values():
            for cause in found:
                found[cause] += diagnosis.natural_zeros()[cause]
    assert min(found.values()) > 0


def test_cosine_of_the_weight_gradient_is_one_without_and_less_with_a_threshold():
    trainer = make_trainer(Off())
    for diagnosis in recorded_step(trainer).values():
        assert diagnosis.weight_gradient_cosine() == pytest.approx(1, abs=1e-12)
    trainer = make_trainer(Fixed(2e-3))
    both = recorded_step(trainer, Both)["lstm1"]
    layer = trainer.model.layers[1]
    x, dG, raw = (
        a.reshape(a.shape[0], -1).astype(float)
        for a in (trainer.model.layers[0].hidden[:, 1:], layer.dG, both.copies.gate_gradient)
    )
    a, b = (dG @ x.T).ravel(), (raw @ x.T).ravel()
    expected = a @ b / math.sqrt((a @ a) * (b @ b))
    assert 0 < expected < 0.999
    assert both.fast.weight_gradient_cosine() == pytest.approx(expected, rel=1e-5)
    trainer = make_trainer(Fixed(1e9))
    assert recorded_step(trainer)["lstm1"].weight_gradient_cosine() is None


def test_cosine_of_a_large_layer_is_that_of_sixteen_units_of_each_gate():
    trainer = make_trainer(Fixed(1e-3), H=50, layers=2, dtype=np.float64)
    both = recorded_step(trainer, Both)["lstm1"]
    x = trainer.model.layers[0].hidden[:, 1:].reshape(50, -1)
    units = [gate * 50 + k * 50 // 16 for gate in range(4) for k in range(16)]
    a, b = ((dG[units].reshape(64, -1) @ x.T).ravel() for dG in (trainer.model.layers[1].dG, both.copies.gate_gradient))
    expected = a @ b / math.sqrt((a @ a) * (b @ b))
    assert 0 < expected < 0.9999
    assert both.fast.weight_gradient_cosine() == pytest.approx(expected, rel=1e-12)
    whole = plain.weight_gradient_cosine(trainer.model.layers[1], both.copies)
    assert 1 - both.fast.weight_gradient_cosine() == pytest.approx(1 - whole, rel=0.5)


def test_natural_zeros_are_counted_once_each_by_their_cause():
    trainer = make_trainer(Off(), T=4, B=2, H=3, layers=1, dtype=np.float64)
    bias = trainer.model.layers[0].weights.b
    bias[0:3] = [800, 0, 0]  # unit 0: i is exactly 1, so its derivative is 0
    bias[6:9] = [0, -800, 0]  # unit 1: o is exactly 0, and so is all that goes through its cell
    both = recorded_step(trainer, Both)["lstm0"]
    counts = both.fast.natural_zeros()
    zeros = int(np.count_nonzero(both.copies.gate_gradient == 0))
    assert sum(counts.values()) == zeros
    # Unit 0: gate i, 4 x 2 times; unit 1: all four gates. f of the fresh state is zero in units 0 and 2 too.
    assert counts == {"saturated": 8 + 32, "zero_state": 2 * 2, "upstream": 0, "underflow": 0, "padding": 0}


def test_natural_zeros_below_a_cleared_layer_come_from_upstream():
    trainer = make_trainer(Fixed(1e9), dtype=np.float64)
    counts = recorded_step(trainer)["lstm0"].natural_zeros()
    fresh = 6 * 3  # f at the first time step, H x B
    assert counts["zero_state"] == fresh
    assert counts["upstream"] == 4 * 6 * 8 * 3 - fresh


def test_natural_zeros_of_tiny_gradients_are_underflow():
    trainer = make_trainer(Off(), T=2, B=1, H=2, layers=1)
    layer = trainer.model.layers[0]
    trainer.take_step()
    trainer.take_step()
    both = Both(layer)
    layer.backward(np.full((2, 2, 1), 1e-45, np.float32), None, observer=both)
    counts = both.fast.natural_zeros()
    assert counts["underflow"] == np.count_nonzero(both.copies.gate_gradient == 0) > 0

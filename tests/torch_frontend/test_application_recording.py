"""Applications with the recorder: what a trace holds, seeds, interruption, divergence."""

import inspect
import json
import math
import signal

import pytest

# With a version, which this folder of the same name has not: it is a namespace package where PyTorch is missing.
torch = pytest.importorskip("torch", minversion="2.4")
frontend = pytest.importorskip("traces.torch_frontend")
if not hasattr(frontend, "record"):
    pytest.skip("needs the recorder of traces.torch_frontend", allow_module_level=True)

from traces.application_display import report  # noqa: E402
from traces.errors import InputError  # noqa: E402
from traces.thresholds import Fixed, Off  # noqa: E402
from traces.torch_frontend.applications.language_modelling import LanguageModelling  # noqa: E402
from traces.torch_frontend.applications.translation import Translation  # noqa: E402
from traces.torch_frontend.settings import (  # noqa: E402
    LanguageModelSettings,
    TrainingSettings,
    TranslationSettings,
)
from traces.torch_frontend.training import train  # noqa: E402
from traces.trace import Trace  # noqa: E402

TEXT = "".join(f"the {k} cats and {k + 1} dogs sat on {7 * k % 13} mats.\n" for k in range(120))


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "cats.txt"
    path.write_text(TEXT, encoding="utf-8")
    return str(path)


def cats(text, seed=0, **changes):
    small = {"corpus": text, "layers": 2, "hidden": 8, "embedding": 6, "sequence": 10, "batch": 4, "dropout": 0.2}
    return LanguageModelling(LanguageModelSettings(**{**small, **changes}), seed)


def training(**changes):
    return TrainingSettings(**{"policy": Fixed(1e-4), "steps": 6, "record_every": 3, "eval_every": 3, **changes})


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_trace_tells_layers_data_settings_curve_and_figures(text, tmp_path, cell):
    application = cats(text, cell=cell)
    done = train(application, training(), tmp_path / "run.npz")
    with Trace(tmp_path / "run.npz") as trace:
        header = trace.header
        assert {1, 3, 6} <= set(trace.steps)
        assert [(layer.kind, layer.input_size, layer.hidden_size) for layer in trace.layers] == [
            (cell, 6, 8),
            (cell, 8, 8),
        ]
        assert (trace.batch_size, trace.sequence_length) == (4, 10)
        assert header["policy"] == {"kind": "fixed", "threshold": 1e-4}
        assert header["task"] == "char-lm"
        assert header["corpus"] == application.corpus.provenance
        assert header["optimizer"]["clip_norm"] == 5.0
        assert header["loss_normalisation"] == "mean over batch and time"
        assert header["model"]["cell"] == cell
        assert header["curve"] == done.curve
        assert header["final"] == done.final
        assert header["stopped"] == "steps"
        zeros = [1 - layer.gate_gradient.unpack().mean() for layer in trace.step(6).layers.values()]
        assert max(zeros) > 0.05
    assert str(tmp_path) not in json.dumps(header)
    told = report(done, "character")
    assert header["final"]["step"] in (3, 6)
    for part in ("test bits per character", "recurrent.1", "sha256"):
        assert part in told


def test_the_same_seed_gives_the_same_bytes_and_another_other_bytes(text, tmp_path):
    digests = []
    for number, seed in enumerate((0, 0, 1)):
        path = tmp_path / f"{number}.npz"
        train(cats(text, seed), training(seed=seed), path)
        digests.append(path.read_bytes())
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_threshold_zero_and_recording_change_nothing_of_the_training(text, tmp_path):
    plain = train(cats(text), training(policy=Off()))
    zero = train(cats(text), training(policy=Fixed(0)), tmp_path / "run.npz")
    assert zero.curve["valid_loss"] == pytest.approx(plain.curve["valid_loss"], rel=1e-5)
    assert zero.final["test_loss"] == pytest.approx(plain.final["test_loss"], rel=1e-5)


def test_a_signal_leaves_a_complete_trace_without_figures(text, tmp_path):
    def interrupt(progress):
        if progress.step == 4:
            signal.raise_signal(signal.SIGINT)

    done = train(cats(text), training(steps=1000), tmp_path / "run.npz", observer=interrupt)
    assert (done.step, done.stopped, done.signal_number) == (4, "signal", signal.SIGINT)
    with Trace(tmp_path / "run.npz") as trace:
        assert {1, 3} <= set(trace.steps)
        assert trace.header["stopped"] == "signal"
        assert "final" not in trace.header


def test_divergence_keeps_the_steps_before_it(text, tmp_path):
    settings = training(optimizer="sgd", learning_rate=1e38, clip=0.0, policy=Off())
    with pytest.raises(InputError, match="smaller learning rate"):
        train(cats(text), settings, tmp_path / "run.npz")
    with Trace(tmp_path / "run.npz") as trace:
        assert trace.steps[0] == 1
        assert math.isfinite(trace.step(1).info["loss"])


@pytest.mark.skipif(
    "attention" not in inspect.signature(frontend.sparsify).parameters, reason="needs sparsify of attention"
)
def test_a_transformer_is_recorded_as_linear_layers(text, tmp_path):
    train(cats(text, cell="transformer", heads=2), training(), tmp_path / "run.npz")
    with Trace(tmp_path / "run.npz") as trace:
        assert {layer.kind for layer in trace.layers} == {"linear"}
        assert len(trace.layers) == 2 * (4 + 2)  # q, k, v, out and two feed-forward projections of each layer
        assert trace.header["final"]["test_bits_per_character"] > 0


def test_a_translator_is_recorded_with_the_real_lengths_of_both_sides(tmp_path):
    words = ["one", "two", "three", "four", "five", "six", "seven"]
    for part, start in (("train", 0), ("val", 20), ("test", 40)):
        lines = [" ".join((words * 9)[k : k + 1 + k % 5]) for k in range(start, start + 12)]
        for language in ("en", "de"):
            (tmp_path / f"{part}.{language}").write_text("\n".join(f"{x} {part}" for x in lines), encoding="utf-8")
    application = Translation(TranslationSettings(str(tmp_path), hidden=8, embedding=4, batch=4))
    train(application, training(policy=Off(), steps=3, eval_every=0), tmp_path / "run.npz")
    with Trace(tmp_path / "run.npz") as trace:
        assert {layer.name: layer.direction for layer in trace.layers} == {
            "encoder.0": "forward",
            "encoder.0.reverse": "backward",
            "decoder.0": "forward",
        }
        assert trace.sequence_length == application.sequence == max(len(p.target) for p in application.train) + 1
        for step in trace:
            for layer in step.layers.values():
                assert layer.gate_gradient.unpack().any()
        lengths = trace.step(1).info["layer_valid_steps"]
        assert [n + 1 for n in lengths["encoder.0"]] == lengths["decoder.0"]  # as many words, and a begin mark


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_low_precision_is_trained_and_recorded_as_computed(text, tmp_path, precision):
    done = train(cats(text), training(precision=precision), tmp_path / "run.npz")
    assert math.isfinite(done.final["test_loss"])
    with Trace(tmp_path / "run.npz") as trace:
        assert trace.header["precision"] == precision
        scales = [entry.get("loss_scale") for entry in trace.header["steps"]]
    assert all((scale is not None and scale > 1) == (precision == "float16") for scale in scales)


def test_quantised_gradients_are_told_in_header_and_causes(text, tmp_path):
    options = {"quantize_bits": 3, "policy": Off()}
    train(cats(text), training(**options), tmp_path / "run.npz")
    with Trace(tmp_path / "run.npz") as trace:
        assert trace.header["quantize"] == {"bits": 3, "kind": "fixed", "stochastic": False}
        causes = trace.header["steps"][-1]["natural_zeros"]
    assert all(found["quantised"] > 0 for found in causes.values())

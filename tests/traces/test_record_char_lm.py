"""What a recording holds, and what it refuses."""

import dataclasses
import json
import math
import threading

import numpy as np
import pytest

from traces.char_lm import CharLMSettings, record_char_lm, state_path
from traces.errors import InputError
from traces.numpy_frontend.blas_threads import get_threads, set_threads
from traces.record_display import PlainLines, report
from traces.thresholds import Fixed, Off
from traces.trace import Trace

TEXT = "".join(f"the {k} cats and {k + 1} dogs sat on {7 * k % 13} mats.\n" for k in range(200))


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "cats.txt"
    path.write_text(TEXT, encoding="utf-8")
    return str(path)


def small(text, **changes):
    settings = {
        "corpus": text,
        "layers": 2,
        "hidden": 10,
        "sequence": 12,
        "batch": 4,
        "steps": 9,
        "record_every": 4,
        "learning_rate": 0.01,
    }
    return CharLMSettings(**{**settings, **changes})


def test_record_writes_what_the_trace_format_asks_for(text, tmp_path):
    seen = []
    recording = record_char_lm(small(text, policy=Fixed(1e-4)), tmp_path / "run.npz", observer=seen.append)
    assert [progress.step for progress in seen] == list(range(1, 10))
    symbols = len(set(TEXT[: len(TEXT) - 2 * (len(TEXT) // 20)])) + 1
    with Trace(recording.path) as trace:
        assert trace.steps == (1, 4, 8)
        assert (trace.batch_size, trace.sequence_length) == (4, 12)
        first, second = trace.layers
        assert (first.name, first.kind, first.input_size, first.hidden_size) == ("lstm0", "lstm", symbols, 10)
        assert (second.input_size, second.gate_order) == (10, ("i", "f", "o", "g"))
        assert (first.input_needs_gradient, second.input_needs_gradient) == (False, True)
        assert [layer.to_dict() for layer in trace.dense_layers] == [
            {"name": "classifier", "input_size": 10, "output_size": symbols, "per": "token"}
        ]
        header = trace.header
        assert header["policy"] == {"kind": "fixed", "threshold": 1e-4}
        assert header["loss_normalisation"] == "mean over batch and time"
        assert header["optimizer"] == {"kind": "adam", "learning_rate": 0.01, "clip_norm": 5.0}
        assert header["corpus"]["name"] == "cats.txt"
        assert header["corpus"]["characters"]["train"] + 2 * (len(TEXT) // 20) == len(TEXT)
        assert header["curve"]["step"] == [4, 8]
        assert header["curve"]["train_loss"][0] == pytest.approx(sum(p.loss for p in seen[:4]) / 4)
        assert header["curve"]["train_loss"][1] == pytest.approx(sum(p.loss for p in seen[4:8]) / 4)
        final = header["final"]
        assert final["test_bits_per_character"] == pytest.approx(final["test_loss"] / math.log(2))
        for step in trace:
            assert step.info["loss"] == seen[step.number - 1].loss
            for name, layer in step.layers.items():
                mask = layer.gate_gradient.unpack()
                for gate, share in step.info["sparsity"][name].items():
                    start = "ifog".index(gate) * 10
                    assert share == pytest.approx(1 - mask[..., start : start + 10].mean())
                zeros = mask.size - mask.sum()
                if step.number == 1:  # later ones are no tenth steps
                    natural = step.info["natural_zeros"][name]
                    assert sum(natural.values()) + step.info["thresholded_zeros"][name] == zeros
                    assert {"saturated", "underflow", "padding"} <= natural.keys()
                    assert 0 < step.info["weight_gradient_cosine"][name] <= 1 + 1e-12
                for key in ("weight_gradient_cosine", "natural_zeros", "thresholded_zeros"):
                    assert (key in step.info) == (step.number == 1)
                assert layer.values is None
            assert (step.layers["lstm0"].input.unpack().sum(axis=-1) == 1).all()
            assert step.layers["lstm1"].input is None
            assert (step.layers["lstm1"].hidden is None) == (step.number > 1)
    assert recording.sha256 in report(recording)
    assert "bits per character" in report(recording)


def test_record_makes_the_same_bytes_again_and_other_bytes_of_another_seed(text, tmp_path):
    digests = [record_char_lm(small(text, seed=seed), tmp_path / f"{k}.npz").sha256 for k, seed in enumerate((0, 0, 1))]
    assert digests[0] == digests[1] != digests[2]


def test_record_at_threshold_zero_equals_recording_without_a_threshold(text, tmp_path):
    traces = []
    for name, policy in (("off", Off()), ("zero", Fixed(0))):
        path = record_char_lm(small(text, policy=policy, record_values=True), tmp_path / f"{name}.npz").path
        with Trace(path) as trace:
            traces.append((trace.header["final"], trace.header["curve"], list(trace)))
    assert traces[0][:2] == traces[1][:2]
    for one, other in zip(traces[0][2], traces[1][2], strict=True):
        for name in one.layers:
            assert one.layers[name].gate_gradient == other.layers[name].gate_gradient
            assert one.layers[name].values.tobytes() == other.layers[name].values.tobytes()


def test_record_values_are_one_for_each_set_bit_and_above_the_threshold(text, tmp_path):
    settings = small(text, policy=Fixed(1e-4), record_values=True)
    with Trace(record_char_lm(settings, tmp_path / "run.npz").path) as trace:
        for step in trace:
            for layer in step.layers.values():
                assert layer.values.shape == (layer.gate_gradient.count(),)
                assert (np.abs(layer.values) > np.float32(1e-4)).all()


@pytest.mark.parametrize(
    "changes",
    [
        {"precision": "float64"},
        {"optimizer": "sgd", "learning_rate": None, "momentum": 0.5},
        {"loss_normalisation": "batch"},
        {"loss_normalisation": "sum", "clip": 0.0, "learning_rate": 0.001},
        {"output_bias": "zero", "eval_every": 0},
    ],
)
def test_record_takes_every_setting_and_says_so_in_the_header(text, tmp_path, changes):
    settings = small(text, **changes)
    recording = record_char_lm(settings, tmp_path / "run.npz")
    assert recording.header["settings"] == {**settings.fixed(), "steps": 9}
    assert recording.header["precision"] == settings.precision
    windows = (recording.header["corpus"]["characters"]["train"] - 1) // settings.batch // settings.sequence
    assert recording.header["training"] == {"total_steps": 9, "steps_per_epoch": windows}
    assert recording.header["final"]["valid_loss"] < 4
    assert json.dumps(recording.header["settings"])


def test_record_never_names_a_folder_of_this_machine(text, tmp_path):
    recording = record_char_lm(small(text), tmp_path / "run.npz")
    assert str(tmp_path) not in json.dumps(recording.header)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden": 0}, "hidden: found 0; expected an integer from 1"),
        ({"layers": -1}, "layers: found -1"),
        ({"learning_rate": -0.1}, "learning rate: found -0.1"),
        ({"learning_rate": math.nan}, "learning rate: found nan"),
        ({"clip": -1.0}, "clip: found -1.0"),
        ({"precision": "float16"}, "precision: found 'float16'; expected one of float32, float64"),
        ({"loss_normalisation": "man"}, "did you mean 'mean'"),
        ({"optimizer": "adm"}, "optimizer: found 'adm'"),
        ({"eval_every": -1}, "eval every: found -1"),
        ({"hidden": 2.5}, "hidden: found 2.5"),
        ({"hidden": 0, "batch": 0}, "batch: found 0"),
    ],
)
def test_record_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        CharLMSettings(**changes)


def test_record_refuses_what_it_cannot_train_and_leaves_no_file(text, tmp_path):
    short = tmp_path / "short.txt"
    short.write_text("too short", encoding="utf-8")
    out = tmp_path / "run.npz"
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match="characters to train on; expected at least 49"):
        record_char_lm(small(str(short)), out)
    with pytest.raises(InputError, match="GiB"):
        record_char_lm(small(text, hidden=2**30), out)
    with pytest.raises(InputError, match="no folder"):
        record_char_lm(small(text), tmp_path / "missing" / "run.npz")
    with pytest.raises(InputError, match="a directory"):
        record_char_lm(small(text), tmp_path)
    assert sorted(tmp_path.iterdir()) == before


def test_record_that_diverges_keeps_what_was_recorded(text, tmp_path):
    out = tmp_path / "run.npz"
    settings = small(text, optimizer="sgd", learning_rate=1e39, clip=0.0, layers=1)
    with pytest.raises(InputError, match="smaller learning rate"):
        record_char_lm(settings, out)
    with Trace(out) as trace:
        assert trace.steps == (1,)


def test_record_works_outside_the_main_thread(text, tmp_path):
    thread = threading.Thread(target=record_char_lm, args=(small(text), tmp_path / "run.npz"))
    thread.start()
    thread.join()
    assert state_path(tmp_path / "run.npz").is_file()


def test_settings_are_frozen(text):
    with pytest.raises(dataclasses.FrozenInstanceError):
        small(text).hidden = 3


def test_threads_of_the_blas_can_be_set_for_this_process():
    before = get_threads()
    if before is None:
        with pytest.raises(InputError, match="OpenBLAS"):
            set_threads(1)
        return
    try:
        set_threads(1)
        assert get_threads() == 1
    finally:
        set_threads(before)
    with pytest.raises(InputError, match="at least 1"):
        set_threads(0)


def test_progress_lines_tell_step_loss_sparsity_speed_and_time_left(text, tmp_path, capsys, monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr("traces.record_display.time.monotonic", lambda: float(next(clock)))
    record_char_lm(small(text), tmp_path / "run.npz", observer=PlainLines())
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("step 1/9  loss ")
    assert lines[-1].startswith("step 9/9  loss ")
    assert len(lines) < 9
    for part in ("valid ", "sparsity ", " s/step", "0:00:00 left"):
        assert part in lines[-1]

"""An interrupted recording goes on to the very bytes of an uninterrupted one."""

import json
import os
import signal

import numpy as np
import pytest

from traces.char_lm import CharLMSettings, record_char_lm, state_path
from traces.errors import InputError
from traces.thresholds import Fixed, from_mapping
from traces.trace import Trace

TEXT = "".join(f"{k * k} is the square of {k}.\n" for k in range(300))
SETTINGS = {
    "layers": 2,
    "hidden": 8,
    "sequence": 10,
    "batch": 3,
    "policy": Fixed(1e-4),
    "record_every": 5,
    "eval_every": 7,
    "eval_windows": 2,
}


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "squares.txt"
    path.write_text(TEXT, encoding="utf-8")
    return str(path)


def interrupt_at(step, with_signal=signal.SIGINT):
    def observe(progress):
        if progress.step == step:
            os.kill(os.getpid(), with_signal)

    return observe


@pytest.mark.parametrize(("kind", "momentum"), [("adam", 0.0), ("sgd", 0.9), ("sgd", 0.0)])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_resume_gives_the_bytes_of_an_uninterrupted_run(text, tmp_path, kind, momentum, precision):
    changes = {"optimizer": kind, "momentum": momentum, "precision": precision, "learning_rate": 0.01}
    settings = CharLMSettings(corpus=text, steps=20, **changes, **SETTINGS)
    whole = record_char_lm(settings, tmp_path / "whole.npz")
    out = tmp_path / "parts.npz"
    first = record_char_lm(settings, out, observer=interrupt_at(6))
    assert (first.step, first.signal_number) == (6, signal.SIGINT)
    assert "final" not in first.header
    with Trace(out) as trace:
        assert trace.steps == (1, 5)
    second = record_char_lm(settings, out, resume=True, observer=interrupt_at(13, signal.SIGTERM))
    assert (second.step, second.signal_number) == (13, signal.SIGTERM)
    last = record_char_lm(settings, out, resume=True)
    assert (last.step, last.signal_number) == (20, 0)
    assert last.header["final"] == whole.header["final"]
    assert out.read_bytes() == whole.path.read_bytes()


@pytest.mark.parametrize(
    "policy",
    [
        {"kind": "target", "sparsity": 0.6, "per": "gate"},
        {"kind": "error_feedback", "policy": {"kind": "fixed", "threshold": 1e-4}},
        {"kind": "error_feedback", "policy": {"kind": "target", "sparsity": 0.6}},
        {"kind": "warm_up", "steps": 9, "policy": {"kind": "stochastic", "sparsity": 0.5}},
        {"kind": "by_layer", "layers": {"lstm1": {"kind": "target", "sparsity": 0.6}}},
    ],
    ids=lambda policy: policy["kind"],
)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_resume_goes_on_with_what_the_policy_holds(text, tmp_path, policy, precision):
    changes = {"policy": from_mapping(policy), "precision": precision}
    settings = CharLMSettings(corpus=text, steps=16, **{**SETTINGS, **changes})
    whole = record_char_lm(settings, tmp_path / "whole.npz")
    assert whole.header["policy"] == from_mapping(policy).to_mapping()
    out = tmp_path / "parts.npz"
    record_char_lm(settings, out, observer=interrupt_at(4))
    record_char_lm(settings, out, resume=True, observer=interrupt_at(11))
    held = [name for name in np.load(state_path(out)).files if name.startswith("policy/")]
    assert held
    assert record_char_lm(settings, out, resume=True).sha256 == whole.sha256
    # And it would not without: the test sees what it is about.
    record_char_lm(settings, tmp_path / "lost.npz", observer=interrupt_at(11))

    def lose(members):
        for name in held:
            members.pop(name)
        edit_header(lambda document: document.update(held={}))(members)

    rewrite(state_path(tmp_path / "lost.npz"), lose)
    assert record_char_lm(settings, tmp_path / "lost.npz", resume=True).sha256 != whole.sha256


def held_as(form):
    def change(members):
        edit_header(lambda document: document["held"].update({"lstm0/u": form}))(members)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (held_as(["float32", [10**9]]), "held lstm0/u"),
        (held_as(["object", [1]]), "held lstm0/u"),
        (held_as(["float64", [-1]]), "held lstm0/u"),
        (held_as(["float64", 1]), "held lstm0/u"),
        (held_as("float64"), "held lstm0/u"),
        (held_as(["float64", [2]]), "policy/lstm0/u"),
        (held_as(["float64", [1, 1]]), "policy state of lstm0"),
        (lambda members: members.pop("policy/lstm0/u"), "the members"),
        (lambda members: members.update({"policy/lstm0/v": members["policy/lstm0/u"]}), "the members"),
    ],
)
def test_damaged_state_of_a_policy_is_refused(text, tmp_path, change, message):
    policy = from_mapping({"kind": "target", "sparsity": 0.6})
    settings = CharLMSettings(corpus=text, steps=4, **{**SETTINGS, "policy": policy})
    out = tmp_path / "run.npz"
    record_char_lm(settings, out)
    rewrite(state_path(out), change)
    with pytest.raises(InputError, match=message):
        record_char_lm(settings, out, resume=True)


def test_resume_of_a_finished_run_with_more_steps_equals_the_longer_run(text, tmp_path):
    def settings(steps):
        return CharLMSettings(corpus=text, steps=steps, **SETTINGS)

    whole = record_char_lm(settings(16), tmp_path / "whole.npz")
    record_char_lm(settings(9), tmp_path / "parts.npz")
    assert record_char_lm(settings(16), tmp_path / "parts.npz", resume=True).sha256 == whole.sha256
    with pytest.raises(InputError, match="steps of the resumed run: found 3 steps"):
        record_char_lm(settings(3), tmp_path / "parts.npz", resume=True)


@pytest.mark.parametrize("ahead", [11, 15])  # 15 is the last step that is recorded
def test_resume_goes_on_where_the_trace_is_ahead_of_the_state(text, tmp_path, ahead):
    # A run that is killed between the two writes of a checkpoint leaves this.
    settings = CharLMSettings(corpus=text, steps=16, **SETTINGS)
    whole = record_char_lm(settings, tmp_path / "whole.npz")
    out = tmp_path / "parts.npz"
    record_char_lm(settings, out, observer=interrupt_at(4))
    state = state_path(out).read_bytes()
    record_char_lm(settings, out, resume=True, observer=interrupt_at(ahead))
    state_path(out).write_bytes(state)
    assert record_char_lm(settings, out, resume=True).sha256 == whole.sha256
    assert state_path(out).read_bytes() == state_path(whole.path).read_bytes()


def test_resume_with_other_settings_names_those_that_differ(text, tmp_path):
    out = tmp_path / "run.npz"
    record_char_lm(CharLMSettings(corpus=text, steps=8, **SETTINGS), out, observer=interrupt_at(2))
    before = out.read_bytes()
    other = CharLMSettings(corpus=text, steps=8, seed=4, **{**SETTINGS, "policy": Fixed(1e-3)})
    with pytest.raises(InputError, match=r"seed 4.*expected.*seed 0") as error:
        record_char_lm(other, out, resume=True)
    assert "0.001" in str(error.value)
    assert "hidden" not in str(error.value)
    elsewhere = tmp_path / "other.txt"
    elsewhere.write_text(TEXT.replace("square", "double"), encoding="utf-8")
    with pytest.raises(InputError, match="corpus"):
        record_char_lm(CharLMSettings(corpus=str(elsewhere), steps=8, **SETTINGS), out, resume=True)
    assert out.read_bytes() == before


def test_resume_needs_both_files_and_they_must_belong_together(text, tmp_path):
    settings = CharLMSettings(corpus=text, steps=6, **SETTINGS)
    out, other = tmp_path / "run.npz", tmp_path / "other.npz"
    with pytest.raises(InputError, match="leave out --resume"):
        record_char_lm(settings, out, resume=True)
    record_char_lm(settings, out)
    record_char_lm(CharLMSettings(corpus=text, steps=6, seed=1, **SETTINGS), other)
    trace = out.read_bytes()
    out.write_bytes(other.read_bytes())
    with pytest.raises(InputError, match="the trace of another recording"):
        record_char_lm(settings, out, resume=True)
    out.write_bytes(trace)
    state_path(out).unlink()
    with pytest.raises(InputError, match=r"run\.npz\.state\.npz: found no such file"):
        record_char_lm(settings, out, resume=True)


def test_existing_trace_is_replaced_only_by_force(text, tmp_path):
    settings = CharLMSettings(corpus=text, steps=3, **SETTINGS)
    out = tmp_path / "run.npz"
    out.write_bytes(b"precious")
    with pytest.raises(InputError, match=r"an existing file.*--resume goes on with it, --force replaces it"):
        record_char_lm(settings, out)
    assert out.read_bytes() == b"precious"
    record_char_lm(settings, out, force=True)
    with Trace(out) as trace:
        assert trace.steps == (1,)
    with pytest.raises(InputError, match="--resume and --force"):
        record_char_lm(settings, out, force=True, resume=True)


def rewrite(path, change):
    with np.load(path) as archive:
        members = dict(archive)
    change(members)
    np.savez(path, **members)


def edit_header(edit):
    def change(members):
        document = json.loads(members["header"].tobytes())
        edit(document)
        members["header"] = np.frombuffer(json.dumps(document).encode(), np.uint8)

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda members: members.pop("parameters"),
        lambda members: members.update(extra=np.zeros(3, np.uint8)),
        lambda members: members.update(parameters=np.zeros(10**6, np.uint8)),
        lambda members: members.update(parameters=np.zeros(4)),
        lambda members: members.pop("header"),
        lambda members: members.update(header=np.frombuffer(b"{", np.uint8)),
        edit_header(lambda document: document.update(version=9)),
        edit_header(lambda document: document.pop("progress")),
        edit_header(lambda document: document["progress"].pop("curve")),
        edit_header(lambda document: document["progress"].update(step="many")),
        edit_header(lambda document: document["progress"].update(position=10**9)),
    ],
)
def test_resume_from_a_damaged_state_is_refused(text, tmp_path, change):
    settings = CharLMSettings(corpus=text, steps=4, **SETTINGS)
    out = tmp_path / "run.npz"
    record_char_lm(settings, out)
    rewrite(state_path(out), change)
    with pytest.raises(InputError, match=r"run\.npz\.state\.npz"):
        record_char_lm(settings, out, resume=True)


def test_resume_never_unpickles(text, tmp_path):
    settings = CharLMSettings(corpus=text, steps=4, **SETTINGS)
    out = tmp_path / "run.npz"
    record_char_lm(settings, out)
    with np.load(state_path(out)) as archive:
        members = dict(archive)
    members["parameters"] = np.array([print], dtype=object)
    np.savez(state_path(out), **members)
    with pytest.raises(InputError, match="pickled"):
        record_char_lm(settings, out, resume=True)


def test_truncated_state_is_refused(text, tmp_path):
    settings = CharLMSettings(corpus=text, steps=4, **SETTINGS)
    out = tmp_path / "run.npz"
    record_char_lm(settings, out)
    whole = state_path(out).read_bytes()
    state_path(out).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="state"):
        record_char_lm(settings, out, resume=True)

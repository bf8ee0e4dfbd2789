"""The training loop: seeds, early stopping, normalisation, signals, divergence, and what it tells the recorder."""

import dataclasses
import math
import signal
from contextlib import contextmanager

import pytest

# With a version, which this folder of the same name has not: it is a namespace package where PyTorch is missing.
torch = pytest.importorskip("torch", minversion="2.4")

from torch import nn  # noqa: E402

from traces.errors import InputError  # noqa: E402
from traces.thresholds import Fixed, Off  # noqa: E402
from traces.torch_frontend import attachment, training  # noqa: E402
from traces.torch_frontend.applications.application import Loss  # noqa: E402
from traces.torch_frontend.applications.language_modelling import LanguageModelling  # noqa: E402
from traces.torch_frontend.settings import LanguageModelSettings, TrainingSettings  # noqa: E402
from traces.torch_frontend.training import train  # noqa: E402

TEXT = "".join(f"the {k} cats and {k + 1} dogs sat on {7 * k % 13} mats.\n" for k in range(120))


class Scripted:
    """A model of one weight whose validation losses are given; the weight is the number of steps."""

    task, token, batch, sequence = "scripted", "word", 2, 3

    def __init__(self, valid_losses=(), nats=lambda weight: -weight):
        self.model = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.model.weight)
        self.valid_losses = iter(valid_losses)
        self.nats = nats
        self.seen_by_the_test = None

    def header(self):
        return {"corpus": {"name": "none"}}

    def train_loss(self):
        assert self.model.training
        return Loss(self.nats(self.model.weight.sum()) * 6, 6, 2)

    def valid_loss(self, most_batches):
        return next(self.valid_losses)

    def final(self):
        self.seen_by_the_test = float(self.model.weight.detach())
        return {"test_loss": self.seen_by_the_test}


def settings(**changes):
    plain = {"policy": Off(), "optimizer": "sgd", "learning_rate": 1.0, "clip": 0.0, "steps": 10, "eval_every": 1}
    return TrainingSettings(**{**plain, **changes})


@pytest.mark.parametrize(
    ("losses", "patience", "taken", "best", "stopped"),
    [
        ([5, 4, 3, 2, 1, 1, 1, 1, 1, 1], 0, 10, 5, "steps"),
        ([5, 4, 6, 6, 6, 6, 6, 6, 6, 6], 3, 5, 2, "patience"),
        ([5, 6, 6, 4, 6, 6, 6, 6, 6, 6], 3, 7, 4, "patience"),
        ([5, 6, 4, 6, 3, 6, 2, 6, 1, 6], 2, 10, 9, "steps"),
        ([math.nan] * 10, 2, 2, 2, "patience"),
    ],
)
def test_early_stopping_gives_the_test_the_best_weights(losses, patience, taken, best, stopped):
    application = Scripted(losses)
    done = train(application, settings(patience=patience))
    assert (done.step, done.stopped, done.signal_number) == (taken, stopped, 0)
    assert done.curve["step"] == list(range(1, taken + 1))
    assert done.final == {"step": best, "test_loss": best}
    assert float(application.model.weight.detach()) == best


def test_without_validation_the_last_weights_are_the_models():
    done = train(Scripted(), settings(eval_every=0))
    assert done.final == {"step": 10, "test_loss": 10}
    assert done.curve == {"step": [], "train_loss": [], "valid_loss": [], "gradient_norm": []}


@pytest.mark.parametrize(("how", "gradient"), [("mean", 1), ("batch", 3), ("sum", 6)])
def test_loss_normalisation_scales_the_gradient(how, gradient):
    application = Scripted()
    train(application, settings(steps=1, eval_every=0, loss_normalisation=how))
    assert float(application.model.weight.detach()) == gradient


def test_clipping_limits_the_norm_of_the_gradient():
    application = Scripted()
    train(application, settings(steps=1, eval_every=0, loss_normalisation="sum", clip=0.5))
    assert float(application.model.weight.detach()) == pytest.approx(0.5)


def test_divergence_is_told_and_the_weights_stay_finite():
    application = Scripted(nats=lambda weight: -weight * (math.inf if weight > 2.5 else 1))
    with pytest.raises(InputError, match="training step 4: found a loss of -inf"):
        train(application, settings(eval_every=0))
    assert float(application.model.weight.detach()) == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_training_after_the_step_at_hand(number):
    def interrupt(progress):
        if progress.step == 3:
            signal.raise_signal(number)

    done = train(Scripted([9, 8, 7, 6]), settings(), observer=interrupt)
    # The observer is called in step 3, so its own end is where the loop sees the signal.
    assert (done.step, done.stopped, done.signal_number) == (3, "signal", number)
    assert done.final == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps: found 0"),
        ({"clip": -1.0}, "clip: found -1.0"),
        ({"optimizer": "adm"}, "optimizer: found 'adm'"),
        ({"loss_normalisation": "man"}, "did you mean 'mean'"),
        ({"patience": 2, "eval_every": 0}, "patience: found 2"),
        ({"learning_rate": math.nan}, "learning rate: found nan"),
    ],
)
def test_training_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        settings(**changes)


def test_training_settings_tell_all_problems_at_once():
    with pytest.raises(InputError) as refused:
        settings(steps=0, seed=-1, clip=-1.0)
    assert len(refused.value.problems) == 3


@pytest.fixture
def cats(tmp_path):
    path = tmp_path / "cats.txt"
    path.write_text(TEXT, encoding="utf-8")
    return LanguageModelSettings(corpus=str(path), layers=1, hidden=12, sequence=10, batch=4, dropout=0.2)


def test_the_same_seed_gives_the_same_training_and_another_another(cats):
    def weights(seed):
        torch.rand(seed + 1)  # what was drawn before must not matter
        application = LanguageModelling(cats, seed)
        done = train(application, TrainingSettings(policy=Off(), steps=6, eval_every=3, seed=seed))
        return done.curve, [parameter.tolist() for parameter in application.model.parameters()]

    assert weights(0) == weights(0)
    assert weights(0) != weights(1)


def test_training_draws_nothing_from_the_callers_random_numbers(cats):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(LanguageModelling(cats), TrainingSettings(policy=Off(), steps=2, eval_every=0))
    assert torch.equal(torch.rand(3), expected)


class Recorder:
    """Stands for the recorder: notes what it is told."""

    def __init__(self):
        self.losses, self.points, self.left = [], [], False

    def loss(self, nats):
        self.losses.append(nats)

    def log(self, **values):
        self.points.append(values)


class Frontend:
    """Stands for `traces.torch_frontend`: notes how it is called."""

    def __init__(self):
        self.recorder, self.calls, self.completed = Recorder(), [], []

    def sparsify(self, model, policy, **options):
        self.calls.append(("sparsify", model, policy, options))

    @contextmanager
    def record(self, model, path, **options):
        self.calls.append(("record", model, path, options))
        try:
            yield self.recorder
        finally:
            self.recorder.left = True


@pytest.fixture
def frontend(monkeypatch):
    stand_in = Frontend()
    monkeypatch.setattr(attachment.importlib, "import_module", lambda name: stand_in)
    monkeypatch.setattr(training, "complete", lambda path, **facts: stand_in.completed.append((path, facts)))
    return stand_in


def test_the_recorder_is_told_losses_curve_figures_and_where_the_data_come_from(frontend, tmp_path):
    application, policy = Scripted([3, 2, 1]), Fixed(1e-4)
    done = train(application, settings(policy=policy, steps=3, record_every=2), tmp_path / "run.npz")
    (first, model, told, options), (second, recorded, path, facts) = frontend.calls
    assert (first, second) == ("sparsify", "record")
    assert model is recorded is application.model
    assert (told, path) == (policy, tmp_path / "run.npz")
    assert options["optimizer"] is facts["optimizer"]
    assert (facts["every"], facts["total_steps"], facts["task"]) == (2, 3, "scripted")
    assert (facts["batch_size"], facts["sequence_length"]) == (2, 3)
    assert facts["about"]["corpus"] == {"name": "none"}
    assert facts["about"]["loss_normalisation"] == "mean over batch and time"
    assert frontend.recorder.losses == [0, -1, -2]
    assert frontend.recorder.points == [{"valid_loss": loss} for loss in (3, 2, 1)]
    assert frontend.recorder.left
    assert frontend.completed == [(path, {"curve": done.curve, "final": done.final, "stopped": "steps"})]


def test_the_recorder_is_left_in_order_when_training_diverges(frontend, tmp_path):
    application = Scripted(nats=lambda weight: weight * math.nan)
    with pytest.raises(InputError, match="training step 1"):
        train(application, settings(eval_every=0), tmp_path / "run.npz")
    assert frontend.recorder.left
    assert frontend.completed == []


def test_thresholds_act_without_a_trace_too(frontend):
    train(Scripted(), settings(policy=Fixed(1e-4), eval_every=0))
    assert [name for name, *_ in frontend.calls] == ["sparsify"]
    frontend.calls.clear()
    train(Scripted(), settings(policy=Off(), eval_every=0))
    assert frontend.calls == []


def test_attention_is_asked_for_where_a_model_has_it(frontend, cats):
    for cell, asked in (("gru", False), ("transformer", True)):
        application = LanguageModelling(dataclasses.replace(cats, cell=cell, heads=2))
        train(application, TrainingSettings(policy=Fixed(1e-4), steps=1, eval_every=0))
        assert frontend.calls.pop()[3]["attention"] is asked


def test_a_trace_is_not_overwritten_unless_asked(frontend, tmp_path):
    out = tmp_path / "run.npz"
    out.write_bytes(b"precious")
    with pytest.raises(InputError, match="an existing file"):
        train(Scripted(), settings(eval_every=0), out)
    with pytest.raises(InputError, match="a directory"):
        train(Scripted(), settings(eval_every=0), tmp_path)
    with pytest.raises(InputError, match="no folder"):
        train(Scripted(), settings(eval_every=0), tmp_path / "missing" / "run.npz")
    assert frontend.calls == []
    train(Scripted(), settings(eval_every=0), out, force=True)
    assert len(frontend.calls) == 2


class Overflowing(Scripted):
    """Its gradient is too large for float16 at the first loss scales."""

    def train_loss(self):
        weight = self.model.weight.sum()
        return Loss((weight.half() * 60).float() * 6, 6, 2) if weight.requires_grad else Loss(weight, 6, 2)


def test_a_step_whose_scaled_gradient_overflows_is_tried_again_at_half_the_scale():
    application = Overflowing()
    done = train(application, settings(eval_every=0, steps=3, precision="float16"))
    assert done.step == 3
    assert float(application.model.weight.detach()) == pytest.approx(-3 * 60, rel=1e-3)  # three steps, not more


@pytest.mark.parametrize(
    "changes", [{"precision": "int8"}, {"quantize_bits": 1}, {"quantize_bits": 17}, {"quantize_kind": "linear"}]
)
def test_wrong_precisions_are_refused(changes):
    with pytest.raises(InputError):
        settings(**changes)

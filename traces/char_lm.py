"""Train a model on real data and write the trace of its gate gradients: what a notebook calls.

>>> from traces.char_lm import CharLMSettings, record_char_lm
>>> recording = record_char_lm(CharLMSettings(hidden=64, steps=200), "run.npz")  # doctest: +SKIP

Beside the trace ``run.npz`` lies ``run.npz.state.npz``: parameters, optimiser, carried state and position,
from which ``resume=True`` goes on to exactly the numbers of an uninterrupted run. It may be deleted when the
run is to go no further.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from traces import corpora
from traces.corpora import Corpus
from traces.errors import InputError
from traces.header import DenseLayer, Layer
from traces.interruption import stop_on_signals
from traces.numpy_frontend.diagnosis import LayerDiagnosis, gradient_values, hidden_mask, input_mask
from traces.numpy_frontend.language_model import (
    LOSS_NORMALISATIONS,
    LanguageModel,
    Shape,
    Vocabulary,
    initial_parameters,
    log_frequencies,
)
from traces.numpy_frontend.lstm import GATES
from traces.numpy_frontend.optimizers import make_optimizer
from traces.numpy_frontend.parameters import Floats, Integers
from traces.numpy_frontend.settings import CharLMSettings
from traces.numpy_frontend.state_file import load_state, save_state
from traces.numpy_frontend.training import Trainer, Windows, bits_per_character, evaluate
from traces.progress import Progress
from traces.thresholds import restore_state, state_of
from traces.trace import Trace
from traces.writer import TraceWriter

__all__ = ["CharLMSettings", "Progress", "Recording", "record_char_lm", "state_path"]

CHECKPOINT_EVERY_SECONDS = 60.0


SAMPLED_STEPS = 10
"""Where steps are recorded more often than every so manyth, every so manyth has causes of zeros, cosines and
histograms, too: they take longer than all else that is recorded."""

STEP_STATISTICS = {"sparsity": "gate_sparsity", "zero_columns": "zero_columns"}
"""What a step's entry says of each layer, and the method of `LayerDiagnosis` that finds it."""
SAMPLED_STATISTICS = {
    "natural_zeros": "natural_zeros",
    "thresholded_zeros": "thresholded_zeros",
    "weight_gradient_cosine": "weight_gradient_cosine",
    "recurrent_weight_gradient_cosine": "recurrent_weight_gradient_cosine",
    "gradient_rms": "gradient_rms",
    "gradient_histogram": "gradient_histogram",
    "gate_histograms": "gate_histograms",
}
"""The same of sampled steps alone."""


@dataclass(frozen=True)
class Recording:
    """A finished or interrupted recording.

    Attributes
    ----------
    path : Path
        The trace.
    header : dict
        The trace's header: ``steps``, ``curve``, and ``final`` once all steps were taken.
    step : int
        Optimiser steps taken.
    signal_number : int
        Of the signal that ended it early; 0 where all steps were taken.
    size_bytes : int
    sha256 : str
        Of the trace file.
    """

    path: Path
    header: dict[str, Any]
    step: int
    signal_number: int
    size_bytes: int
    sha256: str


def state_path(out: str | os.PathLike[str]) -> Path:
    """Return the path of the state file that belongs to a trace."""
    path = Path(out)
    return path.with_name(path.name + ".state.npz")


def record_char_lm(
    settings: CharLMSettings,
    out: str | os.PathLike[str],
    *,
    resume: bool = False,
    force: bool = False,
    observer: Callable[[Progress], None] | None = None,
) -> Recording:
    """Train a character language model and record its gate gradients.

    SIGINT (Ctrl-C) or SIGTERM ends it after the step at hand, with a complete trace and a state to resume
    from; it then returns as usual.

    Parameters
    ----------
    settings : CharLMSettings
    out : path
        The trace to write.
    resume : bool
        Go on with the recording that lies there. The settings must be the same, but ``steps`` may be more.
    force : bool
        Replace an existing trace.
    observer : callable, optional
        Called with a `Progress` after every step.

    Raises
    ------
    InputError
        Where ``out`` exists (without ``resume`` or ``force``) or cannot be written, the corpus is missing or
        too short, there is nothing to resume or it was recorded with other settings, or training diverges
        (the steps recorded before are kept).
    """
    path = Path(out)
    _check_destination(path, resume, force)
    run = _CharLMRun(settings, corpora.load(settings.corpus))
    with stop_on_signals() as stop:
        if resume:
            recorded = run.restore(state_path(path))
            writer = TraceWriter.resume(path, checkpoint_every_seconds=None)
        else:
            recorded = []
            writer = TraceWriter(path, run.header(), checkpoint_every_seconds=None)
            # A state of another run must not survive beside the new trace.
            state_path(path).unlink(missing_ok=True)
        with writer:
            if resume:
                _check_same_run(writer, run.header(), recorded)
                # A resumed run may have been asked for more steps than the first one.
                writer.update_header(**{key: run.header()[key] for key in ("settings", "training")})
            last_save = time.monotonic()
            while run.trainer.step < settings.steps and not stop:
                run.take_step(writer)
                if observer is not None:
                    observer(run.progress)
                if time.monotonic() - last_save >= CHECKPOINT_EVERY_SECONDS:
                    _save(run, writer, path)
                    last_save = time.monotonic()
            if run.trainer.step >= settings.steps:
                writer.update_header(final=run.final())
            _save(run, writer, path)
    with Trace(path) as trace:
        return Recording(path, trace.header, run.trainer.step, stop.signal_number, path.stat().st_size, trace.sha256)


class _CharLMRun:
    """A training run and what is recorded of it, between its building and its end."""

    def __init__(self, settings: CharLMSettings, corpus: Corpus) -> None:
        self.settings, self.corpus = settings, corpus
        vocabulary = Vocabulary(corpus.train)
        self.shape = Shape(len(vocabulary), settings.hidden, settings.layers)
        self.train, self.valid, self.test = (
            vocabulary.encode(text) for text in (corpus.train, corpus.valid, corpus.test)
        )
        _check_length(settings, corpus)
        settings.check_memory(self.shape)
        parameters = initial_parameters(self.shape, settings.seed, np.dtype(settings.precision), settings.forget_bias)
        if settings.output_bias == "log-frequency":
            parameters.values["classifier.b"][...] = log_frequencies(self.train, len(vocabulary))
        self.trainer = Trainer(
            LanguageModel(self.shape, parameters, settings.sequence, settings.batch),
            make_optimizer(settings.optimizer, parameters.flat, settings.rate, settings.momentum),
            Windows(self.train, settings.sequence, settings.batch),
            settings.policy,
            settings.loss_normalisation,
            settings.clip,
        )
        self.curve: dict[str, list[float | int]] = {"step": [], "train_loss": [], "valid_loss": [], "gradient_norm": []}
        # Since the last point of the curve.
        self.losses: list[float] = []
        self.norms: list[float] = []
        self.progress = Progress(0, settings.steps, float("nan"), None, None)

    def header(self) -> dict[str, Any]:
        """Make the header of the trace, without steps."""
        settings = self.settings
        return {
            "layers": [
                Layer(name, "lstm", self.shape.input_size(index), settings.hidden, GATES, "forward", index > 0)
                for index, name in enumerate(self.shape.layer_names)
            ],
            "dense_layers": [DenseLayer("classifier", settings.hidden, self.shape.vocabulary)],
            "batch_size": settings.batch,
            "sequence_length": settings.sequence,
            "policy": settings.policy.to_mapping(),
            "loss_normalisation": LOSS_NORMALISATIONS[settings.loss_normalisation],
            "precision": settings.precision,
            "task": "char-lm",
            "corpus": self.corpus.provenance,
            "optimizer": settings.optimizer_mapping(),
            "seed": settings.seed,
            "settings": settings.fixed() | {"steps": settings.steps},
            "training": {"total_steps": settings.steps, "steps_per_epoch": len(self.trainer.windows)},
        }

    def take_step(self, writer: TraceWriter) -> None:
        """Train one step; record it and add a point to the curve where the settings ask for it."""
        settings, trainer = self.settings, self.trainer
        number = trainer.step + 1
        # A step that a killed run had recorded after its last state is trained again, and is the same.
        due = number == 1 or number % settings.record_every == 0
        diagnoses = None
        if due and number not in writer.steps:
            layers = zip(self.shape.layer_names, trainer.model.layers, strict=True)
            sampled = number == 1 or number % SAMPLED_STEPS == 0 or settings.record_every >= SAMPLED_STEPS
            diagnoses = {name: LayerDiagnosis(layer, sampled) for name, layer in layers}
        loss = trainer.take_step(diagnoses)
        sparsity, valid_loss = self.progress.sparsity, self.progress.valid_loss
        if diagnoses is not None:
            self._record(writer, number, loss, diagnoses)
        if due:
            sparsity = _mean_sparsity(writer, number)
        self.losses.append(loss)
        self.norms.append(trainer.gradient_norm)
        if settings.eval_every and number % settings.eval_every == 0:
            valid_loss = self.loss_on(self.valid, settings.eval_windows)
            self.curve["step"].append(number)
            self.curve["train_loss"].append(sum(self.losses) / len(self.losses))
            self.curve["valid_loss"].append(valid_loss)
            self.curve["gradient_norm"].append(sum(self.norms) / len(self.norms))
            self.losses, self.norms = [], []
            writer.set_curve(self.curve)
        self.progress = Progress(number, settings.steps, loss, sparsity, valid_loss)

    def loss_on(self, symbols: Integers, most_windows: int = 0) -> float:
        """Compute the loss on a text, nats per character."""
        settings, parameters = self.settings, self.trainer.model.parameters
        return evaluate(self.shape, parameters, symbols, settings.sequence, settings.batch, most_windows)

    def final(self) -> dict[str, float | int]:
        """Evaluate on the whole validation and test texts, as the header has it."""
        valid, test = self.loss_on(self.valid), self.loss_on(self.test)
        return {
            "step": self.trainer.step,
            "valid_loss": valid,
            "test_loss": test,
            "valid_bits_per_character": bits_per_character(valid),
            "test_bits_per_character": bits_per_character(test),
        }

    def save(self, path: Path, recorded: tuple[int, ...]) -> None:
        """Write the state file; ``recorded`` are the steps that the trace holds."""
        trainer = self.trainer
        progress = {
            "step": trainer.step,
            "position": trainer.position,
            "updates": trainer.optimizer.updates,
            "recorded": list(recorded),
            "curve": self.curve,
            "losses": self.losses,
            "norms": self.norms,
            "sparsity": self.progress.sparsity,
            "valid_loss": self.progress.valid_loss,
        }
        save_state(path, self._identity(), progress, self._arrays(), self._held())

    def restore(self, path: Path) -> list[int]:
        """Go on from a state file; returns the steps that the trace must hold."""
        arrays = self._arrays()
        largest = 4 * self.settings.hidden * self.settings.batch
        saved, held = load_state(path, arrays, self._identity(), largest)
        trainer = self.trainer
        try:
            trainer.step, trainer.position = int(saved["step"]), int(saved["position"])
            trainer.optimizer.updates = int(saved["updates"])
            self.curve = {key: list(saved["curve"][key]) for key in self.curve}
            self.losses = [float(loss) for loss in saved["losses"]]
            self.norms = [float(norm) for norm in saved["norms"]]
            recorded = [int(number) for number in saved["recorded"]]
            sparsity, valid_loss = saved["sparsity"], saved["valid_loss"]
        except (KeyError, TypeError, ValueError, OverflowError):
            raise InputError.of(f"{path}: header", "progress that cannot be read", "a state as saved") from None
        if trainer.step < 0 or not 0 <= trainer.position <= len(trainer.windows):
            found = f"step {trainer.step} at window {trainer.position}"
            raise InputError.of(f"{path}: header", found, f"a window up to {len(trainer.windows)}")
        if trainer.step > self.settings.steps:
            found = f"{self.settings.steps} steps"
            raise InputError.of("steps of the resumed run", found, f"at least the {trainer.step} taken so far")
        trainer.state = [(arrays[f"state.{name}.h"], arrays[f"state.{name}.c"]) for name in self.shape.layer_names]
        self._hold(path, held)
        self.progress = Progress(trainer.step, self.settings.steps, float("nan"), sparsity, valid_loss)
        return recorded

    def _record(self, writer: TraceWriter, number: int, loss: float, diagnoses: dict[str, LayerDiagnosis]) -> None:
        trainer = self.trainer
        inputs, _ = trainer.windows.window(trainer.position - 1)
        tensors = {}
        sampled = all(diagnosis.sampled for diagnosis in diagnoses.values())
        wanted = STEP_STATISTICS | (SAMPLED_STATISTICS if sampled else {})
        info: dict[str, dict[str, Any]] = {name: {} for name in wanted}
        for name, diagnosis in diagnoses.items():
            layer = diagnosis.layer
            tensors[name] = {
                "gate_gradient": diagnosis.gradient_mask(),
                "input": input_mask(layer, inputs) if layer.one_hot else None,
                "hidden": hidden_mask(layer),
                "gate_gradient_values": gradient_values(layer) if self.settings.record_values else None,
            }
            for key, method in wanted.items():
                info[key][name] = getattr(diagnosis, method)()
        writer.add_step(number, tensors, loss=loss, **info)

    def _identity(self) -> dict[str, Any]:
        """Return what a resumed run must share: the settings, and the corpus by its content."""
        return self.settings.fixed() | {"corpus": self.corpus.provenance}

    def _held(self) -> dict[str, Floats]:
        """Return what the policy's thresholders hold, by ``<layer>/<name>``."""
        layers = zip(self.shape.layer_names, self.trainer.thresholders, strict=True)
        return {f"{name}/{key}": array for name, layer in layers for key, array in state_of(layer).items()}

    def _hold(self, path: Path, held: dict[str, Floats]) -> None:
        for name, thresholder in zip(self.shape.layer_names, self.trainer.thresholders, strict=True):
            mine = [key for key in held if key.startswith(f"{name}/")]
            try:
                restore_state(thresholder, {key.removeprefix(f"{name}/"): held.pop(key) for key in mine})
            except InputError as error:
                problem = error.problems[0]
                raise InputError.of(f"{path}: {problem.where} of {name}", problem.found, problem.expected) from None
        if held:
            raise InputError.of(f"{path}: policy state", ", ".join(held), "the state of layers that are there")

    def _arrays(self) -> dict[str, Floats]:
        """Return every array of the run's state by name, in a form that can be filled in place."""
        trainer = self.trainer
        arrays = {"parameters": trainer.model.parameters.flat} | trainer.optimizer.slots
        for name, (h, c) in zip(self.shape.layer_names, trainer.state, strict=True):
            arrays[f"state.{name}.h"], arrays[f"state.{name}.c"] = h, c
        return arrays


def _mean_sparsity(writer: TraceWriter, number: int) -> float:
    """Give the mean share of zeros in the gates of a recorded step."""
    shares = [share for gates in writer.entry(number)["sparsity"].values() for share in gates.values()]
    return float(np.mean(shares))


def _save(run: _CharLMRun, writer: TraceWriter, path: Path) -> None:
    # The trace first: one that is ahead of the state can be resumed, one that lacks steps cannot.
    writer.checkpoint()
    run.save(state_path(path), writer.steps)


def _check_destination(path: Path, resume: bool, force: bool) -> None:
    if resume and force:
        raise InputError.of("--resume and --force", "both", "one: go on, or begin anew")
    if path.is_dir():
        raise InputError.of(str(path), "a directory", "a file to write the trace to")
    if not path.parent.is_dir():
        raise InputError.of(str(path), f"no folder {str(path.parent)!r}", "an existing folder")
    if resume:
        for file, content in ((path, "trace"), (state_path(path), "state")):
            if not file.is_file():
                expected = f"the {content} of the recording to resume"
                begin = (
                    "--force in place of --resume begins anew" if path.exists() else "leave out --resume to begin one"
                )
                raise InputError.of(str(file), "no such file", expected, begin)
    elif path.exists() and not force:
        hint = "--resume goes on with it, --force replaces it"
        raise InputError.of(str(path), "an existing file", "a new one", hint)


def _check_length(settings: CharLMSettings, corpus: Corpus) -> None:
    needed = settings.batch * settings.sequence + 1
    if len(corpus.train) < needed:
        raise InputError.of(
            f"corpus {corpus.name}",
            f"{len(corpus.train)} characters to train on",
            f"at least {needed}, one window of {settings.sequence} in each of {settings.batch} sequences",
            "a longer text, a smaller batch or a shorter sequence",
        )
    for split, text in (("validation", corpus.valid), ("test", corpus.test)):
        if len(text) < 2:
            raise InputError.of(f"corpus {corpus.name}", f"a {split} text of {len(text)} characters", "2 or more")


def _check_same_run(writer: TraceWriter, header: dict[str, Any], recorded: list[int]) -> None:
    found, expected = dict(writer.header.get("settings") or {}), dict(header["settings"])
    found.pop("steps", None), expected.pop("steps")
    if found != expected or not set(recorded) <= set(writer.steps):
        raise InputError.of(
            str(writer.path),
            "the trace of another recording",
            "the one that its state file belongs to",
            "record anew with --force",
        )

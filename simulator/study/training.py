"""Training one run of a study and recording its trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simulator.study.runs import StudyRun
from traces import Trace
from traces.thresholds import from_mapping

RECORDED_STEPS = 6
"""Recorded steps of a run, about: the first, and the others evenly spaced."""
CURVE_POINTS = 20


class InterruptedRunError(Exception):
    """A signal ended the training before all its steps."""


def train(run: StudyRun, path: Path) -> dict[str, Any]:
    """Train a run on one thread and record it to `path`.

    Returns
    -------
    dict
        ``quality`` (the figures of the best or last weights on validation and test set), ``curve`` and ``steps``.

    Raises
    ------
    InputError
        If settings or corpus are not as they must be, or training diverges.
    InterruptedRunError
        If a signal ended it.
    """
    stopped = _char_lm(run, path) if run.application == "char-lm" else _application(run, path)
    if stopped:
        raise InterruptedRunError(f"signal {stopped}")
    with Trace(path) as trace:
        header = trace.header
    return {"quality": header["final"], "curve": header["curve"], "steps": header["final"]["step"]}


def _char_lm(run: StudyRun, path: Path) -> int:
    """Train with numpy; the signal that ended it early, or 0."""
    from traces.char_lm import CharLMSettings, record_char_lm
    from traces.numpy_frontend.blas_threads import set_threads

    set_threads(1)
    steps = run.options["steps"]
    settings = CharLMSettings(
        **run.options,
        policy=from_mapping(run.policy),
        seed=run.seed,
        record_every=max(1, steps // (RECORDED_STEPS - 1)),
        eval_every=max(1, steps // CURVE_POINTS),
    )
    recording = record_char_lm(settings, path, force=True)
    return recording.signal_number if recording.step < steps else 0


def _application(run: StudyRun, path: Path) -> int:
    """Train with PyTorch; the signal that ended it early, or 0."""
    from traces.corpora.sources import optional_module

    optional_module("torch", f"study of {run.application}", "torch").set_num_threads(1)
    from traces.torch_frontend.applications.making import make_application
    from traces.torch_frontend.scales import SCALES
    from traces.torch_frontend.training import train as train_application

    options = dict(run.options)
    scale = options.pop("scale")
    steps = options.get("steps", SCALES[run.application][scale]["steps"])
    options |= {"record_every": max(1, steps // (RECORDED_STEPS - 1)), "eval_every": max(1, steps // CURVE_POINTS)}
    options |= {"seed": run.seed}
    application, settings = make_application(run.application, options, from_mapping(run.policy), scale)
    return train_application(application, settings, path, force=True).signal_number

"""`record`: write the trace of a model that trains in the user's own loop."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import nn, optim

from traces.errors import InputError
from traces.header import DenseLayer
from traces.torch_frontend.clock import Clock, scale_of
from traces.torch_frontend.dense import DenseWatch
from traces.torch_frontend.observation import Observation, Wanted, join, laid_out, observe
from traces.torch_frontend.replace import Replaced, taps_of
from traces.torch_frontend.step_entry import Shape, StepContent, lengths_entry, statistics_entry, tensors_of
from traces.torch_frontend.tap import Seen, Tap
from traces.writer import TraceWriter

ACTIVATION_SHARES = (0.005, 0.1, 1.0)
"""Shares of the training after which the gates' activations are counted, too."""


def record(
    model: nn.Module,
    path: str | os.PathLike[str],
    every: int = 100,
    *,
    optimizer: optim.Optimizer | None = None,
    total_steps: int | None = None,
    steps_per_epoch: int | None = None,
    task: str | None = None,
    about: Mapping[str, Any] | None = None,
    sequence_length: int | None = None,
    batch_size: int | None = None,
    input_masks: bool = True,
    values: bool = False,
    statistics: bool = True,
    loss_scale: Any = None,
) -> Recorder:
    """Record the gate gradients of a sparsified model while it trains: a context manager.

    >>> with record(model, "run.npz", every=100, optimizer=optimizer) as recorder:  # doctest: +SKIP
    ...     for batch in batches:
    ...         loss = train_on(batch)
    ...         recorder.loss(loss)  # optional; before optimizer.step()
    ...         optimizer.step()

    Step 1 and every ``every``-th step are written. Several forward passes of a layer in a step (a cell called
    token by token, micro-batches whose gradients accumulate) follow each other along time. Passes without gradients are
    not seen. However the block is left, the steps until then are a complete trace.

    Parameters
    ----------
    model : nn.Module
        As `sparsify` returned it.
    path : path
        The trace to write; an existing one is replaced at the first checkpoint.
    every : int
    optimizer : Optimizer, optional
        Whose steps count; of several, the one that is called last in a step. Without one (here or at `sparsify`), each
        forward and backward pass is a step.
    total_steps, steps_per_epoch : int, optional
        How long the training is. The steps at 0.5 %, 10 % and 100 % of ``total_steps`` are recorded too, with
        histograms of the gates' activations.
    task : str, optional
    about : mapping, optional
        More of the header: ``corpus``, ``loss_normalisation``, ``seed`` and what else is known.
    sequence_length, batch_size : int, optional
        T and B of the trace; default: those of the first recorded step. Shorter sequences and smaller batches are
        padded with absent work; of a step that is larger nothing is written, and the next one that fits takes its
        place.
    input_masks : bool
        Record the masks of x and h_{t-1} where they have zeros.
    values : bool
        Record the values of the gate gradients, too.
    statistics : bool
        Say beside the masks why zeros are zero, how large the others are and what the threshold does to dW and dU.
    loss_scale : GradScaler, callable or float, optional
        By what the loss is multiplied before it is differentiated.

    Raises
    ------
    InputError
        Where the model is not sparsified or an argument is out of range; at the end, where nothing was recorded.
    """
    for name, value in (("every", every), ("total_steps", total_steps), ("steps_per_epoch", steps_per_epoch)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise InputError.of(f"record {name}", repr(value), "a whole number of at least 1")
    replaced = getattr(model, "sparsified", None)
    if not isinstance(replaced, Replaced):
        hint = "sparsify(model, None) drops nothing"
        raise InputError.of(f"model {type(model).__name__}", "a model that is not sparsified", "one that is", hint)
    known = {"task": task, **(about or {}), "policy": replaced.policy.to_mapping()}
    if replaced.quantiser is not None:
        known["quantize"] = replaced.quantiser.to_mapping()
    if total_steps or steps_per_epoch:
        known["training"] = {"total_steps": total_steps, "steps_per_epoch": steps_per_epoch}
    if optimizer is not None:
        replaced.clock.follow(optimizer)
    if loss_scale is not None:
        replaced.clock.loss_scale = scale_of(loss_scale)
    shape = Shape(sequence_length, batch_size, replaced.batch_first)
    return Recorder(model, Path(path), every, total_steps, known, shape, Wanted(input_masks, values, statistics))


@dataclass(frozen=True, eq=False)
class _Observed:
    """A pass of a layer, which one of the step it was, and the loss scale that it had."""

    call: int
    loss_scale: float
    observation: Observation


class Recorder:
    """A recording under way; see `record`."""

    def __init__(
        self,
        model: nn.Module,
        path: Path,
        every: int,
        total_steps: int | None,
        header: dict[str, Any],
        shape: Shape,
        wanted: Wanted,
    ) -> None:
        self.path = path
        self._model, self._every, self._header, self._shape, self._wanted = model, every, header, shape, wanted
        self._clock: Clock = model.sparsified.clock
        self._taps: list[Tap] = list(taps_of(model))
        self._dense = DenseWatch(model)
        self._marks = {max(1, round(share * total_steps)) for share in ACTIVATION_SHARES} if total_steps else set()
        self._writer: TraceWriter | None = None
        self._observed: dict[str, list[_Observed]] = {}
        self._lengths: dict[str, Sequence[int]] = {}
        self._losses: list[Any] = []
        self._since_last: list[float] = []
        self._points: list[dict[str, Any]] = []
        self._due = self._activations = self._warned = False
        self._precision = ""

    # --- what the user's loop calls --------------------------------------------------------------------------

    def loss(self, loss: Any) -> None:
        """Note the loss of a pass, a number or a tensor; of several in a step the mean is recorded."""
        self._losses.append(loss.detach() if isinstance(loss, torch.Tensor) else loss)

    def log(self, **values: float) -> None:
        """Add a point to the training curve at the last step taken, such as ``valid_loss``."""
        self._points.append({"step": max(1, self._clock.step - 1), **values})

    def valid_steps(self, lengths: Sequence[int], layers: str = "") -> None:
        """Say how many time steps of each sequence are real in this step, for batches that are padded, not packed.

        What lies beyond is absent work in the trace, though the model computes it; dense layers included.

        Parameters
        ----------
        lengths : integers [B]
        layers : str
            For layers whose name begins so; all by default. Call it before the backward pass.
        """
        self._lengths[layers] = [int(length) for length in lengths]

    # --- the context -----------------------------------------------------------------------------------------

    def __enter__(self) -> Recorder:
        if self._clock.ended:
            raise InputError.of(str(self.path), "a model that is being recorded", "one recording of a model at a time")
        self._clock.ended.append(self._step_ended)
        self._dense.start()
        self._begin(self._clock.step, first=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # Without an optimiser, no later forward pass ends the last step.
            if error is None and not self._clock.follows_optimizer:
                self._clock.advance()
        finally:
            self._stop()
            if self._writer is not None:
                self._set_curve()
                self._writer.close()
        if self._writer is None and error is None:
            expected = "a backward pass through a replaced layer, and the optimiser's step, within the with block"
            raise InputError.of(str(self.path), "no recorded step", expected)

    def _stop(self) -> None:
        if self._step_ended in self._clock.ended:
            self._clock.ended.remove(self._step_ended)
        for tap in self._taps:
            tap.observer = None
        self._dense.stop()

    # --- steps -----------------------------------------------------------------------------------------------

    def _begin(self, number: int, first: bool = False) -> None:
        self._activations = number in self._marks
        self._due = self._due or first or number % self._every == 0 or self._activations
        for tap in self._taps:
            tap.observer = self._observe if self._due else None
        self._dense.begin(self._due)

    def _observe(self, tap: Tap, seen: Seen) -> None:
        wanted = Wanted(self._wanted.input_masks, self._wanted.values, self._wanted.statistics, self._activations)
        self._precision = self._precision or str(seen.raw.dtype).removeprefix("torch.")
        observation = observe(seen, self._lengths_of(tap.name, seen), wanted)
        self._observed.setdefault(tap.name, []).append(_Observed(seen.call, seen.loss_scale, observation))

    def _lengths_of(self, name: str, seen: Seen) -> Sequence[int] | None:
        """Give the real time steps that the user told of, for this pass."""
        T, B = seen.gate_gradient.shape[:2]
        lengths = self._told(name)
        if lengths is None or seen.rows:
            return None
        if len(lengths) != B:
            found = f"{len(lengths)} lengths for a batch of {B}"
            raise InputError.of(f"layer {name}: valid_steps", found, "one length for each sequence")
        # A layer that is called token by token sees one time step a call.
        return [length - seen.call for length in lengths] if T == 1 else lengths

    def _told(self, name: str) -> Sequence[int] | None:
        told = [prefix for prefix in self._lengths if name.startswith(prefix)]
        return self._lengths[max(told, key=len)] if told else None

    def _step_ended(self, number: int) -> None:
        try:
            losses = [float(loss) for loss in self._losses]
            loss = float(np.mean(losses)) if losses else None
            if loss is not None:
                self._since_last.append(loss)
            if self._due and self._observed and self._write(number, loss):
                self._due = False
        finally:
            self._observed, self._lengths, self._losses = {}, {}, []
            self._begin(number + 1)

    def _write(self, number: int, loss: float | None) -> bool:
        scale = self._clock.loss_scale()
        joined = {}
        for name, passes in self._observed.items():
            # A GradScaler lowers its scale after a pass that overflowed and whose step it left out.
            counted = sorted((o for o in passes if o.loss_scale == scale), key=lambda o: o.call)
            if counted:
                joined[name] = join([o.observation for o in counted])
        if not joined:
            return False
        batch = max((o.batch for o in joined.values() if not o.rows), default=0) or self._shape.batch_size
        batch = batch or max(o.batch for o in joined.values())
        layers = {name: laid_out(o, batch, self._shape.batch_first, self._told(name)) for name, o in joined.items()}
        dense = self._dense.lengths(batch)
        for name, lengths in dense.items():
            told = self._told(name)
            if told is not None and len(told) == batch:
                dense[name] = np.minimum(lengths, told)
        T = max(int(lengths.max()) for lengths in [*(o.lengths for o in layers.values()), *dense.values()])
        shape = self._shape.filled(T, batch)
        if T > shape.T or batch > shape.B:
            self._warn(f"step {number} has {T} time steps x {batch} sequences, the trace {shape.T} x {shape.B}")
            return False
        content = StepContent(shape, {tap.name: layers.get(tap.name) for tap in self._taps}, dense)
        if self._writer is None:
            self._shape = shape
            self._taps.sort(key=lambda tap: tap.place)
            self._writer = TraceWriter(self.path, self._full_header(content))
        known = {layer.name for layer in self._dense.layers} & {d["name"] for d in self._writer.header["dense_layers"]}
        content = StepContent(shape, content.layers, {name: n for name, n in dense.items() if name in known})
        entry = {"loss": loss, **lengths_entry(content)}
        if self._wanted.statistics:
            entry |= statistics_entry(content)
        if self._activations:
            entry["gate_histograms"] = {name: _lists(o.activations) for name, o in layers.items() if o.activations}
        if scale != 1:
            entry["loss_scale"] = scale
        self._writer.add_step(number, {tap.name: tensors_of(content, tap) for tap in self._taps}, **entry)
        if self._since_last:
            self._points.append({"step": number, "train_loss": float(np.mean(self._since_last))})
            self._since_last = []
            self._set_curve()
        return True

    def _full_header(self, content: StepContent) -> dict[str, Any]:
        header = {
            "layers": [tap.layer() for tap in self._taps],
            "dense_layers": self._dense_layers(content),
            "batch_size": content.shape.B,
            "sequence_length": content.shape.T,
            "precision": self._precision,
            "created_by": {"torch": str(torch.__version__)},
            **self._header,
        }
        described = self._clock.optimizer_mapping()
        return header if described is None else {"optimizer": described, **header}

    def _dense_layers(self, content: StepContent) -> list[DenseLayer]:
        return [layer for layer in self._dense.layers if layer.name in content.dense]

    def _set_curve(self) -> None:
        if self._writer is None or not self._points:
            return
        steps = sorted({point["step"] for point in self._points})
        names = sorted({name for point in self._points for name in point} - {"step"})
        at: dict[int, dict[str, Any]] = {step: {} for step in steps}
        for point in self._points:
            at[point["step"]].update(point)
        columns = {name: [at[step].get(name) for step in steps] for name in names}
        self._writer.set_curve({"step": steps, **columns})

    def _warn(self, found: str) -> None:
        if not self._warned:
            self._warned = True
            advice = "it is left out; give record() the largest sequence_length and batch_size"
            warnings.warn(f"{self.path}: {found}: {advice}", stacklevel=2)


def _lists(histograms: Mapping[str, Any]) -> dict[str, list[int]]:
    return {gate: [int(count) for count in counts] for gate, counts in histograms.items()}

"""What one backward pass of a layer leaves for the trace: packed masks and sums, on the CPU, the tensors let go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from traces.histograms import ACTIVATION_BINS
from traces.torch_frontend.gradient_sums import GradientSums
from traces.torch_frontend.tap import Seen, Tensor

Bools = npt.NDArray[np.bool_]
Lengths = npt.NDArray[np.int64]
MASKS = ("gate_gradient", "gate_gradient_hidden", "input", "hidden")


@dataclass(frozen=True)
class Wanted:
    """What a recorder asks of an observation beside the mask of dG.

    Attributes
    ----------
    input_masks : bool
        The masks of x and h_{t-1}.
    values : bool
        The non-zero values of dG, without loss scaling.
    statistics : bool
        `GradientSums`.
    activations : bool
        Histograms of the gates' activations.
    """

    input_masks: bool = True
    values: bool = False
    statistics: bool = True
    activations: bool = False


@dataclass(eq=False)
class Observation:
    """One backward pass, or several joined along time.

    Attributes
    ----------
    masks : dict of str to bool [T, B, bits]
        Non-zero masks by the trace's tensor names; zero beyond ``lengths``.
    lengths : int64 [B]
        Real time steps of each sequence.
    rows : bool
        The rows are tokens without an order of time.
    values : floating [T, B, bits] or None
        The gate gradient itself, where it is wanted.
    sums : GradientSums or None
    activations : dict of str to int64 [bins]
        Histograms by gate.
    """

    masks: dict[str, Bools]
    lengths: Lengths
    rows: bool
    values: npt.NDArray[np.float32] | None
    sums: GradientSums | None
    activations: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)

    @property
    def batch(self) -> int:
        """Number of sequences B."""
        return len(self.lengths)


def observe(seen: Seen, lengths: Sequence[int] | None, wanted: Wanted) -> Observation:
    """Reduce what a backward pass had to what is recorded of it.

    Parameters
    ----------
    seen : Seen
    lengths : sequence of int [B] or None
        Real time steps of each sequence in the user's order, where the layer itself does not know them.
    wanted : Wanted
    """
    (T, B), order = seen.gate_gradient.shape[:2], seen.order
    real_steps = torch.full((B,), T, dtype=torch.int64)
    if seen.lengths is not None:
        real_steps = torch.tensor(seen.lengths)
    elif lengths is not None:
        real_steps = torch.as_tensor(lengths, dtype=torch.int64).clamp(0, T)
        if order is not None:  # from the user's order to the layer's
            real_steps = real_steps[torch.argsort(order.cpu())]
    real = (torch.arange(T)[:, None] < real_steps).to(seen.gate_gradient.device)  # (T, B)
    tensors = {"gate_gradient": seen.gate_gradient.flatten(2)}
    if seen.gate_gradient_hidden is not None:
        tensors["gate_gradient_hidden"] = seen.gate_gradient_hidden.flatten(2)
    if wanted.input_masks:
        tensors["input"] = seen.x
        if seen.hidden is not None:
            tensors["hidden"] = seen.hidden

    def in_users_order(tensor: Tensor) -> Tensor:
        return tensor if order is None else tensor[:, order]

    masks = {
        name: in_users_order((tensor.detach() != 0) & real[:, :, None]).cpu().numpy()
        for name, tensor in tensors.items()
    }
    values = None
    if wanted.values:
        scaled = in_users_order(seen.gate_gradient * real[:, :, None, None]).flatten(2)
        values = (scaled.float() / seen.loss_scale).cpu().numpy()
    activations = {}
    if wanted.activations:
        activations = {gate: histogram(tensor[real]) for gate, tensor in seen.activations.items()}
    if order is not None:
        real_steps = real_steps[order.cpu()]
    sums = GradientSums.of(seen, real) if wanted.statistics else None
    return Observation(masks, real_steps.numpy(), seen.rows, values, sums, activations)


def histogram(values: Tensor) -> npt.NDArray[np.int64]:
    """Count activations in `ACTIVATION_BINS` equal bins from -1 to 1; what lies outside is in the outermost."""
    bins = ((values.float() + 1) * (ACTIVATION_BINS / 2)).floor().clamp(0, ACTIVATION_BINS - 1)
    counts: npt.NDArray[np.int64] = torch.bincount(bins.long().flatten(), minlength=ACTIVATION_BINS).cpu().numpy()
    return counts


def join(observations: Sequence[Observation]) -> Observation:
    """Join the passes of one step along time, in the order in which their forward passes ran.

    The real rows of a sequence follow each other without gaps, so that what is beyond them stays absent.
    """
    if len(observations) == 1:
        return observations[0]
    B = max(o.batch for o in observations)
    lengths = np.zeros(B, np.int64)
    for o in observations:
        lengths[: o.batch] += o.lengths
    T = int(lengths.max())
    masks: dict[str, Bools] = {}
    values: npt.NDArray[np.float32] | None = None
    for name in MASKS:
        if any(name in o.masks for o in observations):
            bits = next(o.masks[name].shape[2] for o in observations if name in o.masks)
            masks[name] = _joined([o.masks.get(name) for o in observations], observations, (T, B, bits), np.bool_)
    if all(o.values is not None for o in observations):
        shape = T, B, masks["gate_gradient"].shape[2]
        values = _joined([o.values for o in observations], observations, shape, np.float32)
    sums = None
    for o in observations:
        sums = o.sums if sums is None else sums.plus(o.sums)
    activations: dict[str, npt.NDArray[np.int64]] = {}
    for o in observations:
        for gate, counts in o.activations.items():
            activations[gate] = activations.get(gate, 0) + counts
    return Observation(masks, lengths, all(o.rows for o in observations), values, sums, activations)


def _joined(parts: Sequence[Any], observations: Sequence[Observation], shape: tuple[int, ...], dtype: type) -> Any:
    """Put the real rows of each sequence behind each other; a pass without the tensor counts as dense."""
    joined: Any = np.zeros(shape, dtype)
    at = np.zeros(shape[1], np.int64)
    for part, o in zip(parts, observations, strict=True):
        for b, length in enumerate(o.lengths.tolist()):
            joined[at[b] : at[b] + length, b] = True if part is None else part[:length, b]
            at[b] += length
    return joined


def laid_out(o: Observation, batch: int, batch_first: bool, told: Sequence[int] | None) -> Observation:
    """Give rows without an order of time the places (t, b) of a batch.

    Parameters
    ----------
    o : Observation
    batch : int
        Sequences of the step, B.
    batch_first : bool
        How the model flattens [B, T]: whether the rows of a sequence follow each other. Rows that are no multiple of B
        (a selection of tokens) are dealt out one to each sequence, in turn.
    told : sequence of int [B] or None
        Real time steps of each sequence; what is beyond them becomes absent, where the rows are a whole batch.
    """
    if not o.rows:
        return o
    N = int(o.lengths.sum())
    T = -(-N // batch)
    if N % batch == 0 and batch_first:
        places = np.arange(N).reshape(batch, T).T.reshape(-1)  # row of each place (t, b)
    else:
        places = np.arange(N)
    lengths = N // batch + (np.arange(batch) < N % batch)

    def lay(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        flat = array.reshape(-1, array.shape[2])[places]
        padded = np.zeros((T * batch, array.shape[2]), array.dtype)
        padded[: len(flat)] = flat
        return padded.reshape(T, batch, -1)

    masks = {name: lay(mask) for name, mask in o.masks.items()}
    values = None if o.values is None else lay(o.values)
    if told is not None and len(told) == batch and N % batch == 0:
        lengths = np.minimum(lengths, told)
        real = np.arange(T)[:, None] < lengths
        masks = {name: mask & real[:, :, None] for name, mask in masks.items()}
        values = None if values is None else values * real[:, :, None]
    return Observation(masks, lengths.astype(np.int64), False, values, o.sums, o.activations)  # type: ignore[arg-type]

"""What one recorded optimiser step holds, and the checks that it passes when it is read or written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from traces.archive import ArchiveReader
from traces.bitmask import BitMask, packed_bytes
from traces.errors import InputError, Problem, nearest
from traces.header import Header, Layer, parse_header, refuse, valid_steps

Floats = npt.NDArray[np.floating[Any]]
Counts = npt.NDArray[np.int64]

_LARGEST_HEADER_BYTES = 64 * 2**20
VALUES = "gate_gradient_values"


@dataclass(frozen=True, eq=False)
class LayerRecord:
    """What one step recorded of one layer: T time steps, batch B, input D, hidden H, G gates.

    Attributes
    ----------
    gate_gradient : BitMask [T, B, G*H]
        1 where the linear gate gradient is not zero after thresholding.
    input : BitMask [T, B, D] or None
        1 where x_t is not zero; None: dense.
    hidden : BitMask [T, B, H] or None
        1 where h_{t-1} is not zero; None: dense.
    gate_gradient_hidden : BitMask [T, B, G*H] or None
        GRU only: the hidden-side gradient, where it differs from the input side.
    values : float16 or float32 [nnz], or None
        The non-zero gate gradients in C order of the mask.
    """

    gate_gradient: BitMask
    input: BitMask | None = None
    hidden: BitMask | None = None
    gate_gradient_hidden: BitMask | None = None
    values: Floats | None = None

    @property
    def tensors(self) -> dict[str, BitMask | Floats]:
        """What was recorded, by the tensor's name in the file."""
        every = {
            "gate_gradient": self.gate_gradient,
            "input": self.input,
            "hidden": self.hidden,
            "gate_gradient_hidden": self.gate_gradient_hidden,
            VALUES: self.values,
        }
        return {name: tensor for name, tensor in every.items() if tensor is not None}


@dataclass(frozen=True, eq=False)
class Step:
    """One recorded optimiser step.

    Attributes
    ----------
    number : int
        The optimiser step.
    info : dict
        The header's entry for it: loss, sparsity and whatever else was noted.
    valid_steps : int64 [B] or None
        How many of the T time steps of each sequence are real; None: all of them. `valid_steps_of` knows the
        layers of which the file says otherwise (the encoder and the decoder of a translation).
    layers : dict of str to LayerRecord
        One record for each layer of the header, in its order.
    """

    number: int
    info: dict[str, Any]
    valid_steps: Counts | None
    layers: dict[str, LayerRecord]

    def valid_steps_of(self, layer: str) -> Counts | None:
        """How many time steps of each sequence are real in one layer, dense layers included: int64 [B] or None."""
        return valid_steps(self.info, layer)

    @property
    def nbytes(self) -> int:
        """Bytes of its masks and values."""
        tensors = [tensor for layer in self.layers.values() for tensor in layer.tensors.values()]
        return sum(t.packed.nbytes if isinstance(t, BitMask) else t.nbytes for t in tensors)


def member_name(step: int, layer: str, tensor: str) -> str:
    """Name the member that holds one tensor, without its `.npy`."""
    return f"steps/{step:06d}/{layer}/{tensor}"


def tensor_names(layer: Layer) -> tuple[str, ...]:
    """List what a step may record of a layer; the first is required."""
    return (*layer.mask_bits, VALUES)


def read_header(archive: ArchiveReader) -> Header:
    """Read a trace's header and compare the list of members with it.

    Raises
    ------
    InputError
        Where there is no header, it is not correct, a required member is missing, or a member is not in it.
    """
    if "header" not in archive:
        names = archive.names
        found = f"an .npz file without a 'header' (members: {', '.join(names[:5])})" if names else "no member"
        hint = "any .npz is not a trace; traces/README.md describes the format"
        raise InputError.of(str(archive.path), found, "a Skipstone trace", hint)
    where = archive.where("header")
    raw = archive.read("header", "u", None, "the UTF-8 JSON header", _LARGEST_HEADER_BYTES)
    header = parse_header(raw.tobytes(), where)
    known = {"header"}
    problems = []
    for number in header.entries:
        for layer in header.layers:
            known.update(member_name(number, layer.name, tensor) for tensor in tensor_names(layer))
            required = member_name(number, layer.name, "gate_gradient")
            if required not in archive:
                problems.append(Problem(archive.where(required), "no such member", "this required mask"))
    for name in archive.names:
        if name not in known:
            problems.append(_unknown_member(name, header, archive.where(name)))
    refuse(problems)
    return header


def read_step(archive: ArchiveReader, header: Header, number: int) -> Step:
    """Read and check one step of a trace whose header and member names have been checked."""
    entry = header.entries[number]
    layers = {
        layer.name: _read_layer(archive, header, number, layer, valid_steps(entry, layer.name))
        for layer in header.layers
    }
    return Step(number, entry, valid_steps(entry), layers)


def make_record(
    tensors: Mapping[str, Any], layer: Layer, header: Header, valid: Counts | None, where: str
) -> LayerRecord:
    """Make the record of one layer from masks (`BitMask` or bool [T, B, bits]) and values, by tensor name.

    Raises
    ------
    InputError
        Where a tensor is unknown, the gate gradient is missing, or one has another shape or dtype than the
        layer asks for.
    """
    masks: dict[str, BitMask] = {}
    for name, tensor in tensors.items():
        if name not in tensor_names(layer):
            expected = f"a tensor of a {layer.kind} layer: {', '.join(tensor_names(layer))}"
            hint = nearest(str(name), tensor_names(layer))
            raise InputError.of(f"{where}/{name}", "an unknown tensor", expected, hint)
        if name != VALUES and tensor is not None:
            try:
                masks[name] = tensor if isinstance(tensor, BitMask) else BitMask.pack(np.asarray(tensor))
            except ValueError as error:
                shape = (header.sequence_length, header.batch_size, layer.mask_bits[name])
                raise InputError.of(f"{where}/{name}", f"a {error}", f"a BitMask or bool {shape}") from None
    if "gate_gradient" not in masks:
        raise InputError.of(f"{where}/gate_gradient", "nothing", "this required mask")
    values = tensors.get(VALUES)
    record = LayerRecord(**masks, values=None if values is None else np.asarray(values))
    check_record(record, layer, header, valid, where)
    return record


def check_record(record: LayerRecord, layer: Layer, header: Header, valid: Counts | None, where: str) -> None:
    """Refuse a record whose shapes, padded time steps or number of values contradict the header."""
    for name, mask in record.tensors.items():
        if not isinstance(mask, BitMask):
            continue
        expected = (header.sequence_length, header.batch_size, layer.mask_bits[name])
        if mask.shape != expected:
            raise InputError.of(f"{where}/{name}", f"a mask of shape {mask.shape}", f"{expected}, (T, B, bits)")
        if valid is not None and name.startswith("gate_gradient"):
            _check_padded_steps(mask, valid, f"{where}/{name}")
    if record.values is None:
        return
    nonzeros = record.gate_gradient.count()
    if record.values.dtype not in (np.float16, np.float32) or record.values.shape != (nonzeros,):
        found = f"{record.values.dtype} of shape {record.values.shape}"
        expected_values = f"float16 or float32 of shape ({nonzeros},), one for each set bit of the mask"
        raise InputError.of(f"{where}/{VALUES}", found, expected_values)


def _read_layer(archive: ArchiveReader, header: Header, number: int, layer: Layer, valid: Counts | None) -> LayerRecord:
    masks: dict[str, BitMask] = {}
    for tensor, bits in layer.mask_bits.items():
        name = member_name(number, layer.name, tensor)
        if name not in archive:
            continue
        shape = (header.sequence_length, header.batch_size, packed_bytes(bits))
        packed = archive.read(name, "u", shape, f"(T, B, bytes for {bits} bits)")
        try:
            masks[tensor] = BitMask(packed, bits)
        except ValueError as error:
            raise InputError.of(archive.where(name), str(error), "padding bits that are 0") from None
    values = None
    name = member_name(number, layer.name, VALUES)
    if name in archive:
        nonzeros = masks["gate_gradient"].count()
        values = archive.read(name, "f", (nonzeros,), "one value for each set bit of the mask")
    record = LayerRecord(**masks, values=values)
    check_record(record, layer, header, valid, archive.where(f"steps/{number:06d}/{layer.name}"))
    return record


def _unknown_member(name: str, header: Header, where: str) -> Problem:
    parts = name.split("/")
    if len(parts) != 4 or parts[0] != "steps":
        return Problem(where, "an unknown member", "'header' or 'steps/<step>/<layer>/<tensor>'")
    if parts[1] not in {f"{number:06d}" for number in header.entries}:
        return Problem(where, f"the step {parts[1]}", "a step that the header lists, of at least six digits")
    layers = {layer.name: layer for layer in header.layers}
    if parts[2] not in layers:
        expected = f"a layer of the header: {', '.join(layers)}"
        return Problem(where, f"the layer {parts[2]!r}", expected, nearest(parts[2], layers))
    known = tensor_names(layers[parts[2]])
    expected = f"a tensor of a {layers[parts[2]].kind} layer: {', '.join(known)}"
    return Problem(where, f"the tensor {parts[3]!r}", expected, nearest(parts[3], known))


def _check_padded_steps(mask: BitMask, valid: Counts, where: str) -> None:
    for b, steps in enumerate(valid.tolist()):
        rows = mask.packed[steps:, b].any(axis=1)
        if rows.any():
            t = steps + int(rows.argmax())
            found = f"a set bit at time step {t} of sequence {b}, which has {steps} time steps"
            raise InputError.of(where, found, "zeros beyond valid_steps")

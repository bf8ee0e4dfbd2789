"""Trace folders of DNNsim, the simulator of the TensorDash group: import as a trace, export of a layer's operands.

The layout was read in github.com/isakedo/DNNsim as of 2019 (README.md; ``interface/src/NetReader.cpp``,
``read_network_trace_params`` and ``read_training_*_npy``; ``scripts/save_net.py``). A network NET has::

    net_traces/NET/weights/LAYER-EPOCH-BATCH-w.npy        [Nn, C] or [Nn, C, Kx, Ky]
    net_traces/NET/input/LAYER-EPOCH-BATCH-in.npy         [N, C] or [N, C, X, Y]
    net_traces/NET/outGrad/LAYER-EPOCH-BATCH-outGrad.npy  [N, Nn] or [N, Nn, Ox, Oy]
    net_traces/NET/outGrad/LAYER-EPOCH-BATCH-inGrad.npy   (not for the first layer), -wGrad.npy

and ``trace_params.csv``, beside them or in ``models/NET/``: a line for each layer without a head line, ``name[,input],
Nn,Kx,Ky,stride,padding``. The kind of a layer follows from its name, the first that it contains: ``decoder``,
``encoder``, then ``fc``, ``inner_prod`` or ``Linear`` (fully connected), then ``lstm``; any other is a convolution.

A fully connected layer becomes a `linear` layer of N sequences of one time step. A convolution becomes the linear
layer of its lowering to a matrix product: rows are output places (t, of Ox * Oy) of images (b, of N), inputs the
Kx * Ky * C values under the kernel, channels fastest, as DNNsim walks them. Its dx is then the product before the
overlapping places are added up: as many MACs, but reduced over Nn alone. Traces of LSTM, encoder and decoder layers
hold the gradients of outputs, not of gates, and are refused.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from traces.bitmask import BitMask, Bools
from traces.errors import InputError, nearest
from traces.header import Layer
from traces.interchange import layer_with, product_mask, real_rows, write_linear
from traces.matrix_files import LARGEST_ELEMENTS, check_file, read_npy, write_whole
from traces.trace import Trace

PARAMETERS_FILE = "trace_params.csv"
_FULLY_CONNECTED = ("fc", "inner_prod", "Linear")
_REFUSED = ("decoder", "encoder", "lstm")
_LARGEST_PARAMETERS_BYTES = 2**20


@dataclass(frozen=True)
class LayerParameters:
    """One line of ``trace_params.csv``.

    Attributes
    ----------
    name : str
    kind : {"fc", "conv", "lstm", "encoder", "decoder"}
    outputs, kernel_x, kernel_y, stride, padding : int
    """

    name: str
    kind: str
    outputs: int
    kernel_x: int
    kernel_y: int
    stride: int
    padding: int


def import_dnnsim(folder: Path, out: Path, layers: Sequence[str] = (), parameters: Path | None = None) -> Path:
    """Make a trace of a DNNsim trace folder.

    Each EPOCH and BATCH is a step, numbered ``epoch * (highest batch + 1) + batch``; its entry has both. dx of the
    network's first layer is left out, as in DNNsim, unless the folder has its ``inGrad``.

    Parameters
    ----------
    folder : Path
        ``net_traces/NET``.
    out : Path
        The trace to write; an existing file is replaced.
    layers : sequence of str
        Only these layers; all by default. Layers of a trace share their rows (T and B), so convolutions of
        different output sizes need a trace each.
    parameters : Path, optional
        The file of layer parameters; by default ``trace_params.csv`` in the folder or in ``../../models/NET``.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    InputError
        Where a file is missing, damaged or of another shape than the others ask for, or a layer has no matrix
        product of this kind (LSTM, encoder, decoder, grouped convolution).
    """
    if not folder.is_dir():
        raise InputError.of(str(folder), "no such folder", "a folder net_traces/NET of DNNsim")
    listed = read_parameters(_parameters_file(folder, parameters))
    names = [layer.name for layer in listed]
    for name in layers:
        if name not in names:
            raise InputError.of(str(folder), f"no layer {name!r}", f"one of {', '.join(names)}", nearest(name, names))
    chosen = [layer for layer in listed if not layers or layer.name in layers]
    for layer in chosen:
        if layer.kind in _REFUSED:
            others = [p.name for p in listed if p.kind not in _REFUSED]
            hint = f"choose others with --layer: {', '.join(others[:8])}" if others else ""
            found = f"the layer {layer.name!r}, of the kind {layer.kind}"
            raise InputError.of(str(folder), found, "fully connected layers and convolutions", hint)
    batches = _batches(folder, chosen)
    described: list[Layer] = []
    steps = []
    rows: tuple[int, int] | None = None
    highest = max(batch for _, batch in batches)
    for epoch, batch in batches:
        tensors: dict[str, dict[str, BitMask]] = {}
        for layer in chosen:
            gradient, inputs = _operands(folder, layer, epoch, batch)
            where = f"{folder}: {layer.name}, epoch {epoch}, batch {batch}"
            if rows is None:
                rows = gradient.shape[:2]
            if gradient.shape[:2] != rows:
                found = f"{gradient.shape[:2]} output places and images, where {chosen[0].name} has {rows}"
                hint = "import layers of the same output size together, others with --layer into traces of their own"
                raise InputError.of(where, found, "the same number in all layers of a trace", hint)
            made = Layer(
                layer.name,
                "linear",
                inputs.shape[2],
                gradient.shape[2],
                input_needs_gradient=layer is not listed[0]
                or _array_file(folder, "outGrad", layer.name, epoch, batch, "inGrad").is_file(),
            )
            known = next((other for other in described if other.name == made.name), None)
            if known is None:
                described.append(made)
            elif known != made:
                found = f"{made.input_size} inputs and {made.hidden_size} outputs"
                raise InputError.of(where, found, f"{known.input_size} and {known.hidden_size}, as before")
            tensors[layer.name] = {"gate_gradient": BitMask.pack(gradient), "input": BitMask.pack(inputs)}
        number = epoch * (highest + 1) + batch
        steps.append(({"step": number, "epoch": epoch, "batch": batch}, tensors))
    assert rows is not None
    write_linear(out, described, *rows, steps, {"from": "DNNsim", "network": folder.resolve().name})
    return out


def export_dnnsim(trace: Trace, step: int, layer: str, product: str, to: Path) -> Path:
    """Write a layer's operands as a DNNsim trace folder of a fully connected layer.

    DNNsim takes all three products of a layer from the same arrays, so `product` says which pair they are: x and its
    gate gradient (y, gates_x, dx, dW), or h and its (gates_h, dh, dU). Masks are written as float32 zeros and ones; an
    operand without a recorded mask, and the weights, as ones. A step without epoch and batch is epoch 0, batch
    `step`. The name gets ``fc_`` in front where DNNsim would take it for another kind. Other layers and steps that the
    folder holds already stay. DNNsim looks for ``trace_params.csv`` in ``models/NET/``: copy it there.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        Where `product_mask` raises it for the gradient, the layer's name marks it as a decoder or encoder, or the
        folder cannot be written.
    """
    recurrent = product in ("gates_h", "dh", "dU")
    described = layer_with(trace, layer, product)
    name = _fully_connected_name(layer)
    gradient = product_mask(trace, step, layer, "dh" if recurrent else "dx")
    record = trace.step(step)
    tensor = record.layers[layer].hidden if recurrent else record.layers[layer].input
    width = described.hidden_size if recurrent else described.input_size
    inputs = np.ones((len(gradient), width), np.bool_)
    if tensor is not None:
        inputs = tensor.unpack()[real_rows(trace, record.valid_steps_of(layer))]
    epoch, batch = _epoch_and_batch(trace.entry(step), step)
    arrays = {
        ("weights", "w"): np.ones((gradient.shape[1], width), np.float32),
        ("input", "in"): inputs.astype(np.float32),
        ("outGrad", "outGrad"): gradient.astype(np.float32),
    }
    if described.input_needs_gradient:
        arrays["outGrad", "inGrad"] = np.ones((len(gradient), width), np.float32)
    line = LayerParameters(name, "fc", gradient.shape[1], 1, 1, 1, 0)
    parameters = to / PARAMETERS_FILE
    others = [p for p in read_parameters(parameters) if p.name != name] if parameters.exists() else []
    for (kind, ending), array in arrays.items():
        path = _array_file(to, kind, name, epoch, batch, ending)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            found = f"a folder that cannot be made ({error.strerror or error})"
            raise InputError.of(str(path.parent), found, "a place that may be written") from None
        data = io.BytesIO()
        np.save(data, array, allow_pickle=False)
        write_whole(path, data.getvalue())
    text = "".join(f"{p.name},{p.outputs},{p.kernel_x},{p.kernel_y},{p.stride},{p.padding}\n" for p in [*others, line])
    write_whole(parameters, text.encode())
    return to


def read_parameters(path: Path) -> list[LayerParameters]:
    """Read ``trace_params.csv``: ``name[,input],Nn,Kx,Ky,stride,padding`` on each line, no head line.

    Raises
    ------
    InputError
        Where it is missing, no text, has no layer, one twice, or a line without these fields; names file and line.
    """
    check_file(path, f"the layers of the network ({PARAMETERS_FILE})")
    if path.stat().st_size > _LARGEST_PARAMETERS_BYTES:
        raise InputError.of(str(path), f"{path.stat().st_size} bytes", f"at most {_LARGEST_PARAMETERS_BYTES}")
    try:
        lines = path.read_bytes().decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError.of(str(path), f"a byte that is not UTF-8 at offset {error.start}", "UTF-8 text") from None
    except OSError as error:
        raise InputError.of(str(path), f"a file that cannot be read ({error.strerror})", "a readable one") from None
    layers: list[LayerParameters] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        layer = _parameters(line, f"{path}:{number}")
        if layer.name in [known.name for known in layers]:
            raise InputError.of(f"{path}:{number}", f"{layer.name!r} a second time", "each layer once")
        layers.append(layer)
    if not layers:
        raise InputError.of(str(path), "no layer", "a line for each layer: name,Nn,Kx,Ky,stride,padding")
    return layers


def _parameters(line: str, where: str) -> LayerParameters:
    expected = "name[,input],Nn,Kx,Ky,stride,padding"
    fields = [field.strip() for field in line.split(",")]
    if len(fields) not in (6, 7):
        raise InputError.of(where, f"{len(fields)} fields", f"6 or 7: {expected}")
    numbers = fields[-5:]
    if not all(re.fullmatch("[0-9]{1,9}", number, re.ASCII) for number in numbers) or "0" in numbers[:4]:
        found = ",".join(numbers)
        raise InputError.of(where, found[:60], f"whole numbers, all but padding at least 1: {expected}")
    name = fields[0].replace("/", "-")  # as DNNsim names files
    outputs, kernel_x, kernel_y, stride, padding = map(int, numbers)
    return LayerParameters(name, _kind(name), outputs, kernel_x, kernel_y, stride, padding)


def _kind(name: str) -> str:
    """Tell a layer's kind by its name, in DNNsim's order."""
    for kind in ("decoder", "encoder"):
        if kind in name:
            return kind
    if any(part in name for part in _FULLY_CONNECTED):
        return "fc"
    return "lstm" if "lstm" in name else "conv"


def _fully_connected_name(layer: str) -> str:
    """Name a layer such that DNNsim takes it for a fully connected one."""
    name = layer if _kind(layer) == "fc" else f"fc_{layer}"
    if _kind(name) != "fc":
        found = f"the name {layer!r}, by which DNNsim takes the layer for a sequence model's"
        raise InputError.of("layer", found, "one without 'decoder' and 'encoder'", "a matrix file takes any layer")
    return name


def _parameters_file(folder: Path, given: Path | None) -> Path:
    if given is not None:
        return given
    beside = folder / PARAMETERS_FILE
    resolved = folder.resolve()
    model = resolved.parent.parent / "models" / resolved.name / PARAMETERS_FILE
    if beside.exists() or not model.exists():
        return beside
    return model


def _array_file(folder: Path, kind: str, layer: str, epoch: int, batch: int, ending: str) -> Path:
    return folder / kind / f"{layer}-{epoch}-{batch}-{ending}.npy"


def _batches(folder: Path, layers: Sequence[LayerParameters]) -> list[tuple[int, int]]:
    """Find epochs and batches: those of which any chosen layer has an output gradient; each must have all of them."""
    names = "|".join(re.escape(layer.name) for layer in layers)
    pattern = re.compile(rf"(?:{names})-([0-9]{{1,6}})-([0-9]{{1,6}})-outGrad\.npy", re.ASCII)
    where = folder / "outGrad"
    try:
        files = sorted(path.name for path in where.iterdir())
    except OSError as error:
        found = f"a folder that cannot be read ({error.strerror})"
        raise InputError.of(
            str(where), found, "the folder of output gradients, LAYER-EPOCH-BATCH-outGrad.npy"
        ) from None
    found_files = {(int(m[1]), int(m[2])) for m in map(pattern.fullmatch, files) if m}
    if not found_files:
        expected = f"{layers[0].name}-EPOCH-BATCH-outGrad.npy"
        raise InputError.of(str(where), "no output gradient of the chosen layers", expected)
    return sorted(found_files)


def _operands(folder: Path, layer: LayerParameters, epoch: int, batch: int) -> tuple[Bools, Bools]:
    """Read where output gradient [T, B, Nn] and lowered input [T, B, K] are not zero."""
    gradient_file = _array_file(folder, "outGrad", layer.name, epoch, batch, "outGrad")
    input_file = _array_file(folder, "input", layer.name, epoch, batch, "in")
    gradient, inputs = _nonzeros(gradient_file), _nonzeros(input_file)
    if gradient.ndim == 2:
        gradient = gradient[:, :, None, None]
    if gradient.ndim != 4 or gradient.shape[1] != layer.outputs:
        expected = f"(images, {layer.outputs}) or (images, {layer.outputs}, Ox, Oy), as {PARAMETERS_FILE} says"
        raise InputError.of(str(gradient_file), f"shape {gradient.shape}", expected)
    images = len(gradient)
    if inputs.ndim not in (2, 4) or len(inputs) != images:
        raise InputError.of(str(input_file), f"shape {inputs.shape}", f"({images}, C) or ({images}, C, X, Y)")
    if layer.kind == "fc":
        if gradient.shape[2:] != (1, 1):
            raise InputError.of(str(gradient_file), f"shape {gradient.shape}", f"({images}, {layer.outputs})")
        lowered = inputs.reshape(1, images, -1)
    else:
        _check_groups(folder, layer, epoch, batch, inputs.shape[1])
        lowered = _lowered(inputs, layer, gradient.shape[2:], input_file)
    places = gradient.shape[2] * gradient.shape[3]
    return np.ascontiguousarray(gradient.transpose(2, 3, 0, 1).reshape(places, images, layer.outputs)), lowered


def _nonzeros(path: Path) -> Bools:
    array = read_npy(path)
    if not 0 < array.size <= LARGEST_ELEMENTS:
        raise InputError.of(str(path), f"an array of shape {array.shape}", f"1 to {LARGEST_ELEMENTS} elements")
    return np.asarray(array != 0)


def _lowered(inputs: Bools, layer: LayerParameters, places: tuple[int, ...], path: Path) -> Bools:
    """Lay out what each output place sees: bool [Ox * Oy, N, Ky * Kx * C], channels fastest."""
    if inputs.ndim == 2:
        inputs = inputs[:, :, None, None]
    p, s = layer.padding, layer.stride
    sizes = (layer.kernel_x, layer.kernel_y)
    seen = [(inputs.shape[2 + axis] + 2 * p - sizes[axis]) // s + 1 for axis in range(2)]
    if tuple(seen) != tuple(places):
        found = f"shape {inputs.shape}, which gives {seen[0]} x {seen[1]} output places"
        expected = f"{places[0]} x {places[1]}, as its output gradient has (kernel, stride and padding: {layer})"
        raise InputError.of(str(path), found, expected)
    images, channels = inputs.shape[:2]
    inner = sizes[0] * sizes[1] * channels
    if seen[0] * seen[1] * images * inner > LARGEST_ELEMENTS:
        found = f"a layer that lowers to {seen[0] * seen[1] * images} x {inner} elements"
        raise InputError.of(str(path), found, f"at most {LARGEST_ELEMENTS}")
    padded = np.pad(inputs, ((0, 0), (0, 0), (p, p), (p, p)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, sizes, axis=(2, 3))[:, :, ::s, ::s]
    # (N, C, Ox, Oy, Kx, Ky) -> (Ox, Oy, N, Ky, Kx, C)
    return windows.transpose(2, 3, 0, 5, 4, 1).reshape(seen[0] * seen[1], images, inner)


def _check_groups(folder: Path, layer: LayerParameters, epoch: int, batch: int, channels: int) -> None:
    """Refuse a grouped convolution, where the weights are there to tell."""
    path = _array_file(folder, "weights", layer.name, epoch, batch, "w")
    if not path.exists():
        return
    shape = read_npy(path).shape
    if len(shape) not in (2, 4) or shape[1] != channels:
        found = f"weights of shape {shape} for {channels} channels"
        hint = "a grouped convolution is several products, which this import does not cut"
        raise InputError.of(str(path), found, f"({layer.outputs}, {channels}, Kx, Ky)", hint)


def _epoch_and_batch(entry: dict[str, Any], step: int) -> tuple[int, int]:
    """Take the file numbers that an imported step had; of any other step 0 and its number."""
    numbers = (entry.get("epoch"), entry.get("batch"))
    if all(isinstance(number, int) and not isinstance(number, bool) and number >= 0 for number in numbers):
        return numbers[0], numbers[1]  # type: ignore[return-value]  # integers, as was just seen
    return 0, step

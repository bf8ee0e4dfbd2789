"""What a trace's header must look like: each rule as a function that lists what breaks it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from traces.errors import Problem, nearest

FORMAT = "skipstone-trace"
VERSION = 1
GATE_ORDERS: dict[str, tuple[str, ...]] = {
    "lstm": ("i", "f", "o", "g"),
    "gru": ("r", "z", "n"),
    "rnn": ("h",),
    "linear": ("y",),
}
"""The gates of each kind of layer, in the order that is taken where a header states none."""
DIRECTIONS = ("forward", "backward")
DENSE_PER = ("token", "sequence")
TRAINING_KEYS = ("total_steps", "steps_per_epoch")
LARGEST_SIZE = 2**31 - 1
"""No size of a layer, batch or sequence and no step number may be larger."""

_REQUIRED = ("format", "version", "layers", "batch_size", "sequence_length", "steps")


def header_problems(data: Any, where: str) -> list[Problem]:
    """List what is wrong with a header read from JSON; a foreign format or version hides the rest."""
    if not isinstance(data, dict):
        return [Problem(where, kind_of(data), "a JSON object")]
    problems = _version_problems(data, where)
    if problems:
        return problems
    problems = [
        Problem(f"{where} {key}", "nothing", "this required key", nearest(key, data))
        for key in _REQUIRED
        if key not in data
    ]
    problems += _size_problems(data, ("batch_size", "sequence_length"), where)
    for key in ("layers", "dense_layers", "steps"):
        if not isinstance(data.get(key, []), list):
            problems.append(Problem(f"{where} {key}", kind_of(data[key]), "a list"))
    problems += _mapping_problems(data, ("policy", "curve", "training"), where)
    for key, column in (data.get("curve") or {}).items() if not problems else ():
        if not isinstance(column, list):
            problems.append(Problem(f"{where} curve.{key}", kind_of(column), "a list of numbers"))
    if problems:
        return problems

    names: set[str] = set()
    for index, layer in enumerate(data["layers"]):
        place = f"{where} layers[{index}]"
        problems += layer_problems(layer, place) or _repeat_problems(layer["name"], names, place)
    for index, layer in enumerate(data.get("dense_layers", [])):
        place = f"{where} dense_layers[{index}]"
        problems += dense_layer_problems(layer, place) or _repeat_problems(layer["name"], names, place)
    if not data["layers"]:
        problems.append(Problem(f"{where} layers", "an empty list", "at least one layer"))
    numbers: set[int] = set()
    for index, entry in enumerate(data["steps"]):
        place = f"{where} steps[{index}]"
        found = entry_problems(entry, data["batch_size"], data["sequence_length"], place, names)
        if not found and entry["step"] in numbers:
            found = [Problem(f"{place}.step", f"step {entry['step']} a second time", "each step once")]
        problems += found
        if not found:
            numbers.add(entry["step"])
    return problems + training_problems(data.get("training"), max(numbers, default=0), f"{where} training")


def training_problems(training: dict[str, Any] | None, last_step: int, where: str) -> list[Problem]:
    """List what is wrong with the header's ``training``, an object or null, beside the last recorded step."""
    if training is None:
        return []
    counts = {key: training[key] for key in TRAINING_KEYS if training.get(key) is not None}
    expected = f"an integer from 1 to {LARGEST_SIZE}, or null"
    problems = [
        Problem(f"{where}.{key}", _show(value), expected)
        for key, value in counts.items()
        if not (_is_integer(value) and 1 <= value <= LARGEST_SIZE)
    ]
    if not problems and last_step > counts.get("total_steps", LARGEST_SIZE):
        found = f"{counts['total_steps']}, but step {last_step} is recorded"
        problems.append(Problem(f"{where}.total_steps", found, f"at least {last_step}"))
    return problems


def entry_problems(
    entry: Any, batch_size: int, sequence_length: int, where: str, names: Collection[str]
) -> list[Problem]:
    """List what is wrong with one entry of ``steps``; ``names`` are those of the layers, dense ones included."""
    if not isinstance(entry, dict):
        return [Problem(where, kind_of(entry), "an object such as {'step': 120}")]
    if "step" not in entry:
        return [Problem(f"{where}.step", "nothing", "the number of the optimiser step")]
    problems = _size_problems(entry, ("step",), where, least=0)
    mappings = ("sparsity", "natural_zeros", "weight_gradient_cosine", "layer_valid_steps")
    problems += _mapping_problems(entry, mappings, where)
    loss = entry.get("loss")
    if loss is not None and (isinstance(loss, bool) or not isinstance(loss, (int, float))):
        problems.append(Problem(f"{where}.loss", kind_of(loss), "a number or null"))
    problems += _valid_steps_problems(entry.get("valid_steps"), batch_size, sequence_length, f"{where}.valid_steps")
    by_layer = entry.get("layer_valid_steps")
    for name, valid in by_layer.items() if isinstance(by_layer, dict) else ():
        place = f"{where}.layer_valid_steps.{name}"
        if name not in names:
            problems.append(Problem(place, "an unknown layer", ", ".join(names), nearest(name, names)))
        problems += _valid_steps_problems(valid, batch_size, sequence_length, place)
    return problems


def _valid_steps_problems(valid: Any, batch_size: int, sequence_length: int, where: str) -> list[Problem]:
    expected = f"null or a list of {batch_size} integers from 0 to {sequence_length}"
    if valid is None:
        return []
    if not isinstance(valid, list):
        return [Problem(where, kind_of(valid), expected)]
    if len(valid) != batch_size:
        return [Problem(where, f"a list of {len(valid)}", expected)]
    for index, steps in enumerate(valid):
        if not _is_integer(steps) or not 0 <= steps <= sequence_length:
            return [Problem(f"{where}[{index}]", _show(steps), expected)]
    return []


def _version_problems(data: dict[str, Any], where: str) -> list[Problem]:
    if data.get("format") != FORMAT:
        found = f"the format {_show(data['format'])}" if "format" in data else "no key 'format'"
        return [Problem(f"{where} format", found, repr(FORMAT))]
    version = data.get("version")
    if version is None:
        return [Problem(f"{where} version", "nothing", f"this required key, {VERSION}")]
    if not _is_integer(version):
        return [Problem(f"{where} version", _show(version), f"the integer {VERSION}")]
    if version != VERSION:
        hint = "update Skipstone, or record the trace again" if version > VERSION else ""
        return [Problem(f"{where} version", f"{FORMAT} version {version}", f"version {VERSION}", hint)]
    return []


def layer_problems(entry: Any, where: str) -> list[Problem]:
    """List what is wrong with one entry of ``layers``."""
    problems = _named_problems(entry, ("name", "kind", "input_size", "hidden_size"), where)
    if problems:
        return problems
    problems = _size_problems(entry, ("input_size", "hidden_size"), where)
    kind = entry["kind"]
    if not isinstance(kind, str) or kind not in GATE_ORDERS:
        hint = nearest(kind, GATE_ORDERS) if isinstance(kind, str) else ""
        return [*problems, Problem(f"{where}.kind", _show(kind), f"one of {', '.join(GATE_ORDERS)}", hint)]
    gates = GATE_ORDERS[kind]
    order = entry.get("gate_order", list(gates))
    if (
        not isinstance(order, list)
        or not all(isinstance(gate, str) and gate and gate.isprintable() for gate in order)
        or len(set(order)) != len(gates)
        or len(order) != len(gates)
    ):
        expected = f"{len(gates)} different names, such as {list(gates)}"
        problems.append(Problem(f"{where}.gate_order", _show(order), expected))
    problems += _choice_problems(entry, "direction", DIRECTIONS, where)
    if not isinstance(entry.get("input_needs_gradient", True), bool):
        found = _show(entry["input_needs_gradient"])
        problems.append(Problem(f"{where}.input_needs_gradient", found, "true or false"))
    return problems


def dense_layer_problems(entry: Any, where: str) -> list[Problem]:
    """List what is wrong with one entry of ``dense_layers``."""
    problems = _named_problems(entry, ("name", "input_size", "output_size"), where)
    if problems:
        return problems
    problems = _size_problems(entry, ("input_size", "output_size"), where)
    return problems + _choice_problems(entry, "per", DENSE_PER, where)


def _named_problems(entry: Any, keys: tuple[str, ...], where: str) -> list[Problem]:
    if not isinstance(entry, dict):
        return [Problem(where, kind_of(entry), f"an object with the keys {', '.join(keys)}")]
    missing = [
        Problem(f"{where}.{key}", "nothing", "this required key", nearest(key, entry))
        for key in keys
        if key not in entry
    ]
    if missing:
        return missing
    name = entry["name"]
    if (
        not isinstance(name, str)
        or not 0 < len(name) <= 200
        or not name.isprintable()
        or name != name.strip()
        or set(name) & set("/\\")
        or name in (".", "..")
    ):
        expected = "a name of 1 to 200 printable characters without slashes"
        return [Problem(f"{where}.name", _show(name), expected)]
    return []


def _size_problems(data: dict[str, Any], keys: tuple[str, ...], where: str, least: int = 1) -> list[Problem]:
    expected = f"an integer from {least} to {LARGEST_SIZE}"
    return [
        Problem(f"{where} {key}", _show(data[key]), expected)
        for key in keys
        if key in data and not (_is_integer(data[key]) and least <= data[key] <= LARGEST_SIZE)
    ]


def _mapping_problems(data: dict[str, Any], keys: tuple[str, ...], where: str) -> list[Problem]:
    return [
        Problem(f"{where} {key}", kind_of(data[key]), "an object or null")
        for key in keys
        if data.get(key) is not None and not isinstance(data[key], dict)
    ]


def _choice_problems(data: dict[str, Any], key: str, choices: tuple[str, ...], where: str) -> list[Problem]:
    if data.get(key, choices[0]) in choices:
        return []
    return [Problem(f"{where}.{key}", _show(data[key]), f"one of {', '.join(choices)}")]


def _repeat_problems(name: str, names: set[str], where: str) -> list[Problem]:
    if name in names:
        return [Problem(f"{where}.name", f"{name!r} a second time", "each name once")]
    names.add(name)
    return []


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def kind_of(value: Any) -> str:
    """Name the JSON kind of a value, for a message."""
    if value is None:
        return "null"
    names = {bool: "a truth value", int: "a number", float: "a number", str: "a string", list: "a list"}
    return names.get(type(value), "an object")

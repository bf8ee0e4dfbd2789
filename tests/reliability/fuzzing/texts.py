"""Surfaces of text: YAML, `--set`, ranges, goals, rules, axes, policies, and the declarations inside a trace."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
from contract.threshold_policies import BY_GATE, POLICIES
from plain import plain_trace

from reliability.fuzzing.grammar import (
    ODD_NUMBERS,
    as_json,
    as_yaml,
    damaged_bytes,
    damaged_text,
    damaged_tree,
    odd_value,
)
from reliability.fuzzing.surface import Surface
from simulator.arch import config_root
from simulator.arch.document import parse_document
from simulator.arch.overrides import parse_override
from simulator.explore.axes import MOST_VALUES, parse_axis
from simulator.explore.frontier import Objective
from simulator.explore.goals import SHORT_NAMES, Constraint, Goals
from simulator.explore.rules import COMPARISONS, Key, Product, parse_rules
from simulator.run import step_range
from traces.archive import _read_npy_header
from traces.errors import InputError
from traces.header import encode_header, parse_header
from traces.thresholds.policy import from_mapping
from traces.thresholds.text import parse_policy

TREE = {"name": "m", "array": {"rows": 8, "list": [1, 2.5, "x", None, {"deep": [True]}]}, "on": "yes"}


def text_of(data: bytes) -> str:
    """Decode as the command line does: bytes that are no UTF-8 become lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def shipped(folder: str, suffix: str = "yaml") -> list[bytes]:
    """The files of a kind that travel with the package."""
    return [path.read_bytes() for path in sorted((config_root() / folder).glob(f"*.{suffix}"))]


def loaded(raw: bytes) -> Any:
    """Plain data of a correct YAML text."""
    return parse_document(raw.decode(), "seed").data


def as_text(data: Any) -> str:
    """Write plain data as JSON that is YAML, too: there are no halves of characters in it."""
    text = json.dumps(data, allow_nan=False, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)


def _place(loc: tuple[str | int, ...], is_key: bool) -> str:
    return ".".join(["f.yaml", *map(str, loc)])


# --- YAML -----------------------------------------------------------------------------------------------------

LINES = (
    "a: 1", "b: [1, 2]", "c: {x: 1e-6, y: on}", "d: 'q'", 'e: "\\u00e9\\e"', "f: |", "  text", "g: >-", "h: &a 1",
    "i: *a",
    "? k", ": v", "- 1", "- - 2", "  - x: 1", "a: 2", "<<: *a", "!!str j: 1", "j: !!float 1", "%YAML 1.2", "---", "...",
    "k: .inf", "l: 0x1F", "m: 99999999999999999999", "n:", "  o: ~", "# remark", "p: [", "q: }", "\tr: 1", "1: 2",
    "true: x",
)  # fmt: skip


def _yaml(rng: Random) -> bytes:
    way = rng.randrange(4)
    if way == 0:
        return "\n".join(rng.choice(LINES) for _ in range(rng.randrange(1, 7))).encode()
    if way == 1:
        return damaged_bytes(rng.choice(LINES).encode(), rng)
    if way == 2:
        return as_yaml(damaged_tree(TREE, rng), rng)
    lines = "\n".join(rng.choice(LINES) for _ in range(rng.randrange(1, 5)))
    return damaged_bytes(lines.encode(), rng)


def _take_yaml(data: bytes) -> None:
    document = parse_document(text_of(data), "f.yaml")
    if document.problems:
        raise InputError(document.problems)
    again = parse_document(as_text(document.data), "again")
    assert again.data == document.data
    assert not again.problems
    assert set(document.keys) <= set(document.values)


# --- words of the command line --------------------------------------------------------------------------------

KEYS = (
    "array.rows",
    "array",
    "skipping",
    "skipping.depth",
    "skipping.mechanism",
    "memory.dram.queue",
    "chips",
    "x",
    "",
)
VALUES = ("64", "1e3", "null", "{mechanism: dense}", "[1, 2]", "ideal", "'8'", "0x10", "-1", "true", "{a: {b: 1}}")


def _set(rng: Random) -> bytes:
    text = f"{rng.choice(KEYS)}={rng.choice(VALUES)}"
    if rng.random() < 0.5:
        text = damaged_text(text, rng)
    raw = text.encode("utf-8", "surrogateescape")
    return damaged_bytes(raw, rng) if rng.random() < 0.3 else raw


def _take_set(data: bytes) -> None:
    override = parse_override(text_of(data))
    assert override.path
    assert all(override.path)
    again = parse_override(f"{'.'.join(override.path)}={as_text(override.value)}")
    assert (again.path, again.value) == (override.path, override.value)


def _range(rng: Random) -> bytes:
    ends = [rng.choice(("", "0", "1", "100", "-5", " 7 ", "1_0", "x", "1.5", "9" * 30, "9" * 5000)) for _ in range(2)]
    text = rng.choice((":", ":", ":", "::", "-", "")).join(ends)
    return damaged_bytes(text.encode(), rng) if rng.random() < 0.3 else text.encode()


def _take_range(data: bytes) -> None:
    first, last = step_range(text_of(data))
    assert step_range(f"{'' if first is None else first}:{'' if last is None else last}") == (first, last)


COLUMNS = (*SHORT_NAMES, "cycles_total", "area_mm2", "quality", "dram_read_bytes", "x y", "", "ä")
LIMITS = ("4", "1e3", "-1", "nan", "inf", "1_0", "0", "1e-320", "9" * 400, "0x1", "", "١")


def _goals(rng: Random) -> bytes:
    lines = []
    for _ in range(rng.randrange(1, 4)):
        if rng.random() < 0.5:
            lines.append(rng.choice(COLUMNS) + rng.choice(("", ":min", ":max", ":", ":mid", ":min:max")))
        else:
            lines.append(rng.choice(COLUMNS) + rng.choice(("<=", ">=", "<", "==", "<= ", "=<")) + rng.choice(LIMITS))
    raw = "\n".join(lines).encode()
    return damaged_bytes(raw, rng) if rng.random() < 0.3 else raw


def _take_goals(data: bytes) -> None:
    lines = text_of(data).split("\n")
    bounds = [line for line in lines if set(line) & set("<>=")]
    goals = Goals.parse([line for line in lines if line not in bounds], bounds)
    for objective in goals.objectives:
        assert Objective.parse(str(objective)) == objective
    for bound in goals.constraints:
        assert Constraint.parse(str(bound)) == bound
        assert math.isfinite(bound.limit)
    assert not goals.judge({}).feasible


# --- parts of a space -----------------------------------------------------------------------------------------

RULES = [
    {"skipping.refill": {"at_most": "skipping.depth"}},
    {"array.rows": {"equals": "array.columns", "at_least": {"times": [2, "array.columns"]}}},
    {"times": ["array.rows", 0.1, "array.columns"], "at_most": 1024},
    {"energy_table": {"one_of": ["cmos_45nm", "cmos_7nm", None]}},
]
RULE_WORDS = (*COMPARISONS, "times", "array.rows", "array.columns")
MACHINE: dict[str, Any] = {"array.rows": 32, "array.columns": 0.1, "skipping.depth": None, "energy_table": "cmos_45nm"}


def _rules(rng: Random) -> bytes:
    rules = rng.sample(RULES, rng.randrange(1, 3))
    return as_yaml(damaged_tree(rules, rng, RULE_WORDS) if rng.random() < 0.9 else odd_value(rng), rng)


def _take_rules(data: bytes) -> None:
    document = parse_document(text_of(data), "f.yaml")
    if document.problems:
        raise InputError(document.problems)
    for rule in parse_rules(document.data, _place):
        assert rule.comparison in COMPARISONS
        assert isinstance(rule.left, Key | Product)
        assert all(isinstance(path, str) for path in rule.paths)
        assert str(rule)
        assert rule.holds(lambda key: (key in MACHINE, MACHINE.get(key))) in (True, False, None)


AXES = [
    [4, 8, 16],
    ["auto", None, {"a": 1}],
    {"from": 8, "to": 32, "step": 8},
    {"from": 2, "to": 64, "factor": 2},
    {"from": 0.1, "to": 0.5, "step": 0.1},
    {"values": [2, 4], "only_if": {"skipping.mechanism": "lookahead", "array.rows": [8, 16]}},
]
AXIS_WORDS = ("values", "from", "to", "step", "factor", "only_if")


def _axis(rng: Random) -> bytes:
    axis = rng.choice(AXES)
    if isinstance(axis, dict) and "from" in axis and rng.random() < 0.3:
        axis = {key: rng.choice(ODD_NUMBERS) for key in axis}
    return as_yaml(damaged_tree(axis, rng, AXIS_WORDS), rng)


def _take_axis(data: bytes) -> None:
    document = parse_document(text_of(data), "f.yaml")
    if document.problems:
        raise InputError(document.problems)
    axis = parse_axis("array.rows", document.data, _place)
    texts = [json.dumps(value, allow_nan=False, sort_keys=True) for value in axis.values]
    assert 1 <= len(texts) <= max(MOST_VALUES, len(data))
    assert len(set(texts)) == len(texts), "a value twice"


# --- policies -------------------------------------------------------------------------------------------------

SPECIFICATIONS: list[dict[str, Any]] = [*POLICIES.values(), BY_GATE]


def _policy(rng: Random) -> bytes:
    policy = rng.choice(SPECIFICATIONS)
    way = rng.randrange(24)
    if way == 23:
        for _ in range(rng.choice((2, 20, 400))):
            policy = {"kind": "warm_up", "steps": 1, "policy": policy}
        return json.dumps(policy).encode()
    if way < 8 and not any(isinstance(value, dict) for value in policy.values()):
        text = ",".join(f"{key}={value}" for key, value in policy.items())
        return damaged_text(text, rng).encode("utf-8", "surrogatepass") if rng.random() < 0.7 else text.encode()
    return as_json(damaged_tree(policy, rng, ("kind", "fixed", "target", "policy", "threshold", "sparsity")), rng)


def _take_policy(data: bytes) -> None:
    text = text_of(data)
    if text.endswith(".json"):
        text += " "  # a file's name is another surface's
    policy = parse_policy(text)
    mapping = policy.to_mapping()
    assert from_mapping(json.loads(json.dumps(mapping, allow_nan=False))).to_mapping() == mapping


# --- what stands inside a trace -------------------------------------------------------------------------------

NPY_PIECES = (
    "{",
    "}",
    "'descr'",
    ": ",
    "'|u1'",
    "'<f4'",
    ", ",
    "'fortran_order'",
    "False",
    "True",
    "'shape'",
    "(4, 3, 3)",
)
NPY_PIECES_ODD = (
    "(5,)",
    "()",
    "(-1, 2)",
    "(1e3,)",
    "('|O'",
    "[('a', '<f4')]",
    "(" + "9" * 5000 + ",)",
    "\n",
    " ",
    "None",
    "L",
)


def npy_header(rng: Random) -> bytes:
    """Make the head of an `.npy` file, nearly right."""
    shape = tuple(rng.choice((0, 1, 3, 4, 36, 2**31, 2**64)) for _ in range(rng.choice((0, 1, 1, 3, 3, 5))))
    descr = rng.choice(("|u1", "<f4", "<f2", ">f4", "|O", "|i1", "<f8", "=u1", "|V3", "|S5"))
    text = f"{{'descr': '{descr}', 'fortran_order': {rng.random() < 0.2}, 'shape': {shape}, }}"
    if rng.random() < 0.4:
        pieces = [*NPY_PIECES] if rng.random() < 0.5 else [text]
        for _ in range(rng.randrange(1, 3)):
            pieces.insert(rng.randrange(len(pieces) + 1), rng.choice(NPY_PIECES + NPY_PIECES_ODD))
        text = "".join(pieces)
    raw = text.encode().ljust(117) + b"\n"
    version = rng.choice((b"\x01\x00",) * 6 + (b"\x02\x00", b"\x03\x00", b"\x00\x00"))
    length = len(raw).to_bytes(2 if version == b"\x01\x00" else 4, "little")
    whole = b"\x93NUMPY" + version + length + raw
    return damaged_bytes(whole, rng) if rng.random() < 0.3 else whole


def _npy_heads() -> list[bytes]:
    heads = []
    for dtype, shape in (("u1", (4, 3, 3)), ("u1", (200,)), ("<f4", (7,)), (">f2", (0,)), ("u1", ())):
        stream = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            stream, {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
        )
        heads.append(stream.getvalue())
    return heads


def _take_npy_header(data: bytes) -> None:
    stream = io.BytesIO(data)
    for kind in "uf":
        stream.seek(0)
        try:
            dtype, fortran, shape, offset = _read_npy_header(stream, "f.npy", kind)
        except (InputError, ValueError):  # `ArchiveReader.read` makes the one of the other
            if kind == "f":
                raise
            continue
        if offset > len(data):
            return  # a member that ends before its own head does: its size tells
        stream.seek(0)
        read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
        major, _ = np.lib.format.read_magic(stream)
        if major in read:
            assert read[major](stream, max_header_size=20_000) == (shape, fortran, dtype)
            assert stream.tell() == offset
        return


HEADER, _ = plain_trace.small_trace()
HEADER_WORDS = (
    "lstm",
    "gru",
    "linear",
    "lstm0",
    "top",
    "token",
    "backward",
    "name",
    "kind",
    "steps",
    "step",
    "valid_steps",
)


def trace_header(rng: Random) -> bytes:
    """Make the JSON header of a trace, nearly right."""
    return as_json(damaged_tree(HEADER, rng, HEADER_WORDS), rng)


def _take_trace_header(data: bytes) -> None:
    header = parse_header(data, "f.npz: header")
    again = parse_header(encode_header(header.data), "again")
    assert again == header
    assert header.layers
    assert all(1 <= bits <= 2**33 for layer in header.layers for bits in layer.mask_bits.values())


_DOCUMENT = ("simulator.arch.document", "traces.errors")


def _encoded(values: Sequence[Any]) -> list[bytes]:
    return [json.dumps(value).encode() for value in values]


TEXTS = (
    Surface("YAML", _yaml, _take_yaml, lambda: [*shipped("machines")[:4], "\n".join(LINES[:8]).encode()], 400_000,
            _DOCUMENT),
    Surface("--set", _set, _take_set, lambda: [f"{k}={v}".encode() for k, v in zip(KEYS, VALUES, strict=False)],
    1_875_000,
            (*_DOCUMENT, "simulator.arch.overrides")),
    Surface("ranges of steps", _range, _take_range, lambda: [b"1:100", b":", b"5:"], 3_750_000, ("traces.errors",)),
    Surface("objectives and constraints", _goals, _take_goals, lambda: [b"cycles\narea<=4", b"energy:min"], 3_000_000,
            ("simulator.explore.goals", "simulator.explore.frontier", "traces.errors")),
    Surface("rules of a space", _rules, _take_rules, lambda: _encoded([RULES, RULES[:1]]), 150_000,
            (*_DOCUMENT, "simulator.explore.rules")),
    Surface("axes of a space", _axis, _take_axis, lambda: _encoded(AXES), 200_000,
            (*_DOCUMENT, "simulator.explore.axes")),
    Surface("threshold policies", _policy, _take_policy, lambda: [*_encoded(SPECIFICATIONS),
    b"kind=target,sparsity=0.8"], 300_000,
            ("traces.thresholds.text", "traces.thresholds.policy", "traces.thresholds.values", "traces.errors")),
    Surface("heads of .npy members", npy_header, _take_npy_header, _npy_heads,
            1_875_000, ("traces.archive", "traces.errors"), refusals=(InputError, ValueError)),
    Surface("headers of traces", trace_header, _take_trace_header, lambda: _encoded([HEADER]), 200_000,
            ("traces.header", "traces.schema", "traces.errors")),
)  # fmt: skip

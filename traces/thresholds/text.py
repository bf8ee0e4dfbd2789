"""A threshold policy as a command line has it: a short form, JSON text, or a JSON file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from traces.errors import InputError
from traces.regular_files import in_place_of_file
from traces.thresholds.policy import Policy, from_mapping
from traces.thresholds.values import WHERE

EXPECTED = "kind=target,sparsity=0.8 or the like, a JSON object, or the path of a .json file"
LONGEST_BYTES = 1 << 18


def parse_policy(text: str) -> Policy:
    """Read a policy from the words of a command line.

    Parameters
    ----------
    text : str
        ``kind=target,sparsity=0.8`` (for policies without others inside); a JSON object, which begins with a brace;
        or a file of one, whose name ends in ``.json``. JSON is what a trace's header states the policy in, and reads
        1e-6 as a number.

    Raises
    ------
    InputError
        Where it is none of these, the file cannot be read, or it is no policy.
    """
    if text.endswith(".json"):
        return from_mapping(_object(_read(Path(text)), text))
    if text.lstrip().startswith("{"):
        return from_mapping(_object(text, WHERE))
    mapping: dict[str, Any] = {}
    for part in text.split(","):
        key, equals, value = (word.strip() for word in part.partition("="))
        if not (key and equals and value):
            raise InputError.of(WHERE, repr(text), EXPECTED)
        if key in mapping:
            raise InputError.of(f"{WHERE} {key}", "this key twice", "each key once")
        mapping[key] = _scalar(value)
    return from_mapping(mapping)


def _read(path: Path) -> str:
    if found := in_place_of_file(path):
        raise InputError.of(str(path), found, "a JSON file that can be read")
    try:
        with path.open("rb") as file:
            raw = file.read(LONGEST_BYTES + 1)
        if len(raw) > LONGEST_BYTES:
            raise InputError.of(str(path), f"more than {LONGEST_BYTES} bytes", "a policy as a JSON object")
        return raw.decode("utf-8")
    except OSError as error:
        raise InputError.of(str(path), error.strerror or str(error), "a JSON file that can be read") from None
    except ValueError:  # a NUL in the path, or a byte that is no UTF-8
        raise InputError.of(repr(str(path)), "no path, or no UTF-8 text", "a JSON file") from None


def _object(text: str, where: str) -> Any:
    try:
        found = json.loads(text, object_pairs_hook=_unique_keys)
    except RecursionError:
        raise InputError.of(where, "JSON nested too deeply", "a policy as a JSON object") from None
    except ValueError as error:
        raise InputError.of(where, f"text that is not JSON ({error})", "a policy as a JSON object") from None
    if not isinstance(found, dict):
        raise InputError.of(where, "no JSON object", "a policy as a JSON object")
    return found


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:60]!r} twice in one object")
        found[key] = value
    return found


def _scalar(text: str) -> Any:
    """Read a number, true, false or null as JSON does; everything else is a word."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, (str, list, dict)) else value

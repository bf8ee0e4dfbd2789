"""What near-valid inputs are made of: odd values, damaged trees, damaged texts and damaged bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random
from typing import Any

ODD_NUMBERS: tuple[Any, ...] = (
    0, 1, -1, 2, 3, 7, 8, 16, 255, 65536, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64, 10**40,
    10**400,
    0.0, -0.0, 0.1, 0.5, 1.0, 1e-6, 1.5, -0.5, 1e-320, 5e-324, 1e300, 1.7976931348623157e308, -1e308,
)  # fmt: skip
ODD_TEXTS = (
    "", " ", "~", "null", "true", "on", "1", "1.0", "1e3", "1e999", "-1", "0x1F", "0o17", "1_000", ".inf", ".nan",
    "nan", "inf", "Infinity", "-0", "é", "e\u0301", "\u202egnol", "\u2028", "\ufeff", "\U0001f9ea", "\u0661\u0662",
    "\x85", "\x7f",
    "a.b", "a..b", ".", "..", "../x", "a/b", "/", "x" * 300, "ideal", "auto", "dense", "lookahead", "lstm", "sample:",
    "charlm_t0", "*", "[", "a[b", "?", "a:b", ":", "=", "{}", "[]", "{", "}", "]", "'", '"', "#", "%", "&x", "*x",
    "!!python/object:os.system x", "<<", "|", ">", "- ", "? ", "---", "...", "\t", "\n", "\r\n", "9" * 5000, "<script>",
    "=1+1", "%s", "{0}", "$HOME", "`id`", ";", "\\", "\\x00", "a\\", "none", "max", "min", "cycles", "energy:min",
)  # fmt: skip
SNIPPETS = (
    *(text.encode("utf-8") for text in ODD_TEXTS),
    b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\\ud800", b"\\u0000", b"\\e[31m", b"\\n", b"NaN",
    b"1E400",
    b": ", b", ", b"\n  ", b"\n- ", b"&a ", b"*a", b"!!str ", b'"', b"'", b"[" * 40, b"{a: " * 40, b"00", b"-", b"1e-6",
)  # fmt: skip


def odd_value(rng: Random, depth: int = 2) -> Any:
    """Give plain data of any kind."""
    kind = rng.randrange(8 if depth else 6)
    if kind < 2:
        return rng.choice(ODD_NUMBERS)
    if kind < 4:
        return rng.choice(ODD_TEXTS)
    if kind == 4:
        return rng.choice((None, True, False))
    if kind == 5:
        return rng.randrange(-2, 130)
    if kind == 6:
        return [odd_value(rng, depth - 1) for _ in range(rng.randrange(3))]
    return {rng.choice(ODD_TEXTS): odd_value(rng, depth - 1) for _ in range(rng.randrange(3))}


def damaged_tree(data: Any, rng: Random, words: Sequence[str] = ()) -> Any:
    """Change plain data at up to three places: another value, a key more, less, misspelt or elsewhere."""
    data = deepcopy(data)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        data = _damaged_once(data, rng, words)
    return data


def _damaged_once(data: Any, rng: Random, words: Sequence[str]) -> Any:
    owner, key = None, None
    place = data
    while isinstance(place, dict | list) and place:
        owner, key = place, rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
        place = place[key]
        if rng.random() < 0.25:
            break
    if owner is None:
        return odd_value(rng)
    way = rng.randrange(8)
    if way < 4:
        owner[key] = rng.choice(words) if words and rng.random() < 0.3 else odd_value(rng)
    elif way == 4:
        del owner[key]
    elif way == 5:
        owner[key] = [place] if rng.random() < 0.5 else {rng.choice(ODD_TEXTS): place}
    elif isinstance(owner, dict):
        new = rng.choice(words) if words and rng.random() < 0.5 else damaged_text(str(key), rng)
        owner[new] = owner.pop(key) if way == 6 else odd_value(rng)
    else:
        owner.insert(rng.randrange(len(owner) + 1), deepcopy(place) if way == 6 else odd_value(rng))
    return data


def damaged_text(text: str, rng: Random) -> str:
    """Change a text at one place."""
    start = rng.randrange(len(text) + 1)
    end = min(len(text), start + rng.choice((0, 0, 1, 1, 2, 8)))
    new = rng.choice(("", rng.choice(ODD_TEXTS), rng.choice("abz019.:=,{}[]<>-_ \"'"), text[end : end + 4]))
    return text[:start] + new + text[end:]


def damaged_bytes(data: bytes, rng: Random, snippets: Sequence[bytes] = SNIPPETS) -> bytes:
    """Change bytes at up to four places: other bits, less, more, or a piece of it again."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        start = rng.randrange(len(out) + 1)
        way = rng.randrange(6)
        if way == 0 and out:
            start = min(start, len(out) - 1)
            out[start] ^= 1 << rng.randrange(8)
        elif way == 1:
            del out[start : start + rng.choice((1, 1, 2, 4, 16, 1 << 20))]
        elif way == 2:
            out[start:start] = rng.choice(snippets)
        elif way == 3:
            out[start : start + rng.choice((1, 2, 4))] = rng.choice(snippets)
        elif way == 4 and len(out) < 1 << 16:
            other = rng.randrange(len(out) + 1)
            out[start:start] = out[other : other + rng.choice((1, 4, 16, 64))]
        elif out:
            out[min(start, len(out) - 1)] = rng.randrange(256)
    return bytes(out)


def as_yaml(data: Any, rng: Random) -> bytes:
    """Write plain data as YAML: as JSON, which is YAML, or in blocks; at times with a few bytes changed."""
    text = _block(data, "") if rng.random() < 0.4 and isinstance(data, dict | list) and data else _flow(data)
    raw = text.encode("utf-8", "surrogatepass")
    return damaged_bytes(raw, rng) if rng.random() < 0.15 else raw


def as_json(data: Any, rng: Random) -> bytes:
    """Write plain data as JSON; at times with a few bytes changed."""
    raw = json.dumps(data, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    return damaged_bytes(raw, rng) if rng.random() < 0.2 else raw


def _flow(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False)


def _block(data: Any, indent: str) -> str:
    lines = []
    for key, value in data.items() if isinstance(data, dict) else ((None, value) for value in data):
        start = (
            f"{indent}-" if key is None else f"{indent}{_flow(key) if not key.replace('_', 'a').isalnum() else key}:"
        )
        if isinstance(value, dict | list) and value:
            lines.append(f"{start}\n{_block(value, indent + '  ')}")
        else:
            lines.append(f"{start} {_flow(value)}")
    return "\n".join(lines)


def one_of(*makers: Callable[[Random], bytes]) -> Callable[[Random], bytes]:
    """Give a maker that uses one of several."""
    return lambda rng: makers[rng.randrange(len(makers))](rng)

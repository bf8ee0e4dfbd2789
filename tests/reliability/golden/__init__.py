"""Files that version 1 of each format wrote, and what was read from them then."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from simulator.explore.rows import read_table
from traces import Trace

FOLDER = Path(__file__).parent
DIGESTS = FOLDER / "digests.json"


def digest_of_trace(path: Path) -> str:
    """SHA-256 of all that a trace says: its header, and every tensor of every step with its type and shape."""
    with Trace(path) as trace:
        told = [json.dumps(trace.header, sort_keys=True).encode()]
        for step in trace:
            for name, record in step.layers.items():
                for tensor, value in sorted(record.tensors.items()):
                    array = value.packed if hasattr(value, "packed") else value
                    told.append(f"{step.number} {name} {tensor} {array.dtype.name} {array.shape}".encode())
                    told.append(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return _digest(told)


def digest_of_bytes(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digest_of_table(path: Path) -> str:
    """SHA-256 of a table's rows."""
    return _digest([json.dumps(read_table(str(path)).rows, sort_keys=True).encode()])


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()

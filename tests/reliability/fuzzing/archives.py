"""Surfaces of bytes: traces, states of recordings, and matrices and weights of other programs."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from plain import plain_trace

from reliability.fuzzing.grammar import damaged_bytes, damaged_text, damaged_tree
from reliability.fuzzing.surface import Surface
from reliability.fuzzing.texts import HEADER, HEADER_WORDS, npy_header
from simulator.arch.weights import Weights, _packed
from traces import Trace
from traces.bitmask import BitMask
from traces.matrix_files import read_mask
from traces.numpy_frontend.state_file import FORMAT, VERSION, load_state

# --- zip, member by member ------------------------------------------------------------------------------------


@dataclass
class Entry:
    """A member to be written, with what its two headers shall claim."""

    name: bytes
    data: bytes
    method: int = zipfile.ZIP_DEFLATED
    flags: int = 0
    crc: int | None = None
    size: int | None = None
    packed: bytes | None = None


def zipped(entries: list[Entry], comment: bytes = b"", stated: int | None = None) -> bytes:
    """Write an archive that is whole but for what its entries claim."""
    out, central = bytearray(), bytearray()
    for entry in entries:
        packed = entry.packed
        if packed is None:
            packed = entry.data
            if entry.method == zipfile.ZIP_DEFLATED:
                deflate = zlib.compressobj(1, zlib.DEFLATED, -15)
                packed = deflate.compress(entry.data) + deflate.flush()
        crc = zlib.crc32(entry.data) if entry.crc is None else entry.crc
        size = len(entry.data) if entry.size is None else entry.size
        common = struct.pack("<HHHHHIII", 20, entry.flags, entry.method, 0, 33, crc, len(packed), size)
        central += b"PK\x01\x02\x14\x00" + common + struct.pack("<HHHHHII", len(entry.name), 0, 0, 0, 0, 0, len(out))
        central += entry.name
        out += b"PK\x03\x04" + common + struct.pack("<HH", len(entry.name), 0) + entry.name + packed
    count = len(entries) if stated is None else stated
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(central), len(out), len(comment))
    return bytes(out + central) + end + comment


def npy(array: np.ndarray[Any, Any]) -> bytes:
    """The bytes of an `.npy` file."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=False)
    return stream.getvalue()


NAMES = (b"../../x.npy", b"/x.npy", b"a\\b.npy", b"C:x.npy", b".npy", b"header.npy", b"\xff.npy", b"x",
b"steps/000003/lstm0/input.npy",
         b"steps/3/lstm0/input.npy", b"steps//lstm0/.npy", b"e\xcc\x81.npy", b"\xe2\x80\xae.npy", b"n\0.npy",
         b"x" * 300 + b".npy")  # fmt: skip


def damaged_archive(entries: list[Entry], rng: Random) -> bytes:
    """Damage members, then perhaps the archive."""
    for _ in range(rng.choice((0, 1, 1, 2))):
        at = rng.randrange(len(entries))
        entry = entries[at]
        way = rng.randrange(12)
        if way == 0:
            entry.name = rng.choice(NAMES)
        elif way == 1:
            entry.crc = rng.randrange(2**32)
        elif way == 2:
            entry.size = rng.choice((0, 1, len(entry.data) + 1, 2**31, 2**32 - 1))
        elif way == 3:
            entry.flags = rng.choice((1, 8, 0x20, 0x40, 0x800, 0x2000, 0xFFFF))
        elif way == 4:
            entry.method = rng.choice((1, 8, 9, 12, 14, 93, 99, 0xFFFF))
            entry.packed = entry.data
        elif way == 5:
            entries.append(Entry(rng.choice((entry.name, rng.choice(NAMES))), entry.data))
        elif way == 6 and len(entries) > 1:
            del entries[at]
        elif way == 7:
            entry.data = npy_header(rng) + entry.data[128:]
        elif way == 8:
            entry.data = damaged_bytes(entry.data, rng)
        elif way == 9:
            entry.data += bytes(rng.choice((1, 64, 4096)))
        elif way == 10:
            deflate = zlib.compressobj(1, zlib.DEFLATED, -15)
            entry.packed = damaged_bytes(deflate.compress(entry.data) + deflate.flush(), rng)
        else:
            entry.method = zipfile.ZIP_STORED
    comment = (
        b"" if rng.random() < 0.9 else rng.choice((b"PK\x05\x06" + bytes(18), b"x" * 70, b"PK\x06\x07" + bytes(16)))
    )
    stated = None if rng.random() < 0.95 else rng.choice((0, 1, len(entries) + 1, 0xFFFF))
    raw = zipped(entries, comment, stated)
    return damaged_bytes(raw, rng) if rng.random() < 0.2 else raw


def mutated_archive(data: bytes, rng: Random) -> bytes:
    """Change an archive member by member where it can be read, else its bytes."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = [Entry(info.filename.encode(), archive.read(info)) for info in archive.infolist()[:40]]
    except Exception:
        return damaged_bytes(data, rng)
    return damaged_archive(found, rng) if found else damaged_bytes(data, rng)


# --- traces ---------------------------------------------------------------------------------------------------

_, MEMBERS = plain_trace.small_trace()
ENCODED = {name: npy(array) for name, array in MEMBERS.items()}


def _trace_entries(header: Any) -> list[Entry]:
    raw = json.dumps(header).encode("utf-8", "surrogatepass")
    head = Entry(b"header.npy", npy(np.frombuffer(raw, np.uint8)))
    return [head, *(Entry(f"{name}.npy".encode(), data) for name, data in ENCODED.items())]


def _trace(rng: Random) -> bytes:
    header = damaged_tree(HEADER, rng, HEADER_WORDS) if rng.random() < 0.3 else HEADER
    return damaged_archive(_trace_entries(header), rng)


def _take_trace(path: str) -> None:
    """Read all of it; what is accepted is what numpy reads."""
    with Trace(path) as trace:
        digest = trace.sha256
        steps = list(trace)
        header = trace.header
    assert len(digest) == 64
    plain_header, members = plain_trace.load(Path(path))
    assert plain_header == header
    read = 0
    for step in steps:
        for layer, record in step.layers.items():
            for tensor, value in record.tensors.items():
                member = members[f"steps/{step.number:06d}/{layer}/{tensor}"]
                mine = value.packed if isinstance(value, BitMask) else value
                assert np.array_equal(member, mine, equal_nan=member.dtype.kind == "f")
                read += 1
    assert read == len(members)


# --- states of recordings -------------------------------------------------------------------------------------

SETTINGS = {"layers": 1, "policy": {"kind": "target", "sparsity": 0.5}}
ARRAYS = {"layer0.W": np.zeros((3, 4), np.float32), "m/layer0.W": np.zeros((3, 4), np.float32)}
STATE = {
    "format": FORMAT, "version": VERSION, "settings": SETTINGS, "progress": {"step": 3, "curve": {"step": [1]}},
    "held": {"layer0": ["float64", [2, 1]]},
}  # fmt: skip


def _state_entries(header: Any) -> list[Entry]:
    raw = json.dumps(header).encode("utf-8", "surrogatepass")
    arrays = {name: np.zeros(array.nbytes, np.uint8) for name, array in ARRAYS.items()}
    arrays["policy/layer0"] = np.zeros(16, np.uint8)
    head = Entry(b"header.npy", npy(np.frombuffer(raw, np.uint8)))
    return [*(Entry(f"{name}.npy".encode(), npy(array)) for name, array in arrays.items()), head]


def _state(rng: Random) -> bytes:
    header = damaged_tree(STATE, rng, ("float64", "float32", "layer0", "held")) if rng.random() < 0.4 else STATE
    return damaged_archive(_state_entries(header), rng)


def _take_state(path: str) -> None:
    arrays = {name: array.copy() for name, array in ARRAYS.items()}
    progress, held = load_state(Path(path), arrays, SETTINGS, 64)
    assert isinstance(progress, dict)
    assert all(array.dtype in (np.float32, np.float64) and array.size <= 64 for array in held.values())


# --- matrices -------------------------------------------------------------------------------------------------

MARKET = (
    b"%%MatrixMarket matrix coordinate real general\n% x\n4 5 3\n1 1 1.5\n2 3 -2\n4 5 0\n",
    b"%%MatrixMarket matrix coordinate pattern symmetric\n3 3 2\n2 1\n3 3\n",
    b"%%MatrixMarket matrix array integer general\n2 2\n1\n0\n0\n7\n",
    b"%%MatrixMarket matrix coordinate complex hermitian\n2 2 1\n2 1 1 2\n",
)
MARKET_WORDS = (b"array", b"vector", b"complex", b"hermitian", b"skew-symmetric", b"pattern", b"-1", b"0", b"1e3",
b"nan", b"inf",
                b"99999999999999999999", b"4294967296", b"2147483648", b"\n", b" ", b"%", b"1 1 1\n",
                b"\0")  # fmt: skip


def _market(rng: Random) -> bytes:
    raw = rng.choice(MARKET)
    return damaged_bytes(raw, rng, MARKET_WORDS) if rng.random() < 0.9 else raw


def _same(mask: BitMask, plain: Any) -> None:
    """Compare with what scipy reads; a small file may state a large matrix, which is not unpacked."""
    assert mask.shape[1:] == plain.shape
    if mask.packed.nbytes < 1 << 16:
        assert np.array_equal(
            mask.unpack()[0], np.asarray(plain.toarray() if hasattr(plain, "toarray") else plain) != 0
        )


def _take_market(path: str) -> None:
    from scipy.io import mmread

    _same(read_mask(Path(path)), mmread(path))


@cache
def _scipy_files() -> tuple[bytes, ...]:
    from scipy import sparse

    found = []
    for made in (sparse.csr_matrix, sparse.csc_matrix, sparse.coo_matrix, sparse.bsr_matrix, sparse.dia_matrix):
        stream = io.BytesIO()
        sparse.save_npz(stream, made(np.eye(4, dtype=np.float32)))
        found.append(stream.getvalue())
    return tuple(found)


def _scipy(rng: Random) -> bytes:
    raw = rng.choice(_scipy_files())
    if rng.random() < 0.5:
        return mutated_archive(raw, rng)
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        entries = [Entry(info.filename.encode(), archive.read(info)) for info in archive.infolist()]
    entry = rng.choice(entries)
    numbers = [rng.choice((0, 1, 2, 4, 5, -1, 2**31 - 1, 2**31, 2**62)) for _ in range(rng.randrange(6))]
    entry.data = npy(np.array(numbers, np.int64).astype(rng.choice((np.int32, np.int64, np.uint8, np.float64))))
    return zipped(entries)


def _take_scipy(path: str) -> None:
    from scipy import sparse

    _same(read_mask(Path(path)), sparse.load_npz(path))


def _npy(rng: Random) -> bytes:
    array = np.arange(12).astype(rng.choice(("u1", "<f4", ">f8", "?", "c8", "<i2"))).reshape(3, 4)
    raw = npy(array if rng.random() < 0.7 else np.asfortranarray(array))
    way = rng.randrange(3)
    if way == 0:
        return npy_header(rng) + raw[128:]
    return (
        damaged_bytes(raw, rng)
        if way == 1
        else damaged_text(raw[:128].decode("latin-1"), rng).encode("latin-1", "replace") + raw[128:]
    )


def _take_npy(path: str) -> None:
    _same(read_mask(Path(path)), np.load(path, allow_pickle=False))


def _weights(rng: Random) -> bytes:
    entries = [Entry(b"lstm0.W.npy", npy(np.eye(3, 5))), Entry(b"lstm0.U.npy", npy(np.ones((2, 5), bool)))]
    return damaged_archive(entries, rng)


def _take_weights(path: str) -> None:
    _packed.cache_clear()
    folder, name = Path(path).parent, Path(path).name
    mask = Weights(file=name).mask("lstm0.W", 3, 5, folder)
    assert mask is not None
    assert mask.shape == (3, 1)


ARCHIVES = (
    Surface("traces", _trace, _take_trace, lambda: [zipped(_trace_entries(HEADER))], 120_000,
            ("traces.archive", "traces.records", "traces.header", "traces.schema", "traces.errors"), mutated_archive,
            "run.npz"),
    Surface("states of recordings", _state, _take_state, lambda: [zipped(_state_entries(STATE))], 100_000,
            ("traces.archive", "traces.numpy_frontend.state_file", "traces.errors"), mutated_archive,
            "run.npz.state.npz"),
    Surface("Matrix Market files", _market, _take_market, lambda: list(MARKET), 150_000,
            ("traces.matrix_files", "traces.errors"), None, "m.mtx"),
    Surface("scipy sparse files", _scipy, _take_scipy, lambda: list(_scipy_files()), 60_000,
            ("traces.matrix_files", "traces.errors"), mutated_archive, "m.npz"),
    Surface(".npy matrices", _npy, _take_npy, lambda: [npy(np.eye(3, 4))], 100_000,
            ("traces.matrix_files", "traces.errors"), None, "m.npy"),
    Surface("masks of weights", _weights, _take_weights, lambda: [zipped([Entry(b"lstm0.W.npy", npy(np.eye(3, 5)))])],
    100_000,
            ("simulator.arch.weights", "traces.errors"), mutated_archive, "w.npz"),
)  # fmt: skip

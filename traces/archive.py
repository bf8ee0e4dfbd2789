"""The trace file as a zip archive of `.npy` members: read defensively, written the same for the same content.

Reading goes through `zipfile`, but an array's declared dtype, shape and size are compared with what they must
be before its data is decompressed, and nothing is ever unpickled. Writing has its own few lines, because
`zipfile` can neither copy a compressed member as it is nor leave the clock out of the file.
Sources: PKWARE APPNOTE.TXT 6.3.10 (zip); NEP 1 and `numpy.lib.format` (npy).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from traces.errors import InputError, nearest

Array = npt.NDArray[Any]

SUFFIX = ".npy"
LARGEST_MEMBER_BYTES = 2**32 - 1
"""Of a member, unpacked: so much memory may a step's mask take, and a file a thousandth of that size may ask for it."""
_MAGIC = b"\x93NUMPY"
_LARGEST_NPY_HEADER = 10_000  # numpy's own limit
# Everything that zipfile, zlib and struct were seen to raise on damaged archives.
_DAMAGE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    LookupError,
    OverflowError,
    AttributeError,
)
_DTYPES = {
    **dict.fromkeys(("|u1", "<u1", ">u1", "=u1"), np.dtype(np.uint8)),
    **{order + "f2": np.dtype(order + "f2") for order in "<>"},
    **{order + "f4": np.dtype(order + "f4") for order in "<>"},
}
_ITEM = (
    r"\s*(?:'descr':\s*(?P<descr{0}>'[^']*'|\[[^\[\]]*\])|'fortran_order':\s*(?P<order{0}>True|False)"
    r"|'shape':\s*\((?P<shape{0}>[0-9, ]*)\))\s*"
)
# A pattern in place of numpy's own reader, which evaluates the text and warns about some damaged ones.
_NPY_HEADER = re.compile(r"\{" + ",".join(_ITEM.format(i) for i in range(3)) + r",?\s*\}\s*", re.ASCII)


class ArchiveReader:
    """The members of an `.npz` file; each is read when it is asked for.

    Raises
    ------
    InputError
        Where there is no such file, it is a directory, it is no zip archive or a truncated one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = _open(path)
        try:
            self._zip = zipfile.ZipFile(self.file)
            names = self._zip.namelist()
            if _stated_members(self.file) != len(names):
                # zipfile itself would silently overlook what a damaged entry of the directory hides.
                raise zipfile.BadZipFile("Wrong number of members in the directory")
        except _DAMAGE as error:
            found = _describe_damage(self.file, error)
            self.file.close()
            raise InputError.of(str(path), found, "a complete .npz file") from None
        self._members = dict(zip(names, self._zip.infolist(), strict=True))
        try:
            self._check_names(names)
        except InputError:
            self.close()
            raise

    def __del__(self) -> None:
        if hasattr(self, "_zip"):
            self.close()

    def close(self) -> None:
        """Close the file; closing it twice does no harm."""
        self._zip.close()
        self.file.close()

    def __contains__(self, name: str) -> bool:
        return name + SUFFIX in self._members

    @property
    def names(self) -> list[str]:
        """Member names without their `.npy`, in file order."""
        return [name.removesuffix(SUFFIX) for name in self._members]

    def sha256(self) -> str:
        """Hash the bytes of the open file, which stay the same if a recording replaces it meanwhile."""
        if self.file.closed:
            raise ValueError(f"{self.path} is closed; ask for its digest before that")
        digest = hashlib.sha256()
        offset = 0
        while chunk := os.pread(self.file.fileno(), 2**20, offset):
            digest.update(chunk)
            offset += len(chunk)
        return digest.hexdigest()

    def where(self, name: str) -> str:
        """Say which member of which file is meant, for a message."""
        return f"{self.path}: {name}"

    def read(self, name: str, kind: str, shape: tuple[int, ...] | None, meaning: str, largest_bytes: int = 0) -> Array:
        """Read one array, C-contiguous and read-only.

        Parameters
        ----------
        name : str
            Member name without its `.npy`.
        kind : {"u", "f"}
            "u": uint8; "f": float16 or float32, returned in native byte order.
        shape : tuple of int or None
            The only shape that is accepted; None accepts one axis of at most `largest_bytes` items.
        meaning : str
            What the shape stands for, for the message.

        Raises
        ------
        InputError
            Where the member is damaged or its declaration differs; then its data was not decompressed.
        """
        where = self.where(name)
        info = self._members[name + SUFFIX]
        declared = info.file_size
        if info.flag_bits & 0x1:
            raise InputError.of(where, "an encrypted member", "a plain one")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError.of(where, f"compression method {info.compress_type}", "stored or deflated")
        try:
            with self._zip.open(info) as stream:
                dtype, fortran_order, found, offset = _read_npy_header(stream, where, kind)
                expected = found if shape is None and len(found) == 1 and found[0] <= largest_bytes else shape
                if found != expected:
                    limit = f"one axis of at most {largest_bytes} bytes" if shape is None else f"shape {shape}"
                    raise InputError.of(where, f"shape {_short(found)}", f"{limit}, {meaning}")
                items = 1
                for length in found:
                    items *= length
                declared = offset + items * dtype.itemsize
                if info.file_size != declared:
                    text = f"a member of {info.file_size} bytes"
                    raise InputError.of(where, text, f"{declared} bytes for {dtype} {found}")
                if declared > LARGEST_MEMBER_BYTES:
                    raise InputError.of(
                        where, f"{declared} bytes", f"at most {LARGEST_MEMBER_BYTES}, as is ever written"
                    )
                data = stream.read(items * dtype.itemsize)
                stream.read(1)  # reaching the end is what makes zipfile compare the CRC
        except _DAMAGE as error:
            raise InputError.of(where, f"a damaged member ({error})", "an intact file") from None
        except MemoryError:
            raise InputError.of(where, f"{declared} bytes", "an array that fits in memory") from None
        if len(data) != items * dtype.itemsize:
            raise InputError.of(where, "a truncated member", "an intact file")
        array: Array = np.frombuffer(data, dtype)
        if fortran_order:
            array = array.reshape(found, order="F")
        array = np.ascontiguousarray(array, dtype.newbyteorder("=")).reshape(found)
        array.flags.writeable = False
        return array

    def copy(self, name: str) -> tuple[Member, bytes]:
        """Return a member as it is in the file, its data still compressed."""
        info = self._members[name + SUFFIX]
        self.file.seek(info.header_offset)
        fixed = self.file.read(_LOCAL.size)
        name_bytes, extra_bytes = struct.unpack("<HH", fixed[-4:])
        self.file.seek(info.header_offset + _LOCAL.size + name_bytes + extra_bytes)
        data = self.file.read(info.compress_size)
        return Member(name, info.compress_type, info.CRC, info.compress_size, info.file_size), data

    def _check_names(self, names: Sequence[str]) -> None:
        for name in names:
            if not name.endswith(SUFFIX):
                raise InputError.of(self.where(name), "a member that is no array", f"names that end in {SUFFIX}")
        if len(names) != len(self._members):
            (twice, _), *_ = Counter(names).most_common(1)
            raise InputError.of(self.where(twice), "this member twice", "each member once")


def _open(path: Path) -> IO[bytes]:
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for its other end
            found = "a directory" if path.is_dir() else "no regular file"
            raise InputError.of(str(path), found, "a trace file (.npz)")
        return path.open("rb")
    except FileNotFoundError:
        siblings: list[str] = []
        with contextlib.suppress(OSError):
            siblings = [p.name for p in path.parent.iterdir()]
        hint = nearest(path.name, siblings)
        raise InputError.of(str(path), "no such file", "a trace file (.npz)", hint) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        found = f"a file that cannot be opened ({getattr(error, 'strerror', None) or error})"
        raise InputError.of(str(path), found, "a trace file (.npz)") from None


def _stated_members(file: IO[bytes]) -> int:
    """Return the number of members that the end of the archive states."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - _END.size - _FULL16)
    file.seek(start)
    tail = file.read()
    end = tail.rindex(b"PK\x05\x06")
    count = int(_END.unpack_from(tail, end)[4])
    if count == _FULL16 and end >= _LOCATOR64.size and tail[end - _LOCATOR64.size :].startswith(b"PK\x06\x07"):
        file.seek(start + end - _LOCATOR64.size - _END64.size)
        count = int(_END64.unpack(file.read(_END64.size))[7])
    return count


def _describe_damage(file: IO[bytes], error: Exception) -> str:
    file.seek(0)
    start = file.read(4)
    if not start:
        return "an empty file"
    if start == b"PK\x03\x04":
        return f"a truncated or damaged .npz file ({error})"
    return "a file that is not a zip archive"


def _read_npy_header(stream: IO[bytes], where: str, kind: str) -> tuple[np.dtype[Any], bool, tuple[int, ...], int]:
    """Read what an array declares: dtype, whether in Fortran order, shape, and the offset of its data."""
    start = stream.read(8)
    if start[:6] != _MAGIC or start[6:] not in (b"\x01\x00", b"\x02\x00", b"\x03\x00"):
        raise InputError.of(where, "a member that is not in the .npy format", "an array saved by numpy")
    width = 2 if start[6] == 1 else 4
    length = int.from_bytes(stream.read(width), "little")
    if length > _LARGEST_NPY_HEADER:
        raise InputError.of(where, f"an .npy header of {length} bytes", f"at most {_LARGEST_NPY_HEADER}")
    match = _NPY_HEADER.fullmatch(stream.read(length).decode("latin-1"))
    parts = {key[:-1]: value for key, value in match.groupdict().items() if value is not None} if match else {}
    if len(parts) != 3:
        raise InputError.of(where, "an unreadable .npy header", "an array saved by numpy")
    expected = "dtype uint8" if kind == "u" else "dtype float16 or float32"
    descr = parts["descr"].strip("'")
    if descr.startswith("|O"):
        raise InputError.of(where, "pickled Python objects, which are never loaded", expected)
    dtype = _DTYPES.get(descr)
    if dtype is None or dtype.kind != kind:
        raise InputError.of(where, f"dtype {_short(parts['descr'])}", expected)
    numbers = [number.strip() for number in parts["shape"].split(",")]
    shape = tuple(int(number) for number in numbers if number)
    return dtype, parts["order"] == "True", shape, 8 + width + length


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass(frozen=True)
class Member:
    """One member as the directory of the archive lists it; `offset` is where its local header begins."""

    name: str
    method: int
    crc: int
    compressed_bytes: int
    data_bytes: int
    offset: int = 0


_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_END64 = struct.Struct("<IQHHIIQQQQ")
_LOCATOR64 = struct.Struct("<IIQI")
_MIDNIGHT_1980 = (0, (1 << 5) | 1)  # the earliest time a zip can state: no clock in the file
_UTF8_NAME = 0x800
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF


LARGE_BYTES = 1 << 16
"""Below it an array is not worth loading numba for."""


def check_size(name: str, array: Array) -> None:
    """Refuse an array that is too large for a member: zip states sizes in 32 bits."""
    if array.nbytes >= _FULL32 - _LARGEST_NPY_HEADER:
        raise InputError.of(name, f"an array of {array.nbytes} bytes", "arrays of less than 4 GiB")


def encode(name: str, array: Array, runs_only: bool = False) -> tuple[Member, bytes]:
    """Make a member of a C-contiguous array: its directory entry and its deflated `.npy` bytes.

    Masks and values have no phrases that come again, only runs. To look for `runs_only` makes about the same size in
    far less time: with `traces.deflate_kernels` where an array is large, else with zlib's ``Z_RLE``.
    """
    text = f"{{'descr': '{array.dtype.str}', 'fortran_order': False, 'shape': {_shape(array)}, }}"
    padding = -(len(_MAGIC) + 4 + len(text) + 1) % 64  # numpy aligns the data to 64 bytes
    header = text.encode("ascii") + b" " * padding + b"\n"
    header = _MAGIC + b"\x01\x00" + struct.pack("<H", len(header)) + header
    data = array.reshape(-1).view(np.uint8)
    data_bytes = len(header) + len(data)
    check_size(name, array)
    if runs_only and data_bytes >= LARGE_BYTES:
        from traces.deflate_kernels import deflated

        packed = deflated(np.concatenate([np.frombuffer(header, np.uint8), data]))
    else:
        strategy = zlib.Z_RLE if runs_only else zlib.Z_DEFAULT_STRATEGY
        compressor = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, strategy)
        packed = compressor.compress(header) + compressor.compress(data.data) + compressor.flush()
    crc = zlib.crc32(data.data, zlib.crc32(header))
    return Member(name, zipfile.ZIP_DEFLATED, crc, len(packed), data_bytes), packed


def _shape(array: Array) -> str:
    return f"({array.shape[0]},)" if array.ndim == 1 else str(tuple(array.shape))


def append(file: IO[bytes], member: Member, data: bytes, offset: int) -> Member:
    """Write a member at the file's position, which is `offset`; return it as the directory must list it."""
    name = (member.name + SUFFIX).encode("utf-8")
    file.write(_LOCAL.pack(0x04034B50, *_common(member), len(name), 0))
    file.write(name)
    file.write(data)
    return replace(member, offset=offset)


def end_of(member: Member) -> int:
    """Return the offset just behind a written member."""
    return member.offset + _LOCAL.size + len((member.name + SUFFIX).encode("utf-8")) + member.compressed_bytes


def directory(members: Sequence[Member], offset: int) -> bytes:
    """Make the central directory that begins at `offset` and ends the archive; zip64 where it must be."""
    listed = []
    for member in members:
        name = (member.name + SUFFIX).encode("utf-8")
        far = member.offset >= _FULL32
        extra = struct.pack("<HHQ", 1, 8, member.offset) if far else b""
        start = _FULL32 if far else member.offset
        common = _common(member)
        listed.append(
            _CENTRAL.pack(0x02014B50, (3 << 8) | common[0], *common, len(name), len(extra), 0, 0, 0, 0o644 << 16, start)
            + name
            + extra
        )
    central = b"".join(listed)
    count, size = len(members), len(central)
    end = b""
    if count >= _FULL16 or offset >= _FULL32 or size >= _FULL32:
        end = _END64.pack(0x06064B50, _END64.size - 12, (3 << 8) | 45, 45, 0, 0, count, count, size, offset)
        end += _LOCATOR64.pack(0x07064B50, 0, offset + size, 1)
        count, size, offset = min(count, _FULL16), min(size, _FULL32), min(offset, _FULL32)
    return central + end + _END.pack(0x06054B50, 0, 0, count, count, size, offset, 0)


def _common(member: Member) -> tuple[int, ...]:
    """Return the fields that a local and a central header share, from the version needed to the sizes."""
    flags = 0 if member.name.isascii() else _UTF8_NAME
    version = 45 if member.offset >= _FULL32 else 20
    sizes = (member.crc, member.compressed_bytes, member.data_bytes)
    return version, flags, member.method, *_MIDNIGHT_1980, *sizes

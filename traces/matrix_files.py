"""Masks of single matrices in the files that other programs use: `.npy`, `.mtx` (Matrix Market), `.npz` (scipy sparse).

An element counts as non-zero where its value is not zero; so does one that is not a number. Sparse files may state
zeros, and state an element twice (their sum counts).
"""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from traces.bitmask import BitMask, Bools, packed_bytes
from traces.errors import InputError, nearest
from traces.regular_files import in_place_of_file
from traces.whole_file import replacing

Array = npt.NDArray[Any]

MATRIX_SUFFIXES = (".npy", ".mtx", ".npz")
LARGEST_ELEMENTS = 2**33
"""Largest matrix that is read: 1 GiB as a packed mask. A small sparse file may state any size."""

_ROWS_AT_ONCE_ELEMENTS = 2**24
_TEXT_AT_ONCE_BYTES = 2**20
_NUMBERS = "biufc"
DAMAGE = (
    ValueError,
    TypeError,
    OSError,
    EOFError,
    KeyError,
    IndexError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What numpy, scipy, zipfile and zlib were seen to raise on damaged or foreign files."""


_NUMBER = rb"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|nan|inf(?:inity)?)"
_INTEGER = rb"[+-]?[0-9]+"
_INDICES = rb"[0-9]{1,18}[ \t]+[0-9]{1,18}"
_VALUES = {
    "pattern": [],
    "integer": [_INTEGER],
    "unsigned-integer": [_INTEGER],
    "real": [_NUMBER],
    "double": [_NUMBER],
    "complex": [_NUMBER, _NUMBER],
}
"""What an element is in a Matrix Market file, by its field."""


def read_mask(path: Path) -> BitMask:
    """Read where a matrix is not zero.

    Parameters
    ----------
    path : Path
        ``.npy`` (two axes, numbers or truth values), ``.mtx`` or a scipy sparse ``.npz``. The last two need scipy.

    Returns
    -------
    BitMask [1, M, K]
        Of the matrix [M, K].

    Raises
    ------
    InputError
        Where there is no such file, its suffix is another one, scipy is missing, the content is damaged, foreign, not
        numbers, empty, not of two axes or larger than `LARGEST_ELEMENTS`. Nothing is ever unpickled.
    """
    if path.suffix not in MATRIX_SUFFIXES:
        expected = f"a matrix in a file that ends in {', '.join(MATRIX_SUFFIXES)}"
        raise InputError.of(str(path), f"the suffix {path.suffix!r}", expected)
    if path.suffix == ".npy":
        array = read_npy(path)
        check_size(path, array.shape)
        return _packed(path, array.shape, lambda i, j: array[i:j] != 0)
    check_file(path, f"a matrix ({path.suffix})")
    sparse = _read_market(path) if path.suffix == ".mtx" else _read_sparse(path)
    if sparse.dtype.kind not in _NUMBERS:
        raise InputError.of(str(path), f"dtype {sparse.dtype}", "numbers or truth values")
    return _packed_sparse(sparse)


def write_mask(path: Path, mask: Bools) -> Path:
    """Write a mask [M, K] whole: as bool (`.npy`), as a pattern (`.mtx`), or as uint8 in CSR (`.npz`).

    Raises
    ------
    InputError
        Where the suffix is another one, scipy is missing (for the last two) or the file cannot be written.
    """
    data = io.BytesIO()
    if path.suffix == ".npy":
        np.save(data, mask, allow_pickle=False)
    elif path.suffix == ".mtx":
        rows, columns = np.nonzero(mask)
        ones = np.ones(len(rows), np.int8)  # of no importance in a pattern
        matrix = _scipy("sparse", path).coo_matrix((ones, (rows, columns)), shape=mask.shape)
        _scipy("io", path).mmwrite(data, matrix, field="pattern", symmetry="general")
    elif path.suffix == ".npz":
        sparse = _scipy("sparse", path)
        sparse.save_npz(data, sparse.csr_matrix(mask.astype(np.uint8)))
    else:
        expected = f"a file that ends in {', '.join(MATRIX_SUFFIXES)}"
        raise InputError.of(str(path), f"the suffix {path.suffix!r}", expected)
    return write_whole(path, data.getvalue())


def read_npy(path: Path) -> Array:
    """Open the array of an `.npy` file as a read-only memory map; its data are read where they are used.

    Raises
    ------
    InputError
        Where there is no such file, it is damaged or foreign, or holds something else than numbers.
    """
    check_file(path, "an array saved by numpy (.npy)")
    try:
        with path.open("rb") as file:
            if file.read(6) != b"\x93NUMPY":
                raise InputError.of(str(path), "a file that is not in the .npy format", "an array saved by numpy")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # arrays written by Python 2 are as good as others
            array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGE as error:
        found = f"an .npy file that cannot be read ({_first_line(error)})"
        raise InputError.of(str(path), found, "an intact array of numbers") from None
    if array.dtype.kind not in _NUMBERS:
        raise InputError.of(str(path), f"dtype {array.dtype}", "numbers or truth values")
    return array


def check_size(path: Path, shape: tuple[int, ...]) -> None:
    """Refuse what is not a matrix, is empty or is too large."""
    if len(shape) != 2:
        raise InputError.of(str(path), f"an array of {len(shape)} axes, {shape}", "a matrix, two axes")
    rows, columns = shape
    if not rows or not columns:
        raise InputError.of(str(path), f"an empty matrix, {rows} x {columns}", "at least one row and one column")
    if rows * packed_bytes(columns) * 8 > LARGEST_ELEMENTS:
        found = f"a matrix of {rows} x {columns}"
        raise InputError.of(str(path), found, f"at most {LARGEST_ELEMENTS} elements")


def check_file(path: Path, expected: str) -> None:
    """Refuse what is no regular file, and say which file is meant where one has nearly that name."""
    try:
        if path.is_file():
            return
        found = "a directory" if path.is_dir() else "no regular file" if path.exists() else "no such file"
    except (OSError, ValueError) as error:  # a NUL in the name, or a folder that may not be searched
        raise InputError.of(str(path), f"a file that cannot be opened ({error})", expected) from None
    siblings: list[str] = []
    with contextlib.suppress(OSError):
        siblings = [sibling.name for sibling in path.parent.iterdir()]
    raise InputError.of(str(path), found, expected, nearest(path.name, siblings))


def write_whole(path: Path, data: bytes) -> Path:
    """Write a file beside its place, sync it and rename it, so that nobody ever sees a part of it.

    Raises
    ------
    InputError
        Where it cannot be written; then nothing was changed.
    """
    if found := in_place_of_file(path):  # a rename would put the file in a device's place
        raise InputError.of(str(path), f"{found}, which cannot be written", "a file, or nothing, in a folder")
    try:
        with replacing(path) as file:
            file.write(data)
    except OSError as error:
        found = f"a file that cannot be written ({error.strerror or error})"
        raise InputError.of(str(path), found, "a folder that exists, may be written and has space") from None
    return path


def _packed(path: Path, shape: tuple[int, ...], rows_of: Callable[[int, int], Bools]) -> BitMask:
    """Pack a mask some rows at a time, so that memory holds no more than the packed whole."""
    rows, columns = shape
    packed = np.empty((1, rows, packed_bytes(columns)), np.uint8)
    height = max(1, _ROWS_AT_ONCE_ELEMENTS // columns)
    try:
        for first in range(0, rows, height):
            packed[0, first : first + height] = np.packbits(rows_of(first, first + height), axis=1, bitorder="little")
    except DAMAGE as error:  # a file that became shorter, or a disk that fails
        raise InputError.of(str(path), f"data that cannot be read ({_first_line(error)})", "an intact file") from None
    return BitMask(packed, columns)


def _packed_sparse(matrix: Any) -> BitMask:
    """Pack the mask of a matrix in COO form: with no more memory than its file and its packed mask, whatever shape."""
    rows, columns = matrix.shape
    width = packed_bytes(columns)
    packed = np.zeros(rows * width, np.uint8)
    matrix.sum_duplicates()
    kept = matrix.data != 0
    row, column = (np.asarray(index[kept], np.int64) for index in (matrix.row, matrix.col))
    np.bitwise_or.at(packed, row * width + (column >> 3), (1 << (column & 7)).astype(np.uint8))
    return BitMask(packed.reshape(1, rows, width), columns)


def _read_market(path: Path) -> Any:
    """Read a Matrix Market file as a COO matrix; its stated sizes are checked before anything is read."""
    market = _scipy("io", path)
    try:
        rows, columns, entries, layout, field, _ = market.mminfo(str(path))
        check_size(path, (rows, columns))
        # An entry's line has two numbers at least, so a short file cannot claim many. (A dense file has a number for
        # each element, or where it is symmetric for a little more than half of them.)
        shortest_bytes = 1 if layout == "array" else 4
        if entries * shortest_bytes > path.stat().st_size + shortest_bytes:
            found = f"a file of {path.stat().st_size} bytes that states {entries} entries"
            raise InputError.of(str(path), found, "an intact Matrix Market file")
        _check_lines(path, layout, field)
        return _scipy("sparse", path).coo_matrix(market.mmread(str(path)))
    except DAMAGE as error:
        found = f"a Matrix Market file that cannot be read ({_first_line(error)})"
        raise InputError.of(str(path), found, "an intact Matrix Market file (.mtx)") from None


def _check_lines(path: Path, layout: str, field: str) -> None:
    """Check the text of the elements: scipy 1.17 reads an integer 0.5 as 0, and ends the process at some others."""
    parts = _VALUES[field] if layout == "array" else [_INDICES, *_VALUES[field]]
    line = rb"[ \t]*+(?:" + rb"[ \t]+".join(parts) + rb")?"
    lines = re.compile(rb"(?:" + line + rb"[ \t]*+\r?\n)*+(?:" + line + rb")?", re.IGNORECASE)
    with path.open("rb") as file:
        sizes = next((text for text in file if text.strip() and not text.startswith(b"%")), b"")
        if b"\0" in sizes:
            raise ValueError("a NUL in the line of sizes")
        first = file.tell()
        while text := b"".join(file.readlines(_TEXT_AT_ONCE_BYTES)):
            if not lines.fullmatch(text):
                raise ValueError(f"a line after byte {first} that is no element of the field {field}")
            first = file.tell()


def _read_sparse(path: Path) -> Any:
    """Read a file of `scipy.sparse.save_npz` as a COO matrix, its indices checked."""
    sparse = _scipy("sparse", path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            data_bytes = sum(info.file_size for info in archive.infolist())
        if "header.npy" in names:
            hint = "`simulate --trace` and `skipstone export` take it as it is"
            raise InputError.of(str(path), "a Skipstone trace", "a matrix saved by scipy.sparse.save_npz", hint)
        if "format.npy" not in names or "shape.npy" not in names:
            raise InputError.of(str(path), "an .npz file of something else", "one saved by scipy.sparse.save_npz")
        if data_bytes > LARGEST_ELEMENTS:
            found = f"members of {data_bytes} bytes"
            raise InputError.of(str(path), found, f"at most {LARGEST_ELEMENTS} bytes")
        matrix = sparse.load_npz(path)
        check_size(path, matrix.shape)
        if hasattr(matrix, "check_format"):
            matrix.check_format(full_check=True)
        starts = getattr(matrix, "indptr", np.zeros(0))
        if (starts[1:] < starts[:-1]).any():  # not seen by scipy where the last one is 0; it would end the process
            raise ValueError("an index pointer that falls")
        return sparse.coo_matrix(matrix)
    except DAMAGE as error:
        found = f"an .npz file that cannot be read ({_first_line(error)})"
        raise InputError.of(str(path), found, "a matrix saved by scipy.sparse.save_npz") from None


def _scipy(module: str, path: Path) -> Any:
    """Import a module of scipy, which nothing else needs."""
    try:
        return importlib.import_module(f"scipy.{module}")
    except ImportError:
        found = f"no scipy, which {path.suffix} files need"
        hint = "pip install 'skipstone[interchange]'; .npy files need nothing"
        raise InputError.of(str(path), found, "the optional package scipy", hint) from None


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:120]

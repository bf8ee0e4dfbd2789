"""Which weights of a model are zero: a file of masks, or a density and a seed.

A trace records zeros of gradients and activations, never of weights; pruned weights are part of the machine's
description, because what runs on it was pruned for it.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulator.arch.problems import wrong
from traces.errors import InputError, nearest
from traces.matrix_files import DAMAGE
from traces.regular_files import in_place_of_file

Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

EXPECTED = "a .npz file of weight masks, or a .npy file of one"


class Weights(BaseModel):
    """Non-zeros of the weights W [D, G H] and U [H, G H] of every layer; W' and U' are their transposes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    file: str | None = Field(
        default=None,
        min_length=1,
        description="A .npz file with an array for each weight, named as in lstm0.W and lstm0.U, of shape positions x "
        "columns; or a .npy file with the one weight there is. Non-zero elements are kept. Relative to the machine's "
        "file.",
    )
    density: float | None = Field(
        default=None, ge=0, le=1, description="Share of weights that are not zero, drawn independently."
    )
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="Of the draw; each weight matrix has its own stream.")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.file is None) == (self.density is None):
            found = "neither a file nor a density" if self.file is None else "both a file and a density"
            raise wrong(found, "one of them", "weights: null where no weight is zero")
        return self

    def mask(self, name: str, positions: int, columns: int, folder: Path | None = None) -> Bytes | None:
        """Give the mask of a shared operand, packed; None where it is no weight.

        Parameters
        ----------
        name : str
            As products name it: ``lstm0.W``, ``lstm0.U'``; ``lstm0.x`` and ``lstm0.h`` are no weights.
        positions, columns : int
            Its shape.
        folder : Path, optional
            What a relative `file` starts from.

        Returns
        -------
        uint8 [positions, ceil(columns / 8)], packed by ``numpy.packbits(..., bitorder="little")``; or None.

        Raises
        ------
        InputError
            If the file cannot be read, lacks the weight, or has it in another shape.
        """
        stem = name.removesuffix("'")
        if stem.rpartition(".")[2] not in ("W", "U"):
            return None
        shape = (positions, columns) if stem == name else (columns, positions)
        if self.file is None:
            assert self.density is not None
            return _packed(_Draw(stem, self.density, self.seed), shape, stem != name)
        return _packed(_Stored(stem, *self._state(self.file, folder)), shape, stem != name)

    def version(self, folder: Path | None = None) -> str:
        """Tell one state of the masks from another where these keys do not: a file, and when it was changed.

        Raises
        ------
        InputError
            If there is no such file.
        """
        if self.file is None:
            return ""
        path, changed_ns = self._state(self.file, folder)
        return f"{path}\0{changed_ns}"

    def file_digest(self, folder: Path | None = None) -> str:
        """SHA-256 (hex) of the file's bytes; empty where there is none.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        if self.file is None:
            return ""
        path, _ = self._state(self.file, folder)
        if found := in_place_of_file(path):
            raise InputError.of(f"weights.file {path}", found, EXPECTED)
        try:
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise _unreadable(path, error) from None

    @staticmethod
    def _state(file: str, folder: Path | None) -> tuple[Path, int]:
        """Where the file is, and when it was changed."""
        path = Path(file) if folder is None else folder / file
        try:
            return path, path.stat().st_mtime_ns
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError | ValueError) -> InputError:
    found = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return InputError.of(f"weights.file {path}", found, EXPECTED)


@dataclass(frozen=True)
class _Draw:
    """Weights kept independently of each other; a stream for each matrix, the same in every process."""

    name: str
    density: float
    seed: int

    def mask(self, shape: tuple[int, int]) -> Bools:
        rng = np.random.default_rng([self.seed, zlib.crc32(self.name.encode())])
        return rng.random(shape) < self.density


@dataclass(frozen=True)
class _Stored:
    """Weights in a file as it was at a point in time."""

    name: str
    path: Path
    changed_ns: int

    def mask(self, shape: tuple[int, int]) -> Bools:
        array = self._array(shape)
        where = f"weights.file {self.path}: {self.name}"
        if array.dtype.kind not in "biuf":
            raise InputError.of(where, f"dtype {array.dtype}", "bools or numbers, of which the non-zero ones are kept")
        return np.asarray(array != 0)

    def _array(self, shape: tuple[int, int]) -> npt.NDArray[Any]:
        """Read the array, once its file says that it has this shape: a small file may state any."""
        if found := in_place_of_file(self.path):
            raise InputError.of(f"weights.file {self.path}", found, EXPECTED)
        try:
            with self.path.open("rb") as file:
                if file.read(6) == b"\x93NUMPY":
                    self._check(_stated_shape(file), shape)
                    file.seek(0)
                    return np.asarray(np.load(file, allow_pickle=False))
                file.seek(0)
                loaded = np.load(file, allow_pickle=False)
                names = list(loaded.files)
                if self.name in names:
                    member = f"{self.name}.npy"
                    with loaded.zip.open(member if member in loaded.zip.namelist() else self.name) as stream:
                        stream.read(6)
                        self._check(_stated_shape(stream), shape)
                    return np.asarray(loaded[self.name])
        except DAMAGE as error:
            where, found = f"weights.file {self.path}", str(error).partition("\n")[0] or type(error).__name__
            raise InputError.of(where, found, EXPECTED) from None
        there = ", ".join(names) or "none"
        hint = nearest(self.name, names) or "an array of ones says that no weight of this matrix is zero"
        where, found = f"weights.file {self.path}", f"no array {self.name!r} among {there}"
        raise InputError.of(where, found, f"an array {self.name!r}", hint)

    def _check(self, found: tuple[int, ...], shape: tuple[int, int]) -> None:
        if found != shape:
            where = f"weights.file {self.path}: {self.name}"
            raise InputError.of(where, f"shape {found}"[:60], f"shape {shape}, positions x columns")


def _stated_shape(stream: IO[bytes]) -> tuple[int, ...]:
    """Read which shape an .npy file says that it has, from behind its first six bytes."""
    read = np.lib.format.read_array_header_1_0 if stream.read(2) == b"\x01\x00" else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    if dtype.hasobject:
        raise ValueError("pickled Python objects, which are never loaded")
    return shape


@lru_cache(maxsize=64)
def _packed(source: _Draw | _Stored, shape: tuple[int, int], transposed: bool) -> Bytes:
    mask = source.mask(shape)
    packed = np.packbits(mask.T if transposed else mask, axis=1, bitorder="little")
    packed.flags.writeable = False
    return packed

"""How many threads numpy's BLAS computes with.

The many small products of an LSTM step suffer when BLAS threads wait for a core that another process uses.
``OPENBLAS_NUM_THREADS`` works only when it is set before numpy is loaded, so OpenBLAS, which numpy's wheels
carry, is told through its own functions: the library is already in the process, under one of three prefixes.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np

from traces.errors import InputError

_SPELLINGS = ("scipy_openblas_{}64_", "scipy_openblas_{}", "openblas_{}64_", "openblas_{}")


def get_threads() -> int | None:
    """Return how many threads OpenBLAS uses; None where numpy uses another BLAS."""
    function = _function("get_num_threads")
    return None if function is None else int(function())


def set_threads(threads: int) -> None:
    """Set how many threads OpenBLAS uses in this process from now on.

    Raises
    ------
    InputError
        Where the number is below 1, or numpy uses another BLAS.
    """
    if threads < 1:
        raise InputError.of("threads", str(threads), "at least 1")
    function = _function("set_num_threads")
    if function is None:
        hint = "set the thread count by the BLAS's own environment variable"
        raise InputError.of("threads", "a numpy without OpenBLAS", "numpy's own wheels", hint)
    function(ctypes.c_int(threads))


def _function(name: str) -> ctypes._NamedFuncPointer | None:
    for path in _libraries():
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for spelling in _SPELLINGS:
            function: ctypes._NamedFuncPointer | None = getattr(library, spelling.format(name), None)
            if function is not None:
                return function
    return None


def _libraries() -> list[Path]:
    """List the OpenBLAS libraries in this process (Linux), and those beside numpy (elsewhere)."""
    found = set()
    maps = Path("/proc/self/maps")
    if maps.is_file():
        found = {Path(line[line.index("/") :]) for line in maps.read_text().splitlines() if "openblas" in line}
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs"):
        found |= set(folder.glob("*openblas*"))
    return sorted(found)

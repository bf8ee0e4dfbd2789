"""How kernels are compiled, and the two bit counts that the CPU has an instruction for. Importing this loads numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile on first call, without the interpreter lock; cached where some folder is writeable."""
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba found no folder for its cache: compile anew in each process
        return numba.njit(nogil=True)(function)


@intrinsic
def ones_in(typing: Any, word: Any) -> Any:
    """Count the set bits of a uint64 by the CPU's own instruction."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return numba.int64(numba.uint64), emit


@intrinsic
def lowest_in(typing: Any, word: Any) -> Any:
    """Give the index of the lowest set bit of a uint64; of 0, 64."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], context.get_constant(numba.boolean, False))

    return numba.int64(numba.uint64), emit

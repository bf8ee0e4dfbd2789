"""What the decorator makes of a function: something that is called alike, and finds or makes its machine code."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import update_wrapper
from threading import RLock
from typing import Any, Generic, ParamSpec, TypeVar, cast

from simulator.compiling.arguments import Kind, kind_of

P = ParamSpec("P")
R = TypeVar("R")

_LOCK = RLock()
_tell: list[Callable[[], None]] = []


@contextmanager
def told_of_compiling(tell: Callable[[], None]) -> Iterator[None]:
    """Call `tell` once, when the first kernel is compiled while this is open: that takes seconds."""
    _tell.append(tell)
    try:
        yield
    finally:
        if tell in _tell:
            _tell.remove(tell)


class Kernel(Generic[P, R]):
    """A function of arrays and integers, compiled for the kinds of arguments that it is called with.

    Arguments are C-contiguous arrays, integers, None, and named tuples of these; results are integers, booleans,
    tuples of integers, or None. Calls let other threads of Python run. With ``NUMBA_DISABLE_JIT`` the function itself
    is called, and with ``NUMBA_BOUNDSCHECK`` Numba, which then looks at every index.

    Raises
    ------
    KernelError
        When called: if the function raised, which none of ours should.
    TypeError
        When called: if an argument is of another kind.
    """

    def __init__(self, function: Callable[P, R]) -> None:
        self.function = function
        self.name = f"{function.__module__}.{function.__qualname__}"
        self._ready: dict[tuple[Kind, ...], Callable[..., Any]] = {}
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:  # noqa: D102 - the class says it
        if kwargs:
            raise TypeError("kernels take their arguments by place")
        kinds = tuple([kind_of(a) for a in args])
        ready = self._ready.get(kinds)
        if ready is None:
            with _LOCK:
                ready = self._ready.setdefault(kinds, self._prepared(kinds))
        return cast(R, ready(*args))

    def _prepared(self, kinds: tuple[Kind, ...]) -> Callable[..., Any]:
        if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
            return self.function
        if os.environ.get("NUMBA_BOUNDSCHECK", "0") not in ("", "0"):
            from simulator.compiling.by_numba import dispatcher_of

            return cast("Callable[..., Any]", dispatcher_of(self))
        from simulator.compiling import store
        from simulator.compiling.machine_code import callable_of

        code = store.load(self.name, kinds)
        if code is None:
            for tell in _tell:
                tell()
            _tell.clear()
            from simulator.compiling.by_numba import NotPlainError, dispatcher_of, machine_code

            try:
                code = machine_code(self, kinds)
            except NotPlainError as error:
                warnings.warn(f"{error}: it is compiled anew in each process", RuntimeWarning, stacklevel=4)
                return cast("Callable[..., Any]", dispatcher_of(self))
            store.save(self.name, kinds, code)
        return callable_of(code, self.name)


def compiled(function: Callable[P, R]) -> Kernel[P, R]:
    """Compile a function on its first call, or load what was compiled before."""
    return Kernel(function)

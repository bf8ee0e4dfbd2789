"""Compiling kernels. Importing this file loads Numba, which takes longer than loading a compiled kernel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import count
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite.ir import Constant, IntType
from numba import types
from numba.core.runtime import nrtdynmod
from numba.extending import intrinsic, overload, typeof_impl
from numba.np.arrayobj import make_array, populate_array

import simulator.compiling.eight_by_numba  # noqa: F401 - says what its operations become
from simulator.compiling.arguments import INTEGER, NOTHING, Kind
from simulator.compiling.bits import lowest_in, ones_in
from simulator.compiling.kernel import Kernel
from simulator.compiling.machine_code import MOST_RESULTS, RUNTIME, MachineCode, target_machine

C_LIBRARY = frozenset({"memset", "memcpy", "memmove", "malloc", "free"})
"""What an object file may call from outside."""
MEMINFO_FIELDS = 4
"""Fields of Numba's `MemInfo` up to the data, which `machine_code.RUNTIME` fills."""


class NotPlainError(Exception):
    """A kernel needs more of Numba at run time than an object file holds."""


@intrinsic
def _popcount(typing: Any, word: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), emit


@intrinsic
def _trailing_zeros(typing: Any, word: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], context.get_constant(types.boolean, False))

    return types.int64(types.uint64), emit


@overload(ones_in)
def _ones_in(word: Any) -> Any:
    def implementation(word: Any) -> Any:
        return _popcount(word)

    return implementation


@overload(lowest_in)
def _lowest_in(word: Any) -> Any:
    def implementation(word: Any) -> Any:
        return _trailing_zeros(word)

    return implementation


@typeof_impl.register(Kernel)
def _typeof_kernel(kernel: Kernel[..., Any], context: Any) -> Any:
    """A kernel that another one calls is a compiled function like any other."""
    del context
    return types.Dispatcher(_inner(kernel))


@cache
def _inner(kernel: Kernel[..., Any]) -> Any:
    """The form that compiled code calls: without what Python and C would need to call it, which takes seconds."""
    return numba.njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)(kernel.function)


@cache
def dispatcher_of(kernel: Kernel[..., Any]) -> Any:
    """Numba's own form of a kernel, compiled anew in each process."""
    return numba.njit(nogil=True)(kernel.function)


def machine_code(kernel: Kernel[..., Any], kinds: tuple[Kind, ...]) -> MachineCode:
    """Compile a kernel for arguments of these kinds.

    Raises
    ------
    NotPlainError
        If its machine code calls what only a process with Numba has.
    """
    inner, read = _inner(kernel), _reader(kinds)

    def entry(table: Any) -> Any:
        return inner(*read(table))

    compiled = numba.njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)(entry)
    compiled.compile((types.CPointer(types.int64),))
    (signature,) = compiled.signatures
    result = _result(compiled.overloads[signature].signature.return_type)
    symbol = compiled.overloads[signature].fndesc.llvm_func_name
    name = f"skipstone:{kernel.name}:{_short(kinds)}"
    module = llvm.parse_assembly(compiled.inspect_llvm(signature))
    module.link_in(llvm.parse_assembly(RUNTIME))
    if len(nrtdynmod._meminfo_struct_type.elements) < MEMINFO_FIELDS:
        raise NotPlainError("Numba's MemInfo has other fields")
    for function in module.functions:
        if function.name == symbol:
            function.name = name
        elif not function.is_declaration:
            function.linkage = "internal"  # two kernels may hold the same one, or two by the same name
        elif not function.name.startswith("llvm.") and function.name not in C_LIBRARY:
            raise NotPlainError(f"{name} calls {function.name}")
    for variable in module.global_variables:
        if variable.is_declaration:
            raise NotPlainError(f"{name} reads {variable.name}")
        variable.linkage = "internal"
    return MachineCode(name, result, target_machine().emit_object(module))


def _reader(kinds: tuple[Kind, ...]) -> Any:
    """What reads arguments of these kinds from a table of words (`arguments.words_of`): a tuple of them."""
    result = types.Tuple([_type_of(kind) for kind in kinds])

    @intrinsic
    def read(typing: Any, table: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            words = (builder.load(builder.gep(arguments[0], [Constant(IntType(64), n)])) for n in count())
            values = [_value(context, builder, kind, words) for kind in kinds]
            return context.make_tuple(builder, result, values)

        return result(table), emit

    return read


def _type_of(kind: Kind) -> Any:
    if kind == INTEGER:
        return types.int64
    if kind == NOTHING:
        return types.none
    if kind[0] == "tuple":
        return types.NamedTuple([_type_of(part) for part in kind[2]], kind[1])
    return types.Array(numba.from_dtype(np.dtype(kind[1])), kind[2], "C")


def _value(context: Any, builder: Any, kind: Kind, words: Iterator[Any]) -> Any:
    """Emit what makes one value of the next words."""
    if kind == INTEGER:
        return next(words)
    if kind == NOTHING:
        return context.get_dummy_value()
    if kind[0] == "tuple":
        return context.make_tuple(builder, _type_of(kind), [_value(context, builder, p, words) for p in kind[2]])
    array = make_array(_type_of(kind))(context, builder)
    address, shape = next(words), [next(words) for _ in range(kind[2])]
    itemsize = Constant(IntType(64), np.dtype(kind[1]).itemsize)
    strides = [itemsize]
    for extent in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], extent))
    data = builder.inttoptr(address, array.data.type)
    populate_array(array, data=data, shape=shape, strides=strides, itemsize=itemsize, meminfo=None)
    return array._getvalue()


def _result(result: Any) -> str:
    """Name what a kernel returns as `MachineCode` does."""
    if result is types.none:
        return "none"
    if isinstance(result, types.Boolean):
        return "boolean"
    if isinstance(result, types.Integer) and result.bitwidth == 64:
        return "integer"
    if (
        isinstance(result, types.BaseTuple)
        and len(result) <= MOST_RESULTS
        and all(isinstance(part, types.Integer) and part.bitwidth == 64 for part in result)
    ):
        return f"integers {len(result)}"
    raise NotPlainError(f"a result of type {result}")


def _short(kinds: tuple[Kind, ...]) -> str:
    return re.sub(r"[^A-Za-z0-9_<>|,()]+", "", repr([k if k[0] != "tuple" else (k[1].__name__, k[2]) for k in kinds]))

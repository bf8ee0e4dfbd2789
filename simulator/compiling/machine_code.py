"""Loading compiled kernels with llvmlite alone, and calling them.

A kernel's entry has Numba's calling convention for a function of one pointer: ``int32 f(result*, exception**,
int64* table)``; the status 0 means that all went well (Numba documentation, "CPU calling convention").
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import numpy as np

from simulator.compiling.arguments import words_of

MOST_RESULTS = 8

RUNTIME = """
declare ptr @malloc(i64)
declare void @free(ptr)

define ptr @NRT_MemInfo_alloc_aligned(i64 %size, i32 %align32) {
  %align = zext i32 %align32 to i64
  %room = add i64 %size, %align
  %whole = add i64 %room, 64
  %info = call ptr @malloc(i64 %whole)
  %none = icmp eq ptr %info, null
  br i1 %none, label %failed, label %made
made:
  %address = ptrtoint ptr %info to i64
  %behind = add i64 %address, 63
  %above = add i64 %behind, %align
  %over = urem i64 %above, %align
  %start = sub i64 %above, %over
  store i64 1, ptr %info
  %destructor = getelementptr i64, ptr %info, i64 1
  store i64 0, ptr %destructor
  %destructor_info = getelementptr i64, ptr %info, i64 2
  store i64 0, ptr %destructor_info
  %data = getelementptr i64, ptr %info, i64 3
  store i64 %start, ptr %data
  %length = getelementptr i64, ptr %info, i64 4
  store i64 %size, ptr %length
  %allocator = getelementptr i64, ptr %info, i64 5
  store i64 0, ptr %allocator
  ret ptr %info
failed:
  ret ptr null
}

define void @NRT_MemInfo_call_dtor(ptr %info) {
  call void @free(ptr %info)
  ret void
}
"""
"""What Numba's machine code calls to make and drop an array of its own (numba/core/runtime/nrt.cpp, `struct MemInfo`:
count of references, destructor, its argument, data, size, allocator). The machine code counts references itself.
Each object file has its own."""


class KernelError(RuntimeError):
    """A kernel raised, or ran out of memory."""


class MachineCode(NamedTuple):
    """One compiled kernel.

    Attributes
    ----------
    entry : str
        Symbol of its entry.
    result : str
        What it returns: ``none``, ``integer``, ``boolean``, or ``integers N``.
    object_code : bytes
        An object file for this CPU.
    """

    entry: str
    result: str
    object_code: bytes


@cache
def target_machine() -> llvm.TargetMachine:
    """The CPU of this process, all its features used."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name, features = cpu()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(cpu=name, features=features, opt=3, codemodel="jitdefault", jit=True)


def cpu() -> tuple[str, str]:
    """Name and features of this process's CPU."""
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


@cache
def _engine() -> llvm.ExecutionEngine:
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())


def callable_of(code: MachineCode, name: str) -> Callable[..., Any]:
    """Load a kernel; what is returned takes arguments of the kinds that it was compiled for, and does not look."""
    engine = _engine()
    engine.add_object_file(llvm.ObjectFileRef.from_data(code.object_code))
    engine.finalize_object()
    address = engine.get_function_address(code.entry)
    if not address:
        raise KernelError(f"{name}: no symbol {code.entry!r} in its object file")
    pointer = ctypes.c_void_p
    function = ctypes.CFUNCTYPE(ctypes.c_int32, pointer, pointer, pointer)(address)
    count = int(code.result.partition(" ")[2] or 1)
    room = ctypes.c_int64 * MOST_RESULTS

    def call(*args: Any) -> Any:
        table = np.array(words_of(args, []), dtype=np.int64)
        results = room()
        exception = ctypes.c_void_p()
        if function(ctypes.addressof(results), ctypes.addressof(exception), table.ctypes.data):
            raise KernelError(f"{name} raised")
        if code.result == "none":
            return None
        if code.result == "boolean":
            return bool(results[0] & 1)
        return results[0] if code.result == "integer" else tuple(results[:count])

    return call

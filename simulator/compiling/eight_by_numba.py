"""What the operations of `simulator.compiling.eight` are when compiled: vector instructions."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global
from numba.extending import lower_builtin, models, register_model

from simulator.compiling import eight

WORD, BYTE, BIT, PLACE = ir.IntType(64), ir.IntType(8), ir.IntType(1), ir.IntType(32)
VECTOR = ir.VectorType(WORD, eight.SIDE)
ZERO = ir.Constant(VECTOR, [0] * eight.SIDE)

Emit = Callable[..., Any]


class EightType(types.Type):
    """Eight words side by side."""

    def __init__(self) -> None:
        super().__init__(name="Eight")


EIGHT = EightType()


@register_model(EightType)
class _EightModel(models.PrimitiveModel):
    def __init__(self, manager: Any, of: Any) -> None:
        super().__init__(manager, of, VECTOR)


def _compiled(function: Any, result: Any, *kinds: type) -> Callable[[Emit], Emit]:
    """Say what a function of arguments of these kinds becomes: ``emit(context, builder, signature, arguments)``."""

    def decorate(emit: Emit) -> Emit:
        class Template(AbstractTemplate):
            def generic(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
                if keywords or len(arguments) != len(kinds):
                    return None
                fit = all(isinstance(a, kind) for a, kind in zip(arguments, kinds, strict=True))
                return result(*[types.unliteral(a) for a in arguments]) if fit else None

        infer_global(function)(Template)
        lower_builtin(function, *kinds)(emit)
        return emit

    return decorate


def _call(name: str, builder: Any, a: Any, b: Any) -> Any:
    return getattr(builder, name)(a, b)


def _of_two(function: Any, emit: Callable[[Any, Any, Any], Any]) -> None:
    """Say what an operation on two Eights becomes: ``emit(builder, a, b)``."""

    @_compiled(function, EIGHT, EightType, EightType)
    def _emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return emit(builder, *arguments)


for _operator, _name in (
    (operator.and_, "and_"),
    (operator.or_, "or_"),
    (operator.xor, "xor"),
    (operator.add, "add"),
    (operator.sub, "sub"),
    (operator.lshift, "shl"),
    (operator.rshift, "lshr"),
):
    _of_two(_operator, partial(_call, _name))
_of_two(eight.less, lambda builder, a, b: builder.sext(builder.icmp_unsigned("<", a, b), VECTOR))
_of_two(eight.equal, lambda builder, a, b: builder.sext(builder.icmp_unsigned("==", a, b), VECTOR))
_of_two(eight.least, lambda builder, a, b: builder.select(builder.icmp_unsigned("<", a, b), a, b))


@_compiled(eight.all_eight, EIGHT, types.Integer)
def _all_eight(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return _repeated(builder, context.cast(builder, arguments[0], signature.args[0], types.uint64))


@_compiled(eight.eight_at, EIGHT, types.Array, types.Integer)
def _eight_at(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.load(_row(context, builder, signature, arguments), align=8)


@_compiled(eight.put_eight, types.none, types.Array, types.Integer, EightType)
def _put_eight(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    builder.store(arguments[2], _row(context, builder, signature, arguments), align=8)
    return context.get_dummy_value()


@_compiled(eight.bytes_at, EIGHT, types.Array, EightType, EightType)
def _bytes_at(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    pointers = ir.VectorType(WORD.as_pointer(), eight.SIDE)
    start = _repeated(builder, builder.ptrtoint(array.data, WORD))
    addresses = builder.inttoptr(builder.add(start, arguments[1]), pointers)
    held = builder.icmp_unsigned("!=", arguments[2], ZERO)
    kind = ir.FunctionType(VECTOR, [pointers, PLACE, held.type, VECTOR])
    gather = cgutils.get_or_insert_function(builder.module, kind, "llvm.masked.gather.v8i64.v8p0")
    return builder.call(gather, [addresses, PLACE(1), held, ZERO])


@_compiled(eight.any_of, types.boolean, EightType)
def _any_of(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    held = builder.icmp_unsigned("!=", arguments[0], ZERO)
    return builder.icmp_unsigned("!=", builder.bitcast(held, BYTE), BYTE(0))


@_compiled(eight.ones_in_each, EIGHT, EightType)
def _ones_in_each(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    count = cgutils.get_or_insert_function(builder.module, ir.FunctionType(VECTOR, [VECTOR]), "llvm.ctpop.v8i64")
    return builder.call(count, arguments)


@_compiled(eight.lowest_in_each, EIGHT, EightType)
def _lowest_in_each(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    count = cgutils.get_or_insert_function(builder.module, ir.FunctionType(VECTOR, [VECTOR, BIT]), "llvm.cttz.v8i64")
    return builder.call(count, [*arguments, BIT(0)])


def _repeated(builder: Any, word: Any) -> Any:
    first = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), word, PLACE(0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(PLACE, eight.SIDE), [0] * eight.SIDE))


def _row(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Address of a row of a uint64 array [rows, 8]."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    row = context.cast(builder, arguments[1], signature.args[1], types.int64)
    return builder.gep(builder.bitcast(array.data, VECTOR.as_pointer()), [row])

"""The array and its number formats, and what all parts of a machine share."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from math import isfinite
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WrapValidator, model_validator

from simulator.arch.problems import wrong

BITS = {"fp32": 32, "bf16": 16, "fp16": 16, "fp8": 8, "int8": 8, "int32": 32}


class Part(BaseModel):
    """Base of every part of a machine: frozen, strict, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


def _in_thousandths(value: float) -> float:
    """Refuse a number that has no exact whole number of thousandths."""
    if not isfinite(value) or (Fraction(repr(value)) * 1000).denominator != 1:
        raise wrong(f"{value!r}", "a number with at most three decimals")
    return value


def thousandths(value: float) -> int:
    """Give the whole number of thousandths, exactly as the file has it."""
    return int(Fraction(repr(value)) * 1000)


Thousandths = Annotated[float, AfterValidator(_in_thousandths)]


def auto_or_whole(value: object, handler: Callable[[object], int | str]) -> int | str:
    """Let `auto` and whole numbers of at least 1 through."""
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return handler(value)
    raise wrong(json.dumps(value), "auto, or a whole number of at least 1")


TileSize = Annotated[Literal["auto"] | Annotated[int, Field(ge=1)], WrapValidator(auto_or_whole)]


class Precision(Part):
    """Number formats of the array."""

    operand: Literal["fp32", "bf16", "fp16", "fp8", "int8"] = Field(
        description="Format of both operands, in the buffers and in DRAM."
    )
    accumulator: Literal["fp32", "fp16", "bf16", "int32"] = Field(description="Format of the sums.")

    @property
    def operand_bits(self) -> int:
        """Width of an operand value."""
        return BITS[self.operand]

    @property
    def accumulator_bits(self) -> int:
        """Width of a partial sum."""
        return BITS[self.accumulator]

    @model_validator(mode="after")
    def _kinds_agree(self) -> Precision:
        if (self.operand == "int8") != (self.accumulator == "int32"):
            raise wrong(
                f"operand {self.operand} with accumulator {self.accumulator}",
                "int8 operands with int32 sums, or a floating-point format for both",
            )
        return self


class Array(Part):
    """The MAC array: one multiplier and one accumulator per lane and column."""

    rows: int = Field(ge=1, le=4096, description="Lanes R: rows of the skip operand worked on at once.")
    columns: int = Field(ge=1, le=4096, description="Columns C: values of a word of the shared operand.")
    pass_overhead_cycles: int = Field(
        default=0, ge=0, le=1_000_000, description="Cycles added to each pass, for its set-up and drain."
    )
    shapes: tuple[tuple[int, int], ...] = Field(
        default=(),
        max_length=16,
        description="Other [rows, columns] of as many multipliers, into which the array may be reshaped for a product.",
    )

    @model_validator(mode="after")
    def _shapes_have_the_multipliers(self) -> Array:
        for shape in self.shapes:
            if min(shape) < 1 or shape[0] * shape[1] != self.rows * self.columns:
                raise wrong(
                    f"shape {list(shape)}: {shape[0] * shape[1]} multipliers",
                    f"rows x columns = {self.rows * self.columns}, as many as the array has",
                )
        return self

"""More than one of it: chips that train together, and the links between them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, WrapValidator

from simulator.arch.parts import Part, Thousandths, thousandths
from simulator.arch.problems import wrong

MOST_ARRAYS = 1024
MOST_CHIPS = 4096


class Link(Part):
    """What a chip sends to its neighbour in the ring: one link each way."""

    bandwidth_gb_per_s: Annotated[Thousandths, Field(gt=0, le=1e6)] = Field(
        default=20.0,
        description="Rate in each direction in GB/s (10^9 bytes), at most three decimals. Default: a link of the first "
        "NVLink, 20 GB/s each way (The Next Platform, 4 May 2016).",
    )
    latency_ns: Annotated[Thousandths, Field(ge=0, le=1e6)] = Field(
        default=500.0,
        description="From the start of a transfer to its first byte, software included, in nanoseconds. Default: our "
        "choice.",
    )
    pj_per_bit: Annotated[float, Field(ge=0, le=1e6)] | None = Field(
        default=None,
        description="Energy of a bit from chip to chip; null: 5.5, a 112 Gb/s SerDes (not verified, see MODEL.md).",
    )

    @property
    def bandwidth_mb_per_s(self) -> int:
        """Rate in each direction in 10^6 bytes per second, a whole number."""
        return thousandths(self.bandwidth_gb_per_s)

    @property
    def latency_ps(self) -> int:
        """Latency in picoseconds, a whole number."""
        return thousandths(self.latency_ns)


class Chips(Part):
    """Chips that train one network together, data-parallel: each has all weights, and gradients are summed."""

    count: int = Field(default=1, ge=1, le=MOST_CHIPS, description="How many chips.")
    batch: Literal["per_chip", "divided"] = Field(
        default="per_chip",
        description="per_chip: each chip works on a minibatch like the recorded one, so that a step trains on count "
        "times as many sequences. divided: the recorded minibatch's sequences are dealt out to the chips.",
    )
    all_reduce: Literal["ring"] = Field(default="ring", description="How weight gradients are summed over the chips.")
    gradients: Literal["dense", "sparse"] = Field(
        default="dense",
        description="dense: whole weight gradients cross the links. sparse: only the rows of gates that have a "
        "non-zero gradient somewhere, each with its place.",
    )
    overlap: bool = Field(
        default=True,
        description="A layer's gradients cross the links as soon as they are made; otherwise all of them after the "
        "step's last result.",
    )
    link: Link = Field(default={}, validate_default=True, description="The link from each chip to the next.")


def _chips(value: object, _: object) -> Chips:
    if isinstance(value, Chips):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        value = {"count": value}
    if isinstance(value, Mapping):
        return Chips.model_validate_json(json.dumps(value))
    raise wrong(json.dumps(value), "a whole number, or a mapping with the keys " + ", ".join(Chips.model_fields))


def _or_a_number(schema: dict[str, Any]) -> None:
    """Tell editors that the number alone will do."""
    mapping = {"$ref": schema.pop("$ref")}
    schema["anyOf"] = [{"type": "integer", "minimum": 1, "maximum": MOST_CHIPS}, mapping]


ChipsOrCount = Annotated[Chips, WrapValidator(_chips), Field(json_schema_extra=_or_a_number)]
"""A number of chips, or all that can be said of them."""

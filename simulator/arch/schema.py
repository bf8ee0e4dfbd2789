"""The machine as data: what a file under `arch_configs/machines/` may say.

Everything is frozen and strict; an `Architecture` that exists is a machine that can be built. Times in the
file are in the units of its keys; the conversions to cycles are the properties of `Architecture` and stand
nowhere else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PrivateAttr, SerializeAsAny, ValidationError, WrapValidator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from simulator.arch.mechanism import Mechanism
from simulator.arch.memory_system import Buffer, Memory
from simulator.arch.overrides import Override, apply_overrides
from simulator.arch.parts import Array, Part, Precision
from simulator.arch.problems import problems_of, wrong
from simulator.arch.scale_out import MOST_ARRAYS, ChipsOrCount
from traces.errors import InputError, Problem, nearest

if TYPE_CHECKING:
    import pandas as pd


def _memory(value: object, _: object) -> Memory | str:
    if isinstance(value, Memory) or value == "ideal":
        return value
    if isinstance(value, Mapping):
        return Memory.model_validate_json(json.dumps(value))
    raise wrong(
        json.dumps(value),
        "ideal, or a mapping with the keys " + ", ".join(Memory.model_fields),
        nearest(value, ["ideal"]) if isinstance(value, str) else "",
    )


def parse_mechanism(value: object) -> Mechanism:
    """Make the registered mechanism that a mapping names.

    Parameters
    ----------
    value : Mechanism or mapping
        Parameters with the key ``mechanism``; a `Mechanism` is returned as it is.

    Raises
    ------
    pydantic.ValidationError or pydantic_core.PydanticCustomError
        `Architecture.parse` and `mechanism_of` turn them into an `InputError`.
    """
    if isinstance(value, Mechanism):
        return value
    names = sorted(Mechanism.registered)
    expected = "mechanism: " + " | ".join(names)
    if not isinstance(value, Mapping):
        hint = f"write {{mechanism: {value}}}" if isinstance(value, str) else ""
        raise wrong(json.dumps(value), "a mapping with the key " + expected, hint)
    name = value.get("mechanism")
    if "mechanism" not in value:
        raise wrong("no key 'mechanism'", expected)
    if not isinstance(name, str) or name not in Mechanism.registered:
        hint = nearest(name, names) if isinstance(name, str) else ""
        error = wrong(json.dumps(name), "one of " + ", ".join(names), hint)
        raise _errors_at([(("mechanism",), error)])
    return Mechanism.registered[name].model_validate_json(json.dumps(value))


def _errors_at(errors: list[tuple[tuple[str, ...], PydanticCustomError]]) -> ValidationError:
    details: list[InitErrorDetails] = [{"type": error, "loc": loc, "input": None} for loc, error in errors]
    return ValidationError.from_exception_data("Architecture", details)


def mechanism_of(value: object, where: str = "skipping") -> Mechanism:
    """Make a mechanism from a mapping such as ``{"mechanism": "lookahead", "depth": 8}``.

    Raises
    ------
    InputError
        If the name is unknown or a parameter is wrong; `where` is said before the parameter's name.
    """
    try:
        return parse_mechanism(value)
    except PydanticCustomError as error:
        context = error.context or {}
        raise InputError.of(where, context["found"], context["expected"], context["hint"]) from None
    except ValidationError as error:
        name = value.get("mechanism") if isinstance(value, Mapping) else None
        model = Mechanism.registered.get(str(name), Part)
        raise InputError(problems_of(error, model, value, lambda loc, _: _under(where, loc))) from None


def _under(where: str, loc: tuple[str | int, ...]) -> str:
    return ".".join([where, *map(str, loc)])


class Architecture(Part):
    """A whole machine, frozen and checked.

    Raises
    ------
    InputError
        From `parse`, `replaced` and `with_mechanism`, with every problem at once.
    """

    name: str = Field(min_length=1, max_length=100, description="The machine's name in reports.")
    description: str = Field(default="", description="One line for `skipstone archs`.")
    clock_mhz: int = Field(ge=1, le=100_000, description="The machine's one clock, in MHz.")
    precision: Precision = Field(description="Number formats.")
    array: Array = Field(description="The MAC array.")
    arrays: int = Field(
        default=1,
        ge=1,
        le=MOST_ARRAYS,
        description="How many such arrays a chip has; they share its buffers, its vector unit and its DRAM.",
    )
    chips: ChipsOrCount = Field(
        default=1, validate_default=True, description="How many such chips train together: a number, or a mapping."
    )
    skipping: Annotated[SerializeAsAny[Mechanism], WrapValidator(lambda value, _: parse_mechanism(value))] = Field(
        description="How zeros of the skip operand are skipped."
    )
    memory: Annotated[Literal["ideal"] | Memory, WrapValidator(_memory)] = Field(
        description="ideal (operands are always there), or the memory system."
    )
    energy_table: str = Field(
        min_length=1, description="A table under arch_configs/energy/, or a file relative to this one."
    )

    _folder: Path | None = PrivateAttr(default=None)
    _stated_skipping: Mechanism | None = PrivateAttr(default=None)

    @classmethod
    def parse(
        cls,
        data: Mapping[str, Any],
        place: Callable[[tuple[str | int, ...], bool], str] | None = None,
        folder: Path | None = None,
    ) -> Architecture:
        """Check plain data and freeze it.

        Parameters
        ----------
        data : mapping
            What `json` could hold: the content of a machine file.
        place : callable, optional
            Says where a path of keys stands; the second argument is true where the key and not its value is
            meant. By default the dotted path.
        folder : Path, optional
            What a relative path in `energy_table` is relative to.
        """
        say = place or (lambda loc, _: ".".join(map(str, loc)) or "the machine")
        try:
            text = json.dumps(data, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InputError.of(say((), False), str(error), "plain data: texts, finite numbers, mappings") from None
        try:
            machine = cls.model_validate_json(text)
        except ValidationError as error:
            raise InputError(problems_of(error, cls, data, say)) from None
        machine._folder = folder
        return machine

    @property
    def folder(self) -> Path | None:
        """The folder of the machine's file, which relative paths start from; None where there is no file."""
        return self._folder

    def to_dict(self) -> dict[str, Any]:
        """Give the resolved machine as plain data, every default filled in; `parse` takes it back."""
        data = self.model_dump(mode="json")
        if self._stated_skipping is not None:
            data["skipping"] = self._stated_skipping.model_dump(mode="json")
        return data

    def told(self) -> dict[str, Any]:
        """Give `to_dict` without what says nothing: of arrays and links, where there is one array or one chip."""
        alone = {name for name, one in (("arrays", self.arrays == 1), ("chips", self.chips.count == 1)) if one}
        return {key: value for key, value in self.to_dict().items() if key not in alone}

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the resolved machine as canonical JSON, without its description.

        Two files that differ in comments, key order, or in whether they spell out a default have one digest; so have
        two that say different things of the links of a single chip, which has none.
        """
        data = {key: value for key, value in self.told().items() if key != "description"}
        text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def with_mechanism(self, mechanism: Mechanism | Mapping[str, Any]) -> Architecture:
        """Give the same machine with another mechanism."""
        chosen = mechanism_of(mechanism)
        return Architecture.parse({**self.to_dict(), "skipping": chosen.model_dump(mode="json")}, None, self.folder)

    def replaced(self, path: str, value: Any) -> Architecture:
        """Give a checked copy with one key changed, for instance ``replaced("array.rows", 64)``.

        The rules are those of ``--set``: see `simulator.arch.overrides`.
        """

        data = self.to_dict()
        override = Override(path, tuple(path.split(".")), value)
        problems: list[Problem] = apply_overrides(data, [override])
        if problems:
            raise InputError(problems)
        return Architecture.parse(data, None, self.folder)

    @property
    def ideal_memory(self) -> bool:
        """Whether operands are always there, so that only the array takes time."""
        return isinstance(self.memory, str)

    @property
    def scaled_out(self) -> bool:
        """Whether there is more than one array or chip."""
        return self.arrays > 1 or self.chips.count > 1

    @property
    def sends_sparse_gradients(self) -> bool:
        """Whether what crosses the links depends on where zeros are."""
        return self.chips.count > 1 and self.chips.gradients == "sparse"

    @property
    def reads_masks(self) -> bool:
        """Whether counts or times depend on where zeros are; those of a dense machine depend on shapes alone."""
        if self.sends_sparse_gradients:
            return True
        if self.skipping.uses_mask or self.ideal_memory:
            return self.skipping.uses_mask
        formats = self.system.formats
        return formats.skip != "dense" or formats.skip_on_chip != "dense"

    @property
    def system(self) -> Memory:
        """The memory system.

        Raises
        ------
        InputError
            If the machine has none (``memory: ideal``).
        """
        if isinstance(self.memory, str):
            raise InputError.of(f"machine {self.name}: memory", "ideal", "a mapping: buffers, dram, ...")
        return self.memory

    @property
    def dram_bytes_per_cycle(self) -> tuple[int, int]:
        """DRAM rate in bytes per machine cycle, an exact fraction (numerator, denominator), reduced."""
        rate = self.system.dram.bandwidth_mb_per_s
        common = gcd(rate, self.clock_mhz)
        return rate // common, self.clock_mhz // common

    @property
    def dram_latency_cycles(self) -> int:
        """DRAM latency in machine cycles, rounded up."""
        return -(-self.system.dram.latency_ps * self.clock_mhz // 1_000_000)

    @property
    def link_bytes_per_cycle(self) -> tuple[int, int]:
        """Rate of a link in each direction, in bytes per machine cycle, as `dram_bytes_per_cycle`."""
        rate = self.chips.link.bandwidth_mb_per_s
        common = gcd(rate, self.clock_mhz)
        return rate // common, self.clock_mhz // common

    @property
    def link_latency_cycles(self) -> int:
        """Latency of a link in machine cycles, rounded up."""
        return -(-self.chips.link.latency_ps * self.clock_mhz // 1_000_000)

    @property
    def multipliers(self) -> int:
        """Multipliers of all arrays: rows x columns, times those that feed a lane of a column."""
        of_an_array = self.array.rows * self.array.columns * self.skipping.macs_per_lane
        return of_an_array * self.arrays * self.chips.count

    def cycles_to_us(self, cycles: int) -> float:
        """Convert cycles to microseconds; the only place that does."""
        return cycles / self.clock_mhz

    def frame(self) -> pd.DataFrame:
        """Give a table of every key: columns ``key`` (its path), ``value`` (as text) and ``description``."""
        import pandas as pd

        from simulator.arch.notebook import settings

        rows = [(one.path, one.value, one.description) for one in settings(self)]
        return pd.DataFrame(rows, columns=["key", "value", "description"])

    def _repr_html_(self) -> str:
        from simulator.arch.notebook import to_html

        return to_html(self)

    @model_validator(mode="after")
    def _tiles_fit(self) -> Architecture:
        misfits = list(self._array_misfits())
        if not isinstance(self.memory, str):
            misfits += self._misfits(self.memory)
        if misfits:
            raise _errors_at(misfits)
        self._feed_the_mechanism()
        return self

    def _feed_the_mechanism(self) -> None:
        """Resolve what the mechanism takes from the shared buffer; `to_dict` keeps what the file states."""
        if isinstance(self.memory, str):
            return
        bits_per_cycle = self.memory.buffers.shared.read_bits_per_cycle
        if bits_per_cycle is not None:
            fed = self.skipping.fed(bits_per_cycle // (self.array.columns * self.precision.operand_bits))
            if fed is not self.skipping:
                self._stated_skipping = self.skipping
                self.__dict__["skipping"] = fed

    def _array_misfits(self) -> Iterator[tuple[tuple[str, ...], PydanticCustomError]]:
        """Find an array that has not the multipliers or the shapes that the mechanism speaks of."""
        if self.array.shapes and self.skipping.pass_shape(1, 1) != (1, 1):
            expected = f"no shapes: {self.skipping.mechanism} has tiles of its own"
            yield ("array", "shapes"), wrong(str([list(s) for s in self.array.shapes]), expected)
        rows, columns, multipliers = self.array.rows, self.array.columns, self.skipping.slots_per_cycle
        if multipliers is not None and rows * columns != multipliers:
            yield (
                ("array",),
                wrong(
                    f"{rows} x {columns} = {rows * columns} multipliers",
                    f"rows x columns = {multipliers}, as many as the parameters of {self.skipping.mechanism} have",
                    "change array and skipping together",
                ),
            )

    def _misfits(self, memory: Memory) -> Iterator[tuple[tuple[str, ...], PydanticCustomError]]:
        """Find what could never be mapped: tiles off the array's grid, a least tile larger than its slot."""
        mapping, array = memory.mapping, self.array
        own = (array.rows, array.columns)
        if mapping.shape != "auto" and mapping.shape not in (own, *array.shapes):
            known = ", ".join(str(list(shape)) for shape in (own, *array.shapes))
            yield ("memory", "mapping", "shape"), wrong(str(list(mapping.shape)), f"auto, or one of {known}")
            return
        rows, columns = self.skipping.pass_shape(*(own if mapping.shape == "auto" else mapping.shape))
        sides = (("tile_m", "rows", rows, array.rows), ("tile_n", "columns", columns, array.columns))
        for key, side, size, of_array in sides:
            tile = getattr(mapping, key)
            if tile == "auto":
                continue
            if size is None:
                expected = f"auto: a pass of {self.skipping.mechanism} holds all {side} that a product has"
                hint = f"set skipping.tile_{side}" if hasattr(self.skipping, f"tile_{side}") else ""
                yield ("memory", "mapping", key), wrong(str(tile), expected, hint)
            elif tile % size:
                name = f"array.{side}" if size == of_array else f"the {side} of a pass of {self.skipping.mechanism}"
                near = f"try {max(1, round(tile / size)) * size}"
                yield ("memory", "mapping", key), wrong(str(tile), f"auto, or a multiple of {name} ({size})", near)
        grain = self.skipping.position_grain
        if mapping.tile_k != "auto" and mapping.tile_k % grain:
            multiple = f"auto, or a multiple of the {grain} positions that {self.skipping.mechanism} takes together"
            near = f"try {max(1, round(mapping.tile_k / grain)) * grain}"
            yield ("memory", "mapping", "tile_k"), wrong(str(mapping.tile_k), multiple, near)
        m = (rows or 1) if mapping.tile_m == "auto" else mapping.tile_m
        n = (columns or 1) if mapping.tile_n == "auto" else mapping.tile_n
        k = 1 if mapping.tile_k == "auto" else mapping.tile_k
        bits, sum_bits = self.precision.operand_bits, self.precision.accumulator_bits
        least = {
            "skip": (m, k, bits, "positions"),
            "shared": (k, n, bits, "columns"),
            "output": (m, n, sum_bits, "columns"),
        }
        for name, (height, width, value_bits, unit) in least.items():
            buffer: Buffer = getattr(memory.buffers, name)
            needed_bytes = -(-height * width * value_bits // 8)
            if needed_bytes > buffer.slot_bytes:
                half = " (half of it holds a tile, because it is double-buffered)" if buffer.double else ""
                lines = "positions" if name == "shared" else "rows"
                yield (
                    ("memory", "buffers", name, "capacity_kib"),
                    wrong(
                        f"{buffer.capacity_kib} KiB{half}",
                        f"at least {-(-needed_bytes * buffer.slots // 1024)} KiB: the least tile is "
                        f"{height} {lines} x {width} {unit} of {value_bits} bits",
                    ),
                )

"""A report as its JSON has it: what the HTML page is made of, whether the run has just ended or its file was kept.

Only what a page says is read; other keys are let through. The fields are those of README's "JSON report".
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulator.arch.problems import problems_of
from simulator.report.result import SCHEMA_VERSION, Report
from traces.errors import InputError
from traces.regular_files import in_place_of_file

Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e300, le=1e300)]
Amount = Annotated[float, Field(ge=0, le=1e300)]
Ends = Annotated[list[Number], Field(min_length=2, max_length=2)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Slots = Annotated[int, Field(ge=0, lt=2**126)]  # cycles times MACs a cycle
EXPECTED = "a report.json of simulate --out"


class Saved(BaseModel):
    """A part of a saved report."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class _Versioned(Saved):
    schema_version: int


class Named(Saved):
    """The machine's name and digest."""

    name: str
    digest: str


class Replayed(Saved):
    """Which steps of which trace."""

    sha256: str
    steps: list[Count]


class Macs(Saved):
    """Multiply-accumulates by fate, and savings against the dense ones."""

    dense: Count
    executed: Count
    gated: Count
    skipped: Count
    saving_backward: Number
    saving_layers: Number
    saving_network: Number


class Cycles(Saved):
    """The array's own cycles, and stalled ones by reason."""

    total: Count
    by_phase: dict[str, Count]
    by_product: dict[str, Count]
    stalls: dict[str, Count]


class Energy(Saved):
    """Energies in pJ."""

    total: Number
    by_component: dict[str, Number]
    by_product: dict[str, Number]
    by_layer: dict[str, Number]
    making_zeros: Number


class Moved(Saved):
    """Bytes read and written."""

    read: Amount
    write: Amount


class Peaks(Saved):
    """What the machine could do at most in a cycle; no bytes where memory is ideal."""

    macs_per_cycle: Annotated[int, Field(ge=1, lt=2**63)]
    dram_bytes_per_cycle: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None


class AreaOf(Saved):
    """Cell area in mm2."""

    total: Number
    by_component: dict[str, Number]


class LayerProduct(Saved):
    """A product of a layer, summed over time steps and optimiser steps; `k` is 0 for work without MACs."""

    layer: str
    product: str
    phase: str
    times: Count
    m: Count
    k: Count
    n: Count
    macs_dense: Count
    macs_executed: Count
    cycles: Count
    stalls: dict[str, Count]
    dram_read_bytes: Count
    dram_write_bytes: Count
    energy_pj: Number

    @property
    def spent_cycles(self) -> int:
        """The array's own cycles and those that it stalled before these products."""
        return self.cycles + sum(self.stalls.values())

    @property
    def dram_bytes(self) -> int:
        """Bytes read and written."""
        return self.dram_read_bytes + self.dram_write_bytes


class Work(Saved):
    """The array's own cycles of a product of a layer, by what they were spent on."""

    layer: str
    product: str
    no_zeros: Count
    pass_overhead: Count
    missed_zeros: Count
    needed_macs: Count


class Limit(Saved):
    """The largest part of the time that is not the MACs themselves."""

    name: str
    share: Number
    is_what: str
    moved_by: str


class Explanation(Saved):
    """Why the figures are as they are."""

    sentences: list[str]
    time: dict[str, Number]
    work_by_product: list[Work]
    limiter: Limit


class Stretch(Saved):
    """A part of a training."""

    seconds: Number
    joules: Number
    sparsity: Number
    speedup: Number | None
    energy_saving: Number | None


class PhaseOf(Stretch):
    """A phase of a training: its share of the steps ends at `until`."""

    until: Number
    first_step: Count
    last_step: Count
    recorded_steps: Count


class CurveAt(Saved):
    """What the machine gains at some share of zeros; `step` where it is a recorded one's."""

    sparsity: Annotated[float, Field(ge=0, le=1)]
    speedup: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    energy_saving: Number
    step: Count | None = None


class SavedBreakEven(Saved):
    """The gains of a machine against the share of zeros, ascending."""

    points: Annotated[list[CurveAt], Field(min_length=1)]
    recorded: list[CurveAt]
    method: str


class WholeTraining(Stretch):
    """The training that the recorded steps are from."""

    total_steps: Count
    seconds_range: Ends
    joules_range: Ends
    phases: list[PhaseOf]
    method: str


class Run(Saved):
    """What one machine made of a trace; of the dense twin as of the machine itself."""

    schema_version: int
    architecture: Named
    trace: Replayed
    sparsity: Number
    macs: Macs
    cycles: Cycles
    time_us: Number
    energy_pj: Energy
    energy_delay_js: Number
    area_mm2: AreaOf | None
    dram_bytes: Moved
    dram_commands: dict[str, Count] | None
    utilization: Number
    explanation: Explanation
    machine: dict[str, Any]
    peaks: Peaks
    busy_cycles: dict[str, Count]
    mac_slots: dict[str, Slots]
    on_chip_bytes: dict[str, Moved]
    layer_products: list[LayerProduct]
    remarks: list[str]

    def setting(self, *keys: str) -> Any:
        """Read a key of the machine; None where it has none, or where its memory is ideal."""
        value: Any = self.machine
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def number(self, *keys: str) -> float:
        """Read a key of the machine that is a number; 0 where there is none."""
        value = self.setting(*keys)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


class SavedReport(Run):
    """A run and what it is compared with."""

    baseline: Run | None
    speedup: Number | None
    energy_saving: Number | None
    energy_delay_ratio: Number | None
    bound_speedup: Number | None
    training: WholeTraining | None
    break_even: SavedBreakEven | None


def saved(report: Report) -> SavedReport:
    """Take from a report what a page needs."""
    return SavedReport.model_validate(report.to_dict())


def read_report(path: str | os.PathLike[str]) -> SavedReport:
    """Read the JSON of a report.

    Raises
    ------
    InputError
        If it cannot be read or is no report, with every problem.
    """
    source = os.fspath(path)
    if found := in_place_of_file(path):
        raise InputError.of(source, found, EXPECTED)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        found = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InputError.of(source.replace("\0", "\\0"), found, EXPECTED) from None
    try:
        report = SavedReport.model_validate_json(text)
    except ValidationError as error:
        raise _refusal(source, text, error) from None
    if report.schema_version != SCHEMA_VERSION:
        raise _other_version(source, report.schema_version)
    return report


def _other_version(source: str, version: int) -> InputError:
    hint = "a newer Skipstone wrote it" if version > SCHEMA_VERSION else ""
    return InputError.of(source, f"schema version {version}", f"{EXPECTED}, version {SCHEMA_VERSION}", hint)


def _refusal(source: str, text: str, error: ValidationError) -> InputError:
    errors = error.errors(include_url=False)
    if errors[0]["type"] == "json_invalid":
        return InputError.of(source, f"no JSON ({errors[0]['ctx']['error']})", EXPECTED)
    if not errors[0]["loc"]:
        return InputError.of(source, "JSON that is no report", EXPECTED)
    with suppress(ValidationError):  # what another version calls its keys says nothing
        version = _Versioned.model_validate_json(text).schema_version
        if version != SCHEMA_VERSION:
            return _other_version(source, version)
    missing = sorted({str(one["loc"][0]) for one in errors if one["type"] == "missing" and len(one["loc"]) == 1})
    if "cycles" in missing:
        return InputError.of(source, "JSON that is no report", EXPECTED)
    if missing:
        keys = ", ".join(missing[:4]) + (" and others" if len(missing) > 4 else "")
        hint = "an older Skipstone wrote no page's details: replay the trace again"
        return InputError.of(source, f"no {keys}", EXPECTED, hint)
    problems = problems_of(error, SavedReport, {}, lambda loc, _: f"{source} {'.'.join(map(str, loc))}")
    return InputError(problems[:5])

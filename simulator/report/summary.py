"""What every form of a report says: headline, machine and trace, remarks. Forms only lay it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from simulator.arch import Architecture
from simulator.energy import AreaReport
from simulator.engine import Activity
from simulator.mapping import Count
from simulator.memory import timing_dram
from simulator.report import numbers
from simulator.report.result import Report
from simulator.report.training import Stretch, Training

if TYPE_CHECKING:
    from simulator.report.break_even import BreakEven

Line = tuple[str, str]

STALLED = "stalls"
DIGEST_DIGITS = 12
LISTED_STEPS = 6


def headline(report: Report) -> list[Line]:
    """Give the figures to remember, each with its label; comparisons only where the twin was replayed."""
    lines: list[Line] = []
    saved, twin = report.savings, report.baseline
    if report.speedup is not None:
        bound = "" if report.bound_speedup is None else f" (ideal skipping: {numbers.times(report.bound_speedup)})"
        lines.append(("speed-up", f"{numbers.times(report.speedup)} over the dense twin{bound}"))
    if report.energy_saving is not None and twin is not None:
        less = "saved" if report.energy_saving >= 0 else "more"
        lines.append(("energy", f"{numbers.percent(abs(report.energy_saving))} {less}: {_instead(report, twin)}"))
    else:
        lines.append(("energy", numbers.energy(report.energy.total_pj)))
    lines.append(
        (
            "MACs saved",
            f"{numbers.percent(saved['backward'])} of the layers' backward phase, "
            f"{numbers.percent(saved['layers'])} of the layers, "
            f"{numbers.percent(saved['network'])} of the network",
        )
    )
    clock = f"{numbers.count(report.arch.clock_mhz)} MHz"
    lines.append(("time", f"{numbers.time(report.time_us)}, {numbers.count(report.total_cycles)} cycles at {clock}"))
    if report.training is not None:
        lines.append(("training", whole_training(report.training)))
    whose = "all arrays'" if report.arch.scaled_out else "the array's"
    lines.append(("utilisation", f"{numbers.percent(report.utilization)} of {whose} MAC slots"))
    if report.scale_out is not None:
        lines.append(("scale-out", str(report.scale_out)))
    if report.energy_delay_ratio is not None:
        ratio = f"{report.energy_delay_ratio:.3f} of the dense twin's"
        lines.append(("energy-delay", f"{report.energy_delay_js:.4g} Js, {ratio}"))
    if report.area is not None and report.area.lines:
        lines.append(("area", _area(report.area)))
    return lines


def whole_training(training: Training) -> str:
    """Say what a training takes, beside the dense twin's where there is one."""
    run = training.run
    said = f"{numbers.time(run.seconds * 1e6)}, {numbers.energy(run.joules * 1e12)}"
    if run.twin_seconds is not None and run.twin_joules is not None:
        twin = f"{numbers.time(run.twin_seconds * 1e6)}, {numbers.energy(run.twin_joules * 1e12)}"
        said += f" (dense twin {twin})"
    return f"{numbers.count(training.course.total_steps)} steps: {said}"


def _area(area: AreaReport) -> str:
    per_mm2 = "" if area.macs_per_mm2 is None else f", {area.macs_per_mm2:.1f} MACs per mm2"
    return f"{numbers.aligned(area.total_mm2, numbers.MM2)} mm2 of cells{per_mm2}"


def _instead(report: Report, twin: Report) -> str:
    return f"{numbers.energy(report.energy.total_pj)} instead of {numbers.energy(twin.energy.total_pj)}"


def provenance(report: Report) -> list[Line]:
    """Say which machine, trace and energy table the figures belong to."""
    arch = report.arch
    size, precision = arch.array, arch.precision
    macs = f"{size.rows} x {size.columns}"
    if arch.skipping.macs_per_lane > 1:
        macs += f" x {arch.skipping.macs_per_lane}"
    if arch.scaled_out:
        macs = f"{arch.arrays * arch.chips.count} x {macs}"
    return [
        ("machine", f"{numbers.plain(arch.name)} (digest {arch.digest[:DIGEST_DIGITS]})"),
        (
            "array",
            f"{macs} MACs, {precision.operand} with {precision.accumulator} sums, {numbers.count(arch.clock_mhz)} MHz",
        ),
        ("skipping", mechanism(arch)),
        ("memory", memory(arch)),
        ("trace", f"sha256 {report.trace_sha256[:DIGEST_DIGITS]}, {steps(report.steps)}"),
        ("energy table", numbers.plain(report.energy.table_name)),
    ]


def mechanism(arch: Architecture) -> str:
    """Say the mechanism and what is not at its default, such as ``lookahead, depth 8, refill 4``."""
    skipping = arch.skipping
    said = [str(skipping.mechanism)]
    for name, field in type(skipping).model_fields.items():
        value = getattr(skipping, name)
        if name == "mechanism" or (not field.is_required() and value == field.default):
            continue
        spoken = {None: "unlimited", True: "yes", False: "no"}
        said.append(f"{name} {spoken[value] if value is None or isinstance(value, bool) else value}")
    return numbers.plain(", ".join(said))


def memory(arch: Architecture) -> str:
    """Say the memory system in a line."""
    if arch.ideal_memory:
        return "ideal"
    system = arch.system
    buffers, dram = system.buffers, system.dram
    sizes = ", ".join(
        f"{name} {numbers.count(getattr(buffers, name).capacity_kib)}" for name in ("skip", "shared", "output")
    )
    if dram.level == "timing":
        banks = timing_dram(arch)
        channels = f"{banks.channels} channel{'s' if banks.channels > 1 else ''}"
        return (
            f"{sizes} KiB; {numbers.plain(banks.standard.name)}, {channels}, {banks.peak_mb_per_s / 1000:g} GB/s peak"
        )
    return (
        f"{sizes} KiB; {numbers.plain(dram.standard or '')} at {dram.bandwidth_gb_per_s:g} GB/s, {dram.latency_ns:g} ns"
    )


def dram_commands(report: Report) -> list[Line]:
    """Say what banks and rows did, where the machine has them."""
    done = report.activity.dram_commands
    if not done:
        return []
    bursts = done["reads"] + done["writes"]
    hits = numbers.ratio(done["row_hits"], bursts)
    return [
        (
            "rows",
            f"{'-' if hits is None else numbers.percent(hits)} of {numbers.count(bursts)} bursts found their row open; "
            f"{numbers.count(done['activations'])} activates, {numbers.count(done['refreshes'])} refreshes",
        )
    ]


def steps(recorded: tuple[int, ...]) -> str:
    """Say which steps were replayed, such as ``3 steps: 100, 200, 300``."""
    if len(recorded) == 1:
        return f"step {recorded[0]}"
    if len(recorded) <= LISTED_STEPS:
        return f"{len(recorded)} steps: {', '.join(map(str, recorded))}"
    return f"{numbers.count(len(recorded))} steps: {recorded[0]} to {recorded[-1]}"


def remarks(report: Report) -> list[str]:
    """Say what to know before believing a figure: weak prices, and what was left out."""
    said = [numbers.plain(note) for note in report.energy.notes]
    chips = report.arch.chips
    if report.arch.ideal_memory:
        links = ", and the links between the chips" if chips.count > 1 else ""
        said.append(
            "memory: ideal leaves out buffers, DRAM and the vector unit, both their time and their energy; "
            f"only the array and its skip logic are counted{links}"
        )
    if chips.count > 1:
        said.append(f"MACs, bytes, energy and area are those of all {numbers.count(chips.count)} chips together")
        if chips.batch == "per_chip":
            said.append(f"a step trains on {numbers.count(chips.count)} times the sequences that were recorded")
        if report.arch.sends_sparse_gradients and chips.batch == "per_chip":
            said.append(
                "which gates of the other chips have a gradient was not recorded: each is taken to have as many as the "
                "recorded one, all of them other gates, so that the links carry no less than they would"
            )
    return said


class SlotUse(NamedTuple):
    """What became of a share of the array's MAC slots while the array ran."""

    name: str
    slots: int


def slot_uses(report: Report, product: str | None = None) -> list[SlotUse]:
    """Split the slots of the array's own cycles, all multipliers each, by what they did; the parts sum to all of them.

    Slots of rows and columns that no row or column of the product fills, and those of the set-up of passes,
    are the last part; and those of arrays and chips that wait for the slowest. Where the chip that was slowest in the
    whole step worked for a shorter time than others of its chips did, the slots are at least those that were used.

    Parameters
    ----------
    report : Report
    product : str, optional
        Name of the products that are split; default: all.
    """
    activity = report.activity
    chosen = slice(None) if product is None else activity.where(product=product)
    totals = activity.counts[chosen].sum(axis=0).tolist()
    every = report.arch.multipliers * int(activity.array_cycles[chosen].sum())
    uses = [
        SlotUse("executed MACs", totals[Count.MACS_EXECUTED]),
        SlotUse("gated MACs", totals[Count.MACS_GATED]),
        SlotUse("idle: imbalance", totals[Count.SLOTS_IMBALANCE]),
        SlotUse("idle: bank conflict", totals[Count.SLOTS_CONFLICT]),
        SlotUse("idle: window refill", totals[Count.SLOTS_REFILL]),
    ]
    rest = "short passes, set-up" + (", waits for others" if report.arch.scaled_out else "")
    return [*uses, SlotUse(rest, max(0, every - sum(use.slots for use in uses)))]


class CycleRow(NamedTuple):
    """A line of the table of cycles: array cycles of products, or stalled ones.

    Attributes
    ----------
    name : str
    level : int
        0 a sum of the lines below it, 1 a part of it.
    cycles : int
    twin_cycles : int or None
        The dense twin's; None without one.
    utilization : float or None
        Executed MACs over slots in these cycles; None where it is not the array that works.
    energy_pj : float or None
        Of the products; None for stalls, whose leakage is dealt out to the products that they hold up.
    """

    name: str
    level: int
    cycles: int
    twin_cycles: int | None
    utilization: float | None
    energy_pj: float | None


def cycle_rows(report: Report) -> list[CycleRow]:
    """List where the cycles go: phases, their products, stalls by reason and the total."""
    here, twin = _cycles(report), None if report.baseline is None else _cycles(report.baseline)
    slots_per_cycle = report.arch.multipliers
    by_phase, by_product = report.energy_by("phase"), report.energy_by("product")
    rows: list[CycleRow] = []

    def add(
        name: str, level: int, keys: list[tuple[str, str]], energy_pj: float | None = None, works: bool = True
    ) -> None:
        cycles = sum(here.get(key, (0, 0))[0] for key in keys)
        executed = sum(here.get(key, (0, 0))[1] for key in keys)
        rows.append(
            CycleRow(
                name,
                level,
                cycles,
                None if twin is None else sum(twin.get(key, (0, 0))[0] for key in keys),
                numbers.ratio(executed, max(cycles * slots_per_cycle, executed)) if works else None,
                energy_pj,
            )
        )

    phases = dict.fromkeys(phase for phase, _ in here if phase != STALLED)
    for phase in phases:
        parts = [key for key in here if key[0] == phase]
        add(phase, 0, parts, by_phase[phase])
        for key in parts:
            if here[key][0] or by_product[key[1]]:  # with ideal memory, tasks of the vector unit are nothing
                add(key[1], 1, [key], by_product[key[1]])
    stalls = [key for key in here if key[0] == STALLED]
    either = [key for key in stalls if here[key][0] or (twin is not None and twin[key][0])]
    add("stalls", 0, stalls, works=False)
    for key in either:
        add(key[1], 1, [key], works=False)
    add("total", 0, list(here), report.energy.total_pj)
    return rows


def _cycles(report: Report) -> dict[tuple[str, str], tuple[int, int]]:
    """Cycles and executed MACs by (phase, product), then of stalls by reason."""
    activity = report.activity
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    executed = activity.counts[:, Count.MACS_EXECUTED].tolist()
    for key, cycles, macs in zip(activity.keys, activity.array_cycles.tolist(), executed, strict=True):
        before = sums.get((key.phase, key.product), (0, 0))
        sums[key.phase, key.product] = (before[0] + cycles, before[1] + macs)
    return sums | {(STALLED, reason): (cycles, 0) for reason, cycles in report.stalls.items()}


class LayerRow(NamedTuple):
    """A line of the table of layers.

    Attributes
    ----------
    name : str
    cycles : int
        The array's own and those it stalled before the layer's products; they sum to the run's total.
    twin_cycles : int or None
    saving : float
        Share of the layer's dense MACs that was not executed.
    dram_bytes : int
        Read and written.
    energy_pj : float
    """

    name: str
    cycles: int
    twin_cycles: int | None
    saving: float
    dram_bytes: int
    energy_pj: float


def layer_rows(report: Report) -> list[LayerRow]:
    """List what each layer takes, in order of appearance."""
    twin = None if report.baseline is None else _layer_cycles(report.baseline.activity)
    rows, energy_pj = [], report.energy_by("layer")
    for name, cycles in _layer_cycles(report.activity).items():
        chosen = report.activity.where(layer=name)
        counts = report.activity.select(chosen)
        moved = int(counts[Count.DRAM_READ_BYTES] + counts[Count.DRAM_WRITE_BYTES])
        twin_cycles = None if twin is None else twin.get(name, 0)
        rows.append(LayerRow(name, cycles, twin_cycles, report.activity.saving(chosen), moved, energy_pj[name]))
    return rows


def _layer_cycles(activity: Activity) -> dict[str, int]:
    sums: dict[str, int] = {}
    spent = (activity.array_cycles + activity.stalls.sum(axis=1)).tolist()
    for key, cycles in zip(activity.keys, spent, strict=True):
        sums[key.layer] = sums.get(key.layer, 0) + cycles
    return sums


class TrainingRow(NamedTuple):
    """A line of the table of a whole training.

    Attributes
    ----------
    name : str
    level : int
        1 a phase, 0 the whole or something else of it.
    steps : float
        Optimiser steps.
    recorded_steps : int or None
        None where it is not a stretch of the training but the mean of all.
    sparsity : float
    time_us, energy_pj : float
    speedup, energy_saving : float or None
        None without a dense twin.
    """

    name: str
    level: int
    steps: int
    recorded_steps: int | None
    sparsity: float
    time_us: float
    energy_pj: float
    speedup: float | None
    energy_saving: float | None


def training_rows(training: Training) -> list[TrainingRow]:
    """List the phases of a training, all of it, and the mean epoch where the trace says how long one is."""

    def row(name: str, level: int, stretch: Stretch) -> TrainingRow:
        return TrainingRow(
            name,
            level,
            len(stretch.steps),
            stretch.recorded_steps,
            stretch.sparsity,
            stretch.seconds * 1e6,
            stretch.joules * 1e12,
            stretch.speedup,
            stretch.energy_saving,
        )

    rows = [row(f"to {100 * float(phase.until):g} %", 1, phase) for phase in training.phases]
    whole = row("total", 0, training.run)
    rows.append(whole)
    per_epoch, epochs = training.course.steps_per_epoch, training.epochs
    if per_epoch is not None and epochs:
        mean = whole._replace(name="mean epoch", steps=per_epoch, recorded_steps=None)
        rows.append(mean._replace(time_us=whole.time_us / epochs, energy_pj=whole.energy_pj / epochs))
    return rows


def break_even(found: BreakEven) -> list[Line]:
    """Say from which share of zeros on the machine gains, and how that was found."""
    return [
        ("break-even", f"in time, skipping {found.time}"),
        ("", f"in energy, it {found.energy}"),
        ("", f"({found.method})"),
    ]


def training_range(training: Training) -> str | None:
    """Say between what the sums lie whatever happened between recorded steps; None where they are not uncertain."""
    (least_s, most_s), (least_j, most_j) = training.seconds_range, training.joules_range
    if least_s == most_s and least_j == most_j:
        return None
    time, energy = numbers.time, numbers.energy
    return (
        f"{time(least_s * 1e6)} to {time(most_s * 1e6)} and {energy(least_j * 1e12)} to {energy(most_j * 1e12)}, if "
        "each step was like the cheaper, or the dearer, of its recorded neighbours"
    )


class Comparison(NamedTuple):
    """A quantity here and on the dense twin; the twin's is None without one."""

    name: str
    here: float
    twin: float | None


def energies(report: Report) -> list[Comparison]:
    """List the energy of each component that takes any, here or on the twin, in pJ."""
    here = report.energy.by_component()
    twin = None if report.baseline is None else report.baseline.energy.by_component()
    names = dict.fromkeys([*here, *(twin or {})])
    rows = [Comparison(name, here.get(name, 0.0), None if twin is None else twin.get(name, 0.0)) for name in names]
    return [row for row in rows if row.here or row.twin]


def dram_traffic(report: Report) -> list[Comparison]:
    """List the DRAM bytes read and written."""
    here = report.activity.totals()
    twin = None if report.baseline is None else report.baseline.activity.totals()
    return [
        Comparison(name, here[key], None if twin is None else twin[key])
        for name, key in (("read", "dram_read_bytes"), ("written", "dram_write_bytes"))
    ]

"""The tables of a run's page; each column sorts by its numbers and not by how they are written."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.report import numbers
from simulator.report.html.charts import GROUP_OF, spent_of
from simulator.report.html.elements import Cell, Column, table
from simulator.report.saved import LayerProduct, Run, SavedReport, Stretch, WholeTraining


def _count(value: int) -> Cell:
    return Cell(numbers.count(value), float(value))


def _share(value: float | None) -> Cell:
    return Cell("-", None) if value is None else Cell(_percent(value), value)


def _percent(value: float) -> str:
    return f"\N{MINUS SIGN}{numbers.percent(-value)}" if value <= -0.0005 else numbers.percent(value)


def _times(value: float | None) -> Cell:
    return Cell(numbers.times(value), value)


def _data(value: float) -> Cell:
    return Cell(numbers.data(round(value)), value)


def _pj(value: float, unit: numbers.Unit) -> Cell:
    return Cell(numbers.aligned(value, unit), value)


def _saved(here: float, twin: float) -> float | None:
    return 1 - here / twin if twin else None


def energy(report: SavedReport) -> str:
    """Tabulate the components against the twin's."""
    here, twin = report.energy_pj, report.baseline
    there = {} if twin is None else twin.energy_pj.by_component
    twin_total = None if twin is None else twin.energy_pj.total
    unit = numbers.unit_for([here.total, twin_total or 0.0], numbers.ENERGY_UNITS)
    columns = [Column("component", numeric=False), Column("part of", numeric=False), Column(unit.name), Column("share")]
    columns += (
        [] if twin is None else [Column(f"dense twin, {unit.name}"), Column("saved"), Column("of all that is saved")]
    )
    gain = 0.0 if twin_total is None else twin_total - here.total

    def row(name: str, group: str, pj: float, other: float | None) -> list[Cell]:
        cells = [Cell(name, name), Cell(group, group), _pj(pj, unit), _share(pj / here.total if here.total else None)]
        if other is not None:
            cells += [_pj(other, unit), _share(_saved(pj, other)), _share((other - pj) / gain if gain else None)]
        return cells

    names = [name for name, pj in here.by_component.items() if pj or there.get(name)]
    rows = [
        row(n, GROUP_OF.get(n, ""), here.by_component[n], None if twin is None else there.get(n, 0.0)) for n in names
    ]
    foot = row("total", "", here.total, twin_total)
    return table("Energy by component", columns, rows, foot, [f"component:{name}" for name in names])


def stalls(report: SavedReport) -> str:
    """Tabulate stalled cycles by reason."""
    twin = None if report.baseline is None else report.baseline.cycles.stalls
    columns = [Column("stalled for", numeric=False), Column("cycles"), Column("of the time")]
    columns += (
        [] if twin is None else [Column("dense twin"), Column("longest before", "where most of it was", numeric=False)]
    )
    columns += [Column("longest before", "where most of it was", numeric=False)] if twin is None else []
    total = report.cycles.total

    def row(name: str, spent: int, other: int | None, place: str) -> list[Cell]:
        cells = [Cell(name, name), _count(spent), _share(spent / total if total else None)]
        cells += [] if other is None else [_count(other)]
        return [*cells, Cell(place, place)]

    rows = []
    for reason, spent in report.cycles.stalls.items():
        if spent or (twin and twin.get(reason)):
            most = max(report.layer_products, key=lambda one: one.stalls.get(reason, 0), default=None)
            place = f"{most.layer} {most.product}" if most is not None and most.stalls.get(reason) else "-"
            rows.append(row(reason, spent, None if twin is None else twin.get(reason, 0), place))
    if not rows:
        return ""
    every = None if twin is None else sum(twin.values())
    return table("Stalls", columns, rows, row("total", sum(report.cycles.stalls.values()), every, ""))


def slots(report: SavedReport) -> str:
    """Tabulate what became of the array's MAC slots in its own cycles."""
    every = sum(report.mac_slots.values())
    there = {} if report.baseline is None else report.baseline.mac_slots
    every_there = sum(there.values())
    columns = [Column("MAC slots, while the array ran", numeric=False), Column("slots"), Column("share")]
    columns += [Column("dense twin")] if there else []
    rows = []
    for name, used in report.mac_slots.items():
        if used or there.get(name):
            cells = [Cell(name, name), _count(used), _share(used / every if every else None)]
            cells += [_share(there.get(name, 0) / every_there if every_there else None)] if there else []
            rows.append(cells)
    return table("What became of MAC slots", columns, rows) if rows else ""


def products(report: SavedReport) -> str:
    """Tabulate each product of each layer."""
    twins = spent_of(report.baseline)
    unit = numbers.unit_for([one.energy_pj for one in report.layer_products], numbers.ENERGY_UNITS)
    columns = [
        Column("product", numeric=False),
        Column("phase", numeric=False),
        Column("runs", "time steps times optimiser steps"),
        Column("M \N{MULTIPLICATION SIGN} K \N{MULTIPLICATION SIGN} N", "largest of the runs; sorts by MACs"),
        Column("MACs", "dense ones"),
        Column("saved", "share of the dense MACs that were not executed"),
        Column("cycles", "the array's own"),
        Column("stalled"),
        *([] if twins is None else [Column("speed-up", "over the dense twin, stalls included")]),
        Column("of the time"),
        Column("DRAM"),
        Column(unit.name),
    ]
    rows = []
    for one in report.layer_products:
        name, spent = f"{one.layer} {one.product}", one.spent_cycles
        shape = f"{one.m:,} \N{MULTIPLICATION SIGN} {one.k:,} \N{MULTIPLICATION SIGN} {one.n:,}" if one.k else "-"
        cells = [
            Cell(name, name), Cell(one.phase, one.phase), _count(one.times), Cell(shape, float(one.m * one.k * one.n)),
            Cell(numbers.count(one.macs_dense, 10**6), float(one.macs_dense)),
            _share(_saved(one.macs_executed, one.macs_dense)), _count(one.cycles), _count(spent - one.cycles),
        ]  # fmt: skip
        if twins is not None:
            other = twins.get((one.layer, one.product), 0)
            cells.append(_times(other / spent if spent else None))
        time = _share(spent / report.cycles.total if report.cycles.total else None)
        rows.append([*cells, time, _data(one.dram_bytes), _pj(one.energy_pj, unit)])
    return table("Products by layer", columns, rows, marks=[_about(one) for one in report.layer_products])


def _about(one: LayerProduct) -> str:
    return f"product:{one.layer}/{one.product}"


def layers(report: SavedReport) -> str:
    """Tabulate the layers."""
    here, there = _by_layer(report), {} if report.baseline is None else _by_layer(report.baseline)
    unit = numbers.unit_for(report.energy_pj.by_layer.values(), numbers.ENERGY_UNITS)
    columns = [Column("layer", numeric=False), Column("cycles", "stalls included")]
    columns += [Column("speed-up")] if there else []
    columns += [Column("MACs saved"), Column("DRAM"), Column(unit.name)]
    columns += [Column("energy saved")] if there else []
    rows = []
    for name, (spent, dense, executed, moved) in here.items():
        cells = [Cell(name, name), _count(spent)]
        cells += [_times(there.get(name, (0,))[0] / spent if spent else None)] if there else []
        pj = report.energy_pj.by_layer.get(name, 0.0)
        cells += [_share(_saved(executed, dense)), _data(moved), _pj(pj, unit)]
        if report.baseline is not None:
            cells.append(_share(_saved(pj, report.baseline.energy_pj.by_layer.get(name, 0.0))))
        rows.append(cells)
    return table("Layers", columns, rows)


def _by_layer(run: Run) -> dict[str, tuple[int, int, int, int]]:
    """Cycles with stalls, dense MACs, executed MACs and DRAM bytes of each layer."""
    sums: dict[str, tuple[int, int, int, int]] = {}
    for one in run.layer_products:
        before = sums.get(one.layer, (0, 0, 0, 0))
        more = (one.spent_cycles, one.macs_dense, one.macs_executed, one.dram_bytes)
        sums[one.layer] = (before[0] + more[0], before[1] + more[1], before[2] + more[2], before[3] + more[3])
    return sums


def traffic(report: SavedReport) -> str:
    """Tabulate bytes from and to DRAM by product, all layers together, against the twin's."""
    here, there = _traffic(report), {} if report.baseline is None else _traffic(report.baseline)
    total = report.dram_bytes.read + report.dram_bytes.write
    columns = [Column("product", numeric=False), Column("read"), Column("written"), Column("share")]
    columns += [Column("dense twin"), Column("saved")] if there else []

    def row(name: str, read: float, written: float, other: float | None) -> list[Cell]:
        moved = read + written
        cells = [Cell(name, name), _data(read), _data(written), _share(moved / total if total else None)]
        return cells + ([] if other is None else [_data(other), _share(_saved(moved, other))])

    rows = [
        row(name, *moved, sum(there.get(name, (0, 0))) if there else None) for name, moved in here.items() if any(moved)
    ]
    every = sum(map(sum, there.values())) if there else None
    foot = row("total", report.dram_bytes.read, report.dram_bytes.write, every)
    return table(
        "DRAM traffic by product", columns, rows, foot, [f"product:{name}" for name in here if any(here[name])]
    )


def _traffic(run: Run) -> dict[str, tuple[int, int]]:
    sums: dict[str, tuple[int, int]] = {}
    for one in run.layer_products:
        before = sums.get(one.product, (0, 0))
        sums[one.product] = (before[0] + one.dram_read_bytes, before[1] + one.dram_write_bytes)
    return sums


def commands(report: SavedReport) -> str:
    """Tabulate what banks and rows did, where the machine has them."""
    if not report.dram_commands:
        return ""
    rows: list[Sequence[Cell]] = [
        [Cell(name.replace("_", " "), name), _count(count)] for name, count in report.dram_commands.items()
    ]
    return table("DRAM commands", [Column("command", numeric=False), Column("count")], rows)


def training(whole: WholeTraining) -> str:
    """Tabulate the phases of a training and all of it."""
    stretches: list[tuple[str, Stretch, str, str]] = [
        (f"to {100 * one.until:g} %", one, f"{one.first_step:,} to {one.last_step:,}", f"{one.recorded_steps:,}")
        for one in whole.phases
    ]
    time = numbers.unit_for([whole.seconds * 1e6], numbers.TIME_UNITS)
    energy = numbers.unit_for([whole.joules * 1e12], numbers.ENERGY_UNITS)
    compared = whole.speedup is not None
    columns = [
        Column("training", numeric=False),
        Column("steps", numeric=False),
        Column("recorded"),
        Column("zeros in dG"),
    ]
    columns += [Column(time.name), *([Column("speed-up")] if compared else []), Column(energy.name)]
    columns += [Column("energy saved")] if compared else []

    def row(name: str, one: Stretch, steps: str, recorded: str, place: float) -> list[Cell]:
        cells = [Cell(name, place), Cell(steps, place), Cell(recorded, float(recorded.replace(",", "") or 0))]
        cells += [_share(one.sparsity), Cell(numbers.aligned(one.seconds * 1e6, time), one.seconds)]
        cells += [_times(one.speedup)] if compared else []
        cells.append(Cell(numbers.aligned(one.joules * 1e12, energy), one.joules))
        return cells + ([_share(one.energy_saving)] if compared else [])

    rows = [row(*stretch, float(place)) for place, stretch in enumerate(stretches)]
    recorded = f"{sum(one.recorded_steps for one in whole.phases):,}"
    foot = row("total", whole, f"{whole.total_steps:,}", recorded, float(len(rows)))
    return table("Phases of the training", columns, rows, foot)

"""The terminal report: narrow, plain when piped, and saying what the numbers say."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from plain.cases import machine

from simulator.engine import ActivityBuilder
from simulator.report import Report, numbers, summary
from simulator.report.terminal import render
from simulator.run import simulate

HUGE = 10**9


def huge(report: Report, factor: int = HUGE) -> Report:
    """The same report of a machine and a trace so many times as large, with long names."""
    activity = report.activity
    grown = replace(
        activity,
        keys=tuple(key._replace(layer=f"{key.layer}-" + "x" * 190) for key in activity.keys),
        **{name: getattr(activity, name) * factor for name in ("counts", "array_cycles", "stalls")},
        total_cycles=activity.total_cycles * factor,
    )
    arch = report.arch.replaced("name", "n" * 100)
    lines = tuple(replace(line, count=line.count * factor) for line in report.energy.lines)
    energy = replace(report.energy, lines=lines)
    changed = replace(report, activity=grown, arch=arch, energy=energy, steps=tuple(range(1000, 9000)))
    return changed if report.baseline is None else replace(changed, baseline=huge(report.baseline, factor))


@pytest.mark.parametrize("name", ["report", "lone_report", "ideal_memory_report"])
@pytest.mark.parametrize("large", [False, True])
def test_no_line_is_longer_than_80(name: str, large: bool, request: pytest.FixtureRequest) -> None:
    found: Report = request.getfixturevalue(name)
    lines = render(huge(found) if large else found, width=80, color=False).splitlines()
    assert max(map(len, lines)) <= 80
    assert not any(line != line.rstrip() for line in lines)


@pytest.mark.parametrize("factor", [1, 1000, 123_456, HUGE])
def test_no_number_is_cut_off_at_80_columns(report: Report, factor: int) -> None:
    text = render(huge(report, factor), width=80, color=False)
    assert "…" not in text  # this is how rich cuts
    assert text.count("lstm1-xxxxxx...") == 1


@pytest.mark.parametrize("width", [20, 79, 80, 100, 300])
def test_other_widths_are_kept_within_limits(report: Report, width: int) -> None:
    longest = max(map(len, render(report, width=width, color=False).splitlines()))
    assert longest <= min(max(width, 80), 110)


def test_piped_text_is_plain_ascii_of_80_columns(report: Report) -> None:
    text = render(report)
    assert text.isascii()
    assert "\x1b" not in text
    assert text == render(report, width=80, color=False)


def test_colour_changes_nothing_but_colour(report: Report) -> None:
    coloured = render(report, width=80, color=True)
    assert "\x1b[" in coloured
    stripped = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [line.rstrip() for line in stripped.splitlines()] == render(report, width=80, color=False).splitlines()


def test_headline_tells_speedup_bound_savings_and_time(report: Report) -> None:
    text = " ".join(render(report, width=110, color=False).split())
    assert f"speed-up {numbers.times(report.speedup)} over the dense twin" in text
    assert f"(ideal skipping: {numbers.times(report.bound_speedup)})" in text
    assert report.energy_saving is not None
    assert f"energy {numbers.percent(report.energy_saving)} saved" in text
    for name in ("backward", "layers", "network"):
        assert numbers.percent(report.savings[name]) in text
    assert f"{report.total_cycles:,} cycles at 1,000 MHz" in text
    assert report.arch.digest[:12] in text
    assert report.trace_sha256[:12] in text
    assert "2 steps: 3, 7" in text
    assert "lookahead, depth 8, refill 4, banks 2" in text


def test_every_figure_of_the_json_has_its_line(report: Report) -> None:
    text, data = render(report, width=80, color=False), report.to_dict()
    for name, cycles in {**data["cycles"]["by_phase"], **data["cycles"]["stalls"]}.items():
        if cycles:
            assert re.search(rf"^ *{name} +{cycles:,} ", text, re.M), name
    unit = numbers.unit_for([data["energy_pj"]["total"], data["baseline"]["energy_pj"]["total"]], numbers.ENERGY_UNITS)
    for name, energy_pj in data["energy_pj"]["by_component"].items():
        if energy_pj:
            amount = re.escape(numbers.aligned(energy_pj, unit))
            assert re.search(rf"^ *{name} +{amount} ", text, re.M), name
    assert re.search(rf"^  read +{re.escape(numbers.data(data['dram_bytes']['read']))} ", text, re.M)
    for layer in ("lstm0", "lstm1", "classifier"):
        assert re.search(rf"^{layer} ", text, re.M)


def test_without_baseline_nothing_is_compared(lone_report: Report) -> None:
    text = render(lone_report, width=80, color=False)
    for word in ("twin", "speed-up", "saved:", "ideal skipping", "None", "nan"):
        assert word not in text
    assert numbers.energy(lone_report.energy.total_pj) in text


def test_a_machine_that_costs_more_says_so(report: Report) -> None:
    assert report.baseline is not None
    worse = replace(report, energy=report.baseline.energy, baseline=replace(report.baseline, energy=report.energy))
    assert worse.energy_saving is not None
    line = dict(summary.headline(worse))["energy"]
    assert line.startswith(f"{numbers.percent(-worse.energy_saving)} more: ")


def test_notes_of_the_energy_report_are_told_once(report: Report) -> None:
    assert report.baseline is not None
    first, *others = report.energy.lines
    lines = (replace(first, note="a weak \x1b[31mprice"), *others)
    noted = replace(report, energy=replace(report.energy, lines=lines))
    noted = replace(noted, baseline=replace(report.baseline, energy=noted.energy))
    assert render(noted, width=80, color=False).count("a weak ?[31mprice") == 1


def test_ideal_memory_says_what_it_leaves_out(ideal_memory_report: Report) -> None:
    text = render(ideal_memory_report, width=80, color=False)
    assert "memory: ideal leaves out" in " ".join(text.split())
    assert "DRAM " not in text.split("note", 1)[0]


def test_slot_uses_are_all_slots_of_the_arrays_cycles(report: Report, ideal_memory_report: Report) -> None:
    for one in (report, ideal_memory_report):
        uses = summary.slot_uses(one)
        cycles = sum(one.cycles_by("phase").values())
        assert sum(use.slots for use in uses) == one.arch.multipliers * cycles
        assert all(use.slots >= 0 for use in uses)


def test_layer_cycles_sum_to_the_run(report: Report) -> None:
    rows = summary.layer_rows(report)
    assert report.baseline is not None
    assert [row.name for row in rows] == ["lstm0", "lstm1", "classifier"]
    assert sum(row.cycles for row in rows) == report.total_cycles
    assert sum(row.twin_cycles or 0 for row in rows) == report.baseline.total_cycles


def test_the_last_lines_are_the_explanation(report: Report, lone_report: Report) -> None:
    for one in (report, lone_report):
        text = " ".join(render(one, width=80, color=False, verbose=True).split())
        assert text.endswith(" ".join(one.explain()))


def test_the_whole_training_is_told_by_phase(report: Report) -> None:
    training = report.training
    assert training is not None
    text = render(report, width=80, color=False)
    lines = dict(summary.headline(report))
    assert lines["training"].startswith(
        f"{len(training.run.steps)} steps: {numbers.time(training.run.seconds * 1e6)}, "
    )
    assert "Whole training" in text
    for phase in training.phases:
        row = re.search(
            rf"^  to {100 * float(phase.until):g} % +{len(phase.steps)} +{phase.recorded_steps} (.*)", text, re.M
        )
        assert row is not None
        assert numbers.percent(phase.sparsity) in row.group(1)
        assert numbers.times(phase.speedup) in row.group(1)
    assert " ".join(training.method.split()) in " ".join(text.split())


def test_a_part_of_a_training_is_not_told_as_the_whole(small_trace: Path) -> None:
    part = simulate(machine(memory={}), small_trace, steps=(7, None), baseline=False)
    text = render(part, width=80, color=False)
    assert "training" not in text


def test_area_by_component_and_its_notes_are_told_where_asked_for(report: Report) -> None:
    plain, verbose = (render(report, width=80, color=False, verbose=v) for v in (False, True))
    assert report.area is not None
    for component, mm2 in report.area.by_component().items():
        row = rf"^  {component} +{re.escape(numbers.aligned(mm2, numbers.MM2))} +[<\d.]+ %  "
        assert re.search(row, verbose, re.M), component
    assert "\nArea " in verbose
    assert "\nArea " not in plain
    assert "cells alone" in verbose
    assert f"{numbers.aligned(report.area.total_mm2, numbers.MM2)} mm2 of cells" in plain


def test_energy_stands_beside_the_cycles_of_products_and_layers(report: Report) -> None:
    text = render(report, width=80, color=False)
    unit = numbers.unit_for([report.energy.total_pj], numbers.ENERGY_UNITS)
    layers = report.energy_by("layer")
    layer_unit = numbers.unit_for(layers.values(), numbers.ENERGY_UNITS)
    told = [*report.energy_by("product").items(), *report.energy_by("phase").items()]
    for name, energy_pj in told:
        assert re.search(rf"^ *{name} .* {re.escape(numbers.aligned(energy_pj, unit))}$", text, re.M), name
    for name, energy_pj in layers.items():
        assert re.search(rf"^{name} .* {re.escape(numbers.aligned(energy_pj, layer_unit))}$", text, re.M), name


def test_a_run_of_nothing_can_be_told(report: Report) -> None:
    nothing = replace(
        report,
        arch=machine(),
        activity=ActivityBuilder().finish(),
        energy=replace(report.energy, lines=()),
        baseline=None,
        bound=None,
    )
    text = render(nothing, width=80, color=False)
    assert "0 cycles" in text
    assert nothing._repr_html_().startswith("<div")
    assert len(nothing.frame()) == len(nothing.energy_frame()) == 0


@pytest.mark.parametrize(
    ("skipping", "said"),
    [
        ({"mechanism": "dense"}, "dense"),
        (
            {"mechanism": "lookahead", "depth": None, "refill": None, "banks": None},
            "lookahead, depth unlimited, refill unlimited",
        ),
        (
            {"mechanism": "lookahead", "depth": 1, "refill": None, "banks": 4, "gate": False, "block": 2},
            "lookahead, depth 1, refill unlimited, banks 4, gate no, block 2",
        ),
    ],
)
def test_mechanism_is_told_with_what_is_not_its_default(skipping: dict[str, object], said: str) -> None:
    assert summary.mechanism(machine(skipping=skipping)) == said

"""The page of one run: what it gained, what limits it, the machine at work, where energy and time went."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from simulator.report import numbers
from simulator.report.html import run_tables
from simulator.report.html.assumptions import ASSUMPTIONS
from simulator.report.html.break_even_chart import break_even_chart
from simulator.report.html.charts import NARROW, WIDE, cycles_chart, energy_chart, energy_legend, time_bar, time_legend
from simulator.report.html.diagram import diagram, slot_legend
from simulator.report.html.elements import figure, prose, rect, section, tag, text
from simulator.report.html.roofline import roof_of, roofline
from simulator.report.html.shell import Provenance, document, versions
from simulator.report.saved import SavedReport

LISTED_STEPS = 8


def run_page(report: SavedReport, provenance: Provenance | None = None) -> str:
    """Lay a report out as one HTML file.

    Parameters
    ----------
    report : SavedReport
        See `simulator.report.saved`.
    provenance : Provenance, optional
        The command that made it.

    Returns
    -------
    str
        The same report, command and versions give the same bytes; no time of day is in it.
    """
    sections = {
        "limits": ("What limits it", _limits(report)),
        "machine": ("The machine", _machine(report)),
        "energy": ("Energy", _energy(report)),
        "time": ("Time", _time(report)),
        "break-even": ("Break-even", _break_even(report)),
        "products": ("Products", _products(report)),
        "traffic": ("Traffic", _traffic(report)),
        "training": ("Whole training", _training(report)),
        "assumptions": ("Assumptions", _assumptions(report)),
        "provenance": ("Provenance", _provenance(report, provenance or Provenance())),
    }
    there = {anchor: both for anchor, both in sections.items() if both[1]}
    body = _head(report) + "\n".join(content for _, content in there.values())
    title = f"{report.architecture.name} on {_steps(report)} · Skipstone"
    return document(title, body, [(anchor, name) for anchor, (name, _) in there.items()], data=_data(report))


def _data(report: SavedReport) -> dict[str, object]:
    """What another program could take from the page."""
    return {"kind": "run", "report": report.model_dump(mode="json")}


def _steps(report: SavedReport) -> str:
    steps = report.trace.steps
    if len(steps) == 1:
        return f"step {steps[0]}"
    listed = ", ".join(map(str, steps)) if len(steps) <= LISTED_STEPS else f"{steps[0]} to {steps[-1]}"
    return f"{numbers.count(len(steps))} steps" + (f": {listed}" if steps else "")


# --- headline -------------------------------------------------------------------------------------------------


def _head(report: SavedReport) -> str:
    about = str(report.setting("description") or "")
    title = tag("h1", f"{text(report.architecture.name)} on {text(_steps(report))}")
    lead = tag("p", text(about)) if about else ""
    summary = tag("p", prose(report.explanation.sentences[0])) if report.explanation.sentences else ""
    figures = "".join([_gain(report), _energy_saved(report), _macs(report), _used(report)])
    return tag("div", title + lead, class_="title") + tag("dl", figures, class_="figures") + summary


def _big(name: str, value: str, unit: str, notes: str) -> str:
    shown = tag("span", text(value) + (tag("small", text(unit)) if unit else ""), class_="big")
    return tag("div", tag("dt", text(name)) + tag("dd", shown) + tag("dd", notes, class_="note"))


def _gain(report: SavedReport) -> str:
    time = f"{numbers.time(report.time_us)}, {numbers.count(report.cycles.total)} cycles"
    if report.speedup is None or report.baseline is None:
        scaled, _, unit = numbers.time(report.time_us).partition(" ")
        return _big("Time", scaled, unit, text(f"{numbers.count(report.cycles.total)} cycles; no twin was replayed"))
    notes = text(f"{time}; dense twin {numbers.time(report.baseline.time_us)}")
    if report.bound_speedup is not None:
        notes = _reached(report.speedup, report.bound_speedup) + notes
    return _big("Speed-up over the dense twin", _times(report.speedup), "", notes)


def _reached(speedup: float, bound: float) -> str:
    """Draw how much of ideal skipping's gain was reached."""
    share = min(1.0, max(0.0, (speedup - 1) / (bound - 1))) if bound > 1 else 0.0
    said = tag("span", "gain") + _bar(share) + tag("span", text(f"of {_times(bound)} at best"))
    return tag("span", said, class_="parts")


def _bar(share: float) -> str:
    drawn = rect(0, 0, 100, 7, "c-track") + rect(0, 0, 100 * max(0.0, share), 7, "c-blue")
    return tag("svg", drawn, viewBox="0 0 100 7", preserveAspectRatio="none", aria_hidden="true")


def _times(ratio: float) -> str:
    return f"{ratio:,.2f}\N{MULTIPLICATION SIGN}"


def _energy_saved(report: SavedReport) -> str:
    here = numbers.energy(report.energy_pj.total)
    if report.energy_saving is None or report.baseline is None:
        scaled, _, unit = here.partition(" ")
        return _big("Energy", scaled, unit, text(f"energy-delay product {report.energy_delay_js:.4g} Js"))
    word = "Energy saved" if report.energy_saving >= 0 else "Energy added"
    share = f"{100 * abs(report.energy_saving):.1f}"
    notes = text(f"{here} instead of {numbers.energy(report.baseline.energy_pj.total)}")
    if report.energy_delay_ratio is not None:
        notes += "<br>" + text(f"energy-delay product {report.energy_delay_ratio:.3f} of the twin's")
    return _big(word, share, "%", notes)


def _macs(report: SavedReport) -> str:
    macs = report.macs
    shares = {"backward": macs.saving_backward, "layers": macs.saving_layers, "network": macs.saving_network}
    parts = ""
    for name, share in shares.items():
        parts += tag("span", text(name)) + _bar(share) + tag("span", text(numbers.percent(share)))
    head = tag("span", f"{100 * macs.saving_network:.1f}" + tag("small", "% of the network"), class_="big")
    return tag("div", tag("dt", "MACs saved") + tag("dd", head) + tag("dd", parts, class_="note parts"))


def _used(report: SavedReport) -> str:
    notes = text(f"of the array's MAC slots; zeros in dG: {numbers.percent(report.sparsity)}")
    if report.area_mm2 is not None:
        notes += "<br>" + text(f"{report.area_mm2.total:,.2f} mm\N{SUPERSCRIPT TWO} of cells")
    return _big("Utilisation", f"{100 * report.utilization:.1f}", "%", notes)


# --- sections ---------------------------------------------------------------------------------------------------


def _limits(report: SavedReport) -> str:
    told, limit = report.explanation, report.explanation.limiter
    if not any(told.time.values()):
        return section("limits", "What limits it", *(tag("p", text(said)) for said in told.sentences))
    share = f" ({numbers.percent(limit.share)} of the time)" if limit.share else ""
    callout = tag("p", f"<b>Largest limit{text(share)}:</b> {prose(limit.is_what)}.")
    callout += tag("p", f"<b>What to try next:</b> {text(limit.moved_by)}.")
    reasons = "".join(tag("li", prose(said)) for said in told.sentences[1:-1])
    bar = figure(_both(lambda width: time_bar(report, width)), "All cycles of the run.", time_legend(report))
    said = tag("div", callout, class_="limit") + tag("ul", reasons, class_="why")
    return section("limits", "What limits it", bar, tag("div", said, class_="reasons"))


def _machine(report: SavedReport) -> str:
    drawn = tag("div", tag("div", diagram(report), class_="diagram"), class_="scroll", tabindex="0", role="region",
                aria_label="Block diagram")  # fmt: skip
    caption = "Each cell of the array is half a per cent of its MAC slots over the whole run."
    if report.peaks.dram_bytes_per_cycle is not None:
        caption += (
            " Arrows are as thick as the root of their bytes; those into a buffer count all that is written there, "
            "from DRAM or handed over on chip."
        )
    return section("machine", "The machine at work", figure(drawn, caption, slot_legend(report)))


def _energy(report: SavedReport) -> str:
    drawn = _both(lambda width: energy_chart(report, width))
    caption = "Bars: this machine." + (
        "" if report.baseline is None else " Upright lines and percentages: its dense twin."
    )
    return section(
        "energy", "Where the energy goes", figure(drawn, caption, energy_legend(report)), run_tables.energy(report)
    )


def _time(report: SavedReport) -> str:
    if not report.cycles.total:
        return ""
    views = {"by product": False, "by layer and product": True}
    inputs, drawings = "", ""
    for number, (name, by_layer) in enumerate(views.items()):
        anchor = f"cycles-{number}"
        inputs += tag(
            "input", type="radio", name="cycles-view", id=f"{anchor}-choice", value=anchor, checked=number == 0
        )
        inputs += tag("label", text(name), for_=f"{anchor}-choice")
        drawn = _both(partial(cycles_chart, report, by_layer=by_layer))
        drawings += tag("div", drawn, id=anchor, class_="chosen", hidden=number > 0)
    choice = tag("fieldset", tag("legend", "Rows") + inputs, class_="choice")
    twin = "" if report.baseline is None else " Upright lines: the dense twin, with speed-ups over it."
    caption = f"The array's own cycles and, hatched, those that it stalled before a product.{twin}"
    charts = figure(choice + drawings, caption, time_legend(report))
    tables = tag("div", run_tables.stalls(report) + run_tables.slots(report), class_="pair")
    return section("time", "Where the time goes", charts, _roofline(report), tables)


def _roofline(report: SavedReport) -> str:
    drawings = {width: roofline(report, width) for width in (WIDE, NARROW)}
    roof = roof_of(report)
    if roof is None or None in drawings.values():
        return ""
    drawn = _both(lambda width: drawings[width] or "")
    joined = "" if report.baseline is None else " A line leads from the same product on the dense twin (ring)."
    caption = (
        f"Forward products are discs, backward ones diamonds, as large as their time.{joined} A product whose tiles "
        "were fetched during the one before may stand above the slope."
    )
    head = tag("h3", "Roofline", id="roofline")
    return head + figure(drawn, caption, [("c-blue", "forward"), ("c-red", "backward")])


def _break_even(report: SavedReport) -> str:
    found = report.break_even
    if found is None:
        return ""
    drawn = _both(lambda width: break_even_chart(found, width))
    marks = " Discs and diamonds are the recorded steps, with the zeros that they have." if found.recorded else ""
    caption = f"Against the dense twin, over the share of zeros in dG: {found.method}.{marks}"
    legend = [("c-blue", "time (solid, discs)"), ("c-red", "energy (dashed, diamonds)")]
    return section("break-even", "From which share of zeros on skipping pays", figure(drawn, caption, legend))


def _products(report: SavedReport) -> str:
    return section(
        "products", "Products", run_tables.products(report), run_tables.layers(report),
        lead="Each product of each layer, summed over time steps and optimiser steps. Heads sort.",
    )  # fmt: skip


def _traffic(report: SavedReport) -> str:
    moved = report.dram_bytes
    if not (moved.read or moved.write):
        return ""
    lead = f"{numbers.data(int(moved.read))} read and {numbers.data(int(moved.write))} written."
    return section("traffic", "DRAM traffic", run_tables.traffic(report), run_tables.commands(report), lead=lead)


def _training(report: SavedReport) -> str:
    training = report.training
    if training is None:
        return ""
    lead = f"{numbers.count(training.total_steps)} steps: {numbers.time(training.seconds * 1e6)}, "
    lead += f"{numbers.energy(training.joules * 1e12)}. {training.method[:1].upper()}{training.method[1:]}."
    (least_s, most_s), (least_j, most_j) = training.seconds_range, training.joules_range
    if (least_s, least_j) != (most_s, most_j):
        times = f"{numbers.time(least_s * 1e6)} to {numbers.time(most_s * 1e6)}"
        energies = f"{numbers.energy(least_j * 1e12)} to {numbers.energy(most_j * 1e12)}"
        lead += f" If each step was like the cheaper, or the dearer, of its recorded neighbours: {times}, {energies}."
    return section("training", "The whole training", run_tables.training(training), lead=lead)


def _assumptions(report: SavedReport) -> str:
    points = "".join(
        tag("li", f"<b>{text(one.title)}</b>{text(one.told)} " + tag("small", text(f"MODEL.md, {one.heading}")))
        for one in ASSUMPTIONS
    )
    remarks = "".join(tag("p", text(said), class_="remark") for said in report.remarks)
    return section("assumptions", "Assumptions", remarks, tag("ul", points, class_="columns"))


def _provenance(report: SavedReport, provenance: Provenance) -> str:
    twin = report.baseline
    facts = [
        ("machine", report.architecture.name),
        ("machine's digest", report.architecture.digest),
        *([] if twin is None else [("dense twin's digest", twin.architecture.digest)]),
        ("trace", f"sha256 {report.trace.sha256}"),
        ("steps", _steps(report)),
        ("energy table", str(report.setting("energy_table") or "")),
        *provenance.sources,
        *([("command", provenance.command)] if provenance.command else []),
        ("page made by", ", ".join(f"{name} {version}" for name, version in versions())),
    ]
    listed = "".join(
        tag("dt", text(name)) + tag("dd", tag("span", text(said), class_="digest")) for name, said in facts
    )
    config = tag("pre", text_block(json.dumps(report.machine, indent=2, ensure_ascii=False)))
    whole = tag("details", tag("summary", "The machine with every key resolved") + config)
    return section("provenance", "Provenance", tag("dl", listed, class_="facts"), whole)


def text_block(content: str) -> str:
    """Escape a text of several lines."""
    return "\n".join(text(line) for line in content.split("\n"))


def _both(draw: Callable[[int], str]) -> str:
    """Draw for wide and for narrow windows; the style shows one of them."""
    return tag("div", draw(WIDE), class_="wide-only") + tag("div", draw(NARROW), class_="narrow-only")

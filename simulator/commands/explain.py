"""`skipstone explain`: how products were mapped, what was second, why, and what bounds them."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

import click

from simulator.commands.options import arch_option, trace_option
from traces.errors import InputError, nearest
from traces.program import say

if TYPE_CHECKING:
    from simulator.explore.mappings import MappedProduct, MappedStep
    from simulator.mapping import Candidate

WIDTH = 80


@click.command("explain", context_settings={"max_content_width": 100})
@arch_option
@trace_option("The trace.")
@click.option("--step", type=int, metavar="N", help="The recorded step; by default the last.")
@click.option("--layer", metavar="NAME", help="Only the products of this layer.")
@click.option("--product", metavar="NAME", help="Only the products of this name, such as dW.")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a key of the machine. Can be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option("--quiet", is_flag=True, help="No note on stderr where kernels must be compiled.")
def explain(
    machine: str,
    trace_file: str,
    step: int | None,
    layer: str | None,
    product: str | None,
    overrides: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Say which mapping the planner chose for each product of a step, which was second, and why.

    A price is: first load + the busiest of array, DRAM and vector unit + last tile - what stands in the pauses of a
    serial chain.
    """
    from simulator.arch import load_arch
    from simulator.explore.mappings import map_step
    from simulator.run import KeptSteps
    from traces import Trace

    arch = load_arch(machine, list(overrides))
    if arch.ideal_memory:
        hint = "with memory: ideal a product is one tile, so that there is nothing to choose; try --set memory={}"
        raise InputError.of(f"machine {arch.name}: memory", "ideal", "a mapping: buffers, dram, ...", hint)
    with Trace(trace_file) as trace:
        if not trace.steps:
            raise InputError.of(trace_file, "no recorded step", "a trace with at least one")
        number = trace.steps[-1] if step is None else step
        if number not in trace.steps:
            raise InputError.of("--step", str(number), f"one of {', '.join(map(str, trace.steps))}")
        share = KeptSteps(trace, most_bytes=0).shares(number, arch)[0]
        mapped = map_step(arch, share.workload)
        sha256 = trace.sha256
    chosen = _select(mapped, layer, product)
    if as_json:
        data = {
            "schema_version": 1,
            "architecture": {"name": arch.name, "digest": arch.digest},
            "trace": {"sha256": sha256},
            "step": number,
            "total_cycles": mapped.total_cycles,
            "bound": mapped.limits.largest[0],
            "bound_cycles": mapped.limits.largest[1],
            "over_bound": mapped.over_bound,
            "without_macs": mapped.without_macs,
            "products": [m.to_dict() for m in chosen],
        }
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
        return
    one = f" (the first of {arch.chips.count} chips, before the all-reduce)" if arch.chips.count > 1 else ""
    say("\n".join(textwrap.wrap(f"{arch.name}, step {number}{one}: {_whole(mapped)}", WIDTH)))
    for m in chosen:
        say(f"\n{_told(m)}")
    if mapped.without_macs and layer is product is None:
        click.echo(f"\nwork without MACs: stalls: {_stalls(mapped.without_macs)}")


def _select(mapped: MappedStep, layer: str | None, product: str | None) -> list[MappedProduct]:
    """Pick the products that were asked for; an unknown name is the user's mistake."""
    found = list(mapped.products)
    for option, name, field in (("--layer", layer, "layer"), ("--product", product, "name")):
        if name is None:
            continue
        known = list(dict.fromkeys(str(getattr(m.choice.product, field)) for m in found))
        if name not in known:
            of = f", the products of {layer}" if field == "name" and layer is not None else ""
            raise InputError.of(option, repr(name), f"one of {', '.join(known)}{of}", nearest(name, known))
        found = [m for m in found if getattr(m.choice.product, field) == name]
    return found


def _whole(mapped: MappedStep) -> str:
    from simulator.report import numbers

    name, cycles = mapped.limits.largest
    over = f", {numbers.percent(mapped.over_bound)} above it" if cycles else ""
    bound = f"bound: {name.replace('_', ' ')}{over}"
    return f"{mapped.total_cycles:,} cycles; no schedule of these jobs beats {cycles:,} ({bound})"


def _stalls(stalls: dict[str, int]) -> str:
    return ", ".join(f"{reason} {cycles:,}" for reason, cycles in stalls.items()) or "none"


def _told(mapped: MappedProduct) -> str:
    """Write a product as a paragraph: shape, what was chosen, what was second, what it took."""
    from simulator.explore.mappings import MOVES
    from simulator.mapping import why_not

    product, choice = mapped.choice.product, mapped.choice
    times = f", {choice.times} times" if choice.times > 1 else ""
    head = f"{product.layer} {product.name}: {product.m} x {product.k} x {product.n}{times}"
    lines = textwrap.wrap(head, WIDTH)
    chosen = mapped.chosen
    kept = [
        text
        for text, holds in (
            (f"{product.shared_operand} stays in its buffer", chosen.tiling.shared_resident),
            ("the skip operand comes on chip", chosen.tiling.skip_on_chip),
            ("partial sums go to DRAM", not chosen.tiling.sums_stay),
        )
        if holds
    ]
    lines += _entry("chosen", "; ".join([_mapping(chosen), *kept]) + f": {_price(chosen)}")
    if mapped.second is not None:
        lines += _entry("second", f"{_mapping(mapped.second)}: {why_not(chosen, mapped.second)}")
        lines += _entry("of", f"{len(choice.candidates):,} that fit")
    else:
        lines += _entry("second", "none: nothing else fits")
    lines += _entry("took", f"{mapped.array_cycles:,} array cycles; stalls: {_stalls(mapped.stalls)}")
    lines += _entry("limit", f"{mapped.limiter}; what would move it: {MOVES[mapped.limiter]}")
    return "\n".join(lines)


def _mapping(candidate: Candidate) -> str:
    tiling = candidate.tiling
    tile = f"{tiling.tile_m} x {tiling.tile_n} x {tiling.tile_k}"
    return f"{tiling.order}, tiles of {tile} on {tiling.rows} x {tiling.columns}"


def _price(candidate: Candidate) -> str:
    from simulator.mapping import busiest_unit

    parts = f"{candidate.first_load_cycles:,} + {candidate.busiest_cycles:,} ({busiest_unit(candidate)})"
    hidden = f" - {candidate.hidden_cycles:,}" if candidate.hidden_cycles else ""
    return f"priced {candidate.price_cycles:,} cycles = {parts} + {candidate.last_cycles:,}{hidden}"


def _entry(label: str, text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=f"  {label:<8}", subsequent_indent=" " * 10)

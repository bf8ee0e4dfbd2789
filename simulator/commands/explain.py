"""`skipstone explain`: how products were mapped, what was second, why, and what bounds them."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

import click

from traces.errors import InputError, nearest

if TYPE_CHECKING:
    from simulator.explore.mappings import MappedProduct, MappedStep
    from simulator.mapping import Candidate

WIDTH = 80


@click.command("explain", context_settings={"max_content_width": 100})
@click.option("--arch", "machine", required=True, metavar="NAME|FILE.yaml", help="A shipped machine or a file.")
@click.option("--trace", "trace_file", required=True, metavar="FILE.npz", help="The trace.")
@click.option("--step", type=int, metavar="N", help="The recorded step; by default the last.")
@click.option("--layer", metavar="NAME", help="Only the products of this layer.")
@click.option("--product", metavar="NAME", help="Only the products of this name, such as dW.")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a key of the machine. Can be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def explain(
    machine: str,
    trace_file: str,
    step: int | None,
    layer: str | None,
    product: str | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say which mapping the planner chose for each product of a step, which was second, and why.

    A price is: first load + the busiest of array, DRAM and vector unit + last tile - what stands in the pauses of a
    serial chain.
    """
    from simulator.arch import load_arch
    from simulator.explore.mappings import map_step
    from simulator.workload import lower
    from traces import Trace

    arch = load_arch(machine, list(overrides))
    with Trace(trace_file) as trace:
        number = trace.steps[-1] if step is None and trace.steps else step
        if number is None or number not in trace.steps:
            known = ", ".join(map(str, trace.steps)) or "none"
            raise InputError.of("--step", "no recorded step" if number is None else str(number), f"one of {known}")
        mapped = map_step(arch, lower(trace, trace.step(number)))
    chosen = _select(mapped, layer, product)
    if as_json:
        limits = {"bound": mapped.limits.largest[0], "bound_cycles": mapped.limits.largest[1]}
        data = {"architecture": arch.name, "step": number, "total_cycles": mapped.total_cycles, **limits}
        click.echo(json.dumps({**data, "products": [m.to_dict() for m in chosen]}, indent=2, ensure_ascii=False))
        return
    click.echo(f"{arch.name}, step {number}: {_whole(mapped)}\n")
    click.echo("\n\n".join(_told(m) for m in chosen))


def _select(mapped: MappedStep, layer: str | None, product: str | None) -> list[MappedProduct]:
    """Pick the products that were asked for; an unknown name is the user's mistake."""
    found = list(mapped.products)
    for option, name, field in (("--layer", layer, "layer"), ("--product", product, "name")):
        if name is None:
            continue
        known = list(dict.fromkeys(str(getattr(m.choice.product, field)) for m in found))
        if name not in known:
            raise InputError.of(option, repr(name), "one of " + ", ".join(known), nearest(name, known))
        found = [m for m in found if getattr(m.choice.product, field) == name]
    return found


def _whole(mapped: MappedStep) -> str:
    name, cycles = mapped.limits.largest
    over = f", {mapped.total_cycles / cycles - 1:.1%} over it" if cycles else ""
    return f"{mapped.total_cycles:,} cycles; no schedule beats {cycles:,} (bound: {name.replace('_', ' ')}{over})"


def _told(mapped: MappedProduct) -> str:
    """Write a product as a paragraph: shape, what was chosen, what was second, what it took."""
    from simulator.explore.mappings import MOVES
    from simulator.mapping import why_not

    product, choice = mapped.choice.product, mapped.choice
    times = f", {choice.times} times" if choice.times > 1 else ""
    lines = [f"{product.layer} {product.name}: {product.m} x {product.k} x {product.n}{times}"]
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
    stalls = ", ".join(f"{reason} {cycles:,}" for reason, cycles in mapped.stalls.items()) or "none"
    lines += _entry("took", f"{mapped.array_cycles:,} array cycles; stalls: {stalls}")
    lines += _entry("limit", f"{mapped.limiter.replace('_', ' ')}; what would move it: {MOVES[mapped.limiter]}")
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

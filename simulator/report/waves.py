"""A pass cycle by cycle as a value change dump (VCD), which GTKWave, Surfer and other wave viewers open.

Every mechanism with a schedule has the scope ``skipstone.model``: which lane multiplies which position when. Those that
the hardware under ``tests/rtl`` is built for have the signals of that hardware beside it, by the same paths, so that a
dump of either opens with the other's saved view. A cycle is `CYCLE_NS` long in the file, whatever the machine's clock;
the first cycle of the pass begins at 0.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from importlib import import_module
from itertools import repeat
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from simulator.arch import Architecture, Mechanism
from simulator.report.bit_vectors import Path
from simulator.report.chosen_pass import ChosenPass, require_lane_schedule
from simulator.report.files import write_text_atomically
from simulator.report.inner_product_tile import InnerProductTile, as_inner_product
from simulator.report.lookahead_tile import LookaheadTile, as_lookahead
from simulator.skipping import Gated, Lookahead, Structured, VectorSkip
from simulator.values.schedules import LaneSchedule, schedule_pass
from traces.errors import InputError

TOP = "skipstone"
CYCLE_NS = 2
MODEL: Path = ("model",)

_CLOCK: Path = ("tile", "clock")
_UNKNOWN = "x"

Values = dict[Path, int | str]


def write_waves(arch: Architecture, chosen: ChosenPass, path: str | os.PathLike[str]) -> FilePath:
    """Write the waves of a pass.

    Parameters
    ----------
    arch : Architecture
        With a mechanism of lanes that has a schedule.
    chosen : ChosenPass
    path : str or path-like
        The VCD file; written whole or not at all.

    Raises
    ------
    InputError
        If pyvcd is not installed, the mechanism has no schedule of lanes, or the file cannot be written.
    """
    writer_of = require_pyvcd()
    require_lane_schedule(arch)
    schedule = schedule_pass(arch.skipping, chosen.mask, chosen.recorded)
    widths = {**_model_signals(len(chosen.mask))}
    told: Iterator[dict[Path, int]] = repeat({})
    hardware = hardware_for(arch.skipping, *chosen.mask.shape)
    if hardware is not None:
        widths |= hardware.signals()
        told = hardware.values(chosen.mask, schedule)
    text = io.StringIO()
    lanes, positions = chosen.mask.shape
    comment = " ".join(f"{chosen.name} on {arch.name}, {lanes} lanes, {positions} positions".replace("$", " ").split())
    with writer_of(text, timescale="1 ns", date="", comment=comment, check_values=False) as writer:
        for scope in sorted({signal[:-1] for signal in widths}):
            for depth in range(1, len(scope) + 1):
                # Generated blocks, as a simulator of SystemVerilog calls them.
                if scope[depth - 1].startswith(("lane[", "row[")):
                    writer.set_scope_type((TOP, *scope[:depth]), "begin")
        variables = {
            signal: writer.register_var((TOP, *signal[:-1]), signal[-1], "wire", size=width, init=_UNKNOWN)
            for signal, width in widths.items()
        }
        model = _model_values(chosen, schedule, gates=_gates(arch.skipping))
        for cycle, (own, hardware_values) in enumerate(zip(model, told, strict=False)):
            now = cycle * CYCLE_NS
            for signal, value in {**own, **hardware_values}.items():
                writer.change(variables[signal], now, value)
            if _CLOCK in variables:
                writer.change(variables[_CLOCK], now, 1)
                writer.change(variables[_CLOCK], now + CYCLE_NS // 2, 0)
        writer.close((schedule.cycles + 1) * CYCLE_NS)
    return write_text_atomically(path, text.getvalue())


def hardware_for(mechanism: Mechanism, lanes: int, positions: int) -> LookaheadTile | InnerProductTile | None:
    """Give the smallest hardware under ``tests/rtl`` that runs such a pass; None where there is none."""
    lookahead, inner_product = as_lookahead(mechanism), as_inner_product(mechanism)
    if lookahead is not None:
        return LookaheadTile.smallest(lookahead, lanes, positions)
    return None if inner_product is None else InnerProductTile.smallest(inner_product, lanes, positions)


def require_pyvcd() -> Any:
    """Give pyvcd's writer.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        return import_module("vcd").VCDWriter
    except ImportError:
        hint = "pip install 'skipstone[waves]'"
        raise InputError.of("--waves", "pyvcd is not installed", "pyvcd", hint) from None


def _gates(mechanism: Mechanism) -> bool:
    """Whether zeros take slots whose MACs are switched off: a slot for each lane and cycle, all the time."""
    if isinstance(mechanism, Lookahead):
        return mechanism.depth == 1 and mechanism.gate
    return isinstance(mechanism, Gated | VectorSkip | Structured)


def _model_signals(lanes: int) -> dict[Path, int]:
    widths: dict[Path, int] = {
        (*MODEL, "cycle"): 32,
        (*MODEL, "running"): 1,
        (*MODEL, "executed"): 32,
        (*MODEL, "gated"): 32,
    }
    for lane in range(lanes):
        widths |= {(*MODEL, f"lane[{lane}]", "position"): 32, (*MODEL, f"lane[{lane}]", "macs"): 16}
    return widths


def _model_values(chosen: ChosenPass, schedule: LaneSchedule, gates: bool) -> Iterator[Values]:
    """Walk the cycles of a pass, and one more in which it is done: MACs of a column, and the position of each lane.

    A lane with several multipliers shows the lowest position, and how many MACs it makes.
    """
    lanes = len(chosen.mask)
    begins = np.searchsorted(schedule.cycle, np.arange(schedule.cycles + 2))
    for cycle in range(schedule.cycles + 1):
        own = slice(begins[cycle], begins[cycle + 1])
        running, executed = cycle < schedule.cycles, int(begins[cycle + 1] - begins[cycle])
        positions: dict[int, int] = {}
        macs = np.bincount(schedule.lane[own], minlength=lanes)
        for lane, position in zip(schedule.lane[own].tolist(), schedule.position[own].tolist(), strict=True):
            positions[lane] = min(position, positions.get(lane, position))
        found: Values = {
            (*MODEL, "cycle"): cycle,
            (*MODEL, "running"): int(running),
            (*MODEL, "executed"): executed,
            (*MODEL, "gated"): lanes - executed if gates and running else 0,
        }
        for lane in range(lanes):
            found[*MODEL, f"lane[{lane}]", "position"] = positions.get(lane, _UNKNOWN)
            found[*MODEL, f"lane[{lane}]", "macs"] = int(macs[lane])
        yield found

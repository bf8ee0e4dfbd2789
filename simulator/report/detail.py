"""What a page needs beyond the headline: each product of each layer summed over steps, units, slots and buffers."""

from __future__ import annotations

from math import fsum
from typing import Any

import numpy as np

from simulator.energy import energy_by_groups
from simulator.engine import STALLS
from simulator.mapping import Count
from simulator.memory import timing_dram
from simulator.report import summary
from simulator.report.result import Report

ON_CHIP = {
    "skip_buffer": (Count.SKIP_BUFFER_BITS_READ, Count.SKIP_BUFFER_BITS_WRITTEN),
    "shared_buffer": (Count.SHARED_BUFFER_BITS_READ, Count.SHARED_BUFFER_BITS_WRITTEN),
    "output_buffer": (Count.OUTPUT_BUFFER_BITS_READ, Count.OUTPUT_BUFFER_BITS_WRITTEN),
}


def layer_products(report: Report) -> list[dict[str, Any]]:
    """Sum each product of each layer over time steps and optimiser steps, in order of appearance.

    Returns
    -------
    list of dict
        ``layer``, ``product``, ``phase``; ``times``, how often the product was run; ``m``, ``k``, ``n``, the largest
        of these runs; ``macs_dense``, ``macs_executed``; ``cycles``, the array's own; ``stalls`` by reason, those that
        occurred; ``dram_read_bytes``, ``dram_write_bytes``; ``energy_pj``. Cycles and stalls of all rows sum to the
        run's total. Work without MACs (``gates_backward``) is a row of zero k.
    """
    activity = report.activity
    names = [(key.layer, key.product, key.phase) for key in activity.keys]
    energies = energy_by_groups(report.energy, activity, report.arch, names)
    place = {name: number for number, name in enumerate(energies)}
    group = np.array([place[name] for name in names], dtype=np.int64)
    columns = np.column_stack([activity.counts, activity.stalls, activity.array_cycles, activity.steps])
    sums = np.zeros((len(place), columns.shape[1]), dtype=np.int64)
    np.add.at(sums, group, columns)
    shapes = np.zeros((len(place), 3), dtype=np.int64)
    np.maximum.at(shapes, group, np.array([key[-3:] for key in activity.keys], dtype=np.int64).reshape(-1, 3))
    rows = []
    for name, components, shape, summed in zip(
        energies, energies.values(), shapes.tolist(), sums.tolist(), strict=True
    ):
        counts, stalls, (cycles, times) = summed[: len(Count)], summed[len(Count) : -2], summed[-2:]
        rows.append(
            {
                **dict(zip(("layer", "product", "phase"), name, strict=True)),
                "times": times,
                **dict(zip(("m", "k", "n"), shape, strict=True)),
                "macs_dense": counts[Count.MACS_DENSE],
                "macs_executed": counts[Count.MACS_EXECUTED],
                "cycles": cycles,
                "stalls": {reason: spent for reason, spent in zip(STALLS, stalls, strict=True) if spent},
                "dram_read_bytes": counts[Count.DRAM_READ_BYTES],
                "dram_write_bytes": counts[Count.DRAM_WRITE_BYTES],
                "energy_pj": fsum(components.values()),
            }
        )
    return rows


def on_chip_bytes(report: Report) -> dict[str, dict[str, float]]:
    """Say how many bytes went in and out of each buffer."""
    sums = report.activity.counts.sum(axis=0).tolist()
    return {name: {"read": sums[out] / 8, "write": sums[into] / 8} for name, (out, into) in ON_CHIP.items()}


def peaks(report: Report) -> dict[str, float | None]:
    """Say what the machine could do at most in a cycle: MACs, and bytes on the DRAM's pins (None: ideal)."""
    arch = report.arch
    if arch.ideal_memory:
        mb_per_s = None
    elif arch.system.dram.level == "timing":
        mb_per_s = timing_dram(arch).peak_mb_per_s
    else:
        mb_per_s = arch.system.dram.bandwidth_mb_per_s
    bytes_per_cycle = None if mb_per_s is None else mb_per_s / arch.clock_mhz
    return {"macs_per_cycle": arch.multipliers, "dram_bytes_per_cycle": bytes_per_cycle}


def to_dict(report: Report) -> dict[str, Any]:
    """Give the details as plain data, as they stand in a report's JSON."""
    return {
        "machine": report.arch.told(),
        "peaks": peaks(report),
        "busy_cycles": report.activity.busy_cycles,
        "mac_slots": {use.name: use.slots for use in summary.slot_uses(report)},
        "on_chip_bytes": on_chip_bytes(report),
        "layer_products": layer_products(report),
        "remarks": summary.remarks(report),
    }

"""Small random machines and traces for property tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from simulator.arch import Architecture
from traces import Layer, Trace, TraceWriter

MECHANISMS = st.one_of(
    st.just({"mechanism": "dense"}),
    st.just({"mechanism": "gated"}),
    st.just({"mechanism": "vector_skip"}),
    st.just({"mechanism": "ideal"}),
    st.integers(1, 12).flatmap(
        lambda d: st.fixed_dictionaries(
            {
                "mechanism": st.just("lookahead"),
                "depth": st.just(d),
                "refill": st.one_of(st.none(), st.integers(1, d)),
                "banks": st.one_of(st.none(), st.integers(1, 8)),
            }
        )
    ),
    st.just({"mechanism": "lookahead", "depth": None, "refill": None, "banks": None}),
)


def machine(**changes: Any) -> Architecture:
    """A small machine; keyword arguments replace top-level keys."""
    data: dict[str, Any] = {
        "name": "small",
        "clock_mhz": 1000,
        "precision": {"operand": "fp16", "accumulator": "fp32"},
        "array": {"rows": 4, "columns": 4},
        "skipping": {"mechanism": "dense"},
        "memory": "ideal",
        "energy_table": "cmos_45nm",
    }
    return Architecture.parse({**data, **changes})


TINY_MEMORY: dict[str, Any] = {
    "buffers": {
        "skip": {"capacity_kib": 1},
        "shared": {"capacity_kib": 1},
        "output": {"capacity_kib": 1, "port_values_per_cycle": 4},
    },
    "dram": {"bandwidth_gb_per_s": 4.0, "latency_ns": 10.0, "queue": 4},
    "vector_unit": {
        "lanes": 2,
        "gate_forward_cycles_per_value": 1,
        "gate_backward_cycles_per_value": 1,
        "latency_cycles": 3,
    },
    "mapping": {"tile_m": 2, "tile_n": 2, "order": "mnk"},
}


def tiny_machine(**memory: Any) -> Architecture:
    """The machine of hand-computed timelines: 2 x 2 MACs, int8, DRAM of 4 bytes a cycle; keywords are memory keys."""
    return machine(
        array={"rows": 2, "columns": 2},
        precision={"operand": "int8", "accumulator": "int32"},
        memory={**TINY_MEMORY, **memory},
    )


ARRAYS = st.fixed_dictionaries(
    {"rows": st.integers(1, 9), "columns": st.integers(1, 9), "pass_overhead_cycles": st.integers(0, 5)}
)


def shaped(array: dict[str, int]) -> dict[str, Any]:
    """The same array, which may also be turned, or become a single lane."""
    rows, columns = array["rows"], array["columns"]
    return {**array, "shapes": [[columns, rows], [1, rows * columns]]}


SHAPED_ARRAYS = st.one_of(ARRAYS, ARRAYS.map(shaped))
# Mostly double-buffered, for only then are jobs of different products mixed.
OPERAND_BUFFERS = st.fixed_dictionaries(
    {
        "capacity_kib": st.integers(1, 4),
        "double": st.sampled_from([True, True, True, False]),
        "banks": st.integers(1, 3),
        "ports": st.integers(1, 2),
        "width_bits": st.one_of(st.none(), st.integers(1, 64)),
    }
)
SYSTEMS = st.fixed_dictionaries(
    {
        "buffers": st.fixed_dictionaries(
            {
                "skip": OPERAND_BUFFERS,
                "shared": OPERAND_BUFFERS,
                "output": st.fixed_dictionaries(
                    {
                        "capacity_kib": st.integers(1, 4),
                        "double": st.sampled_from([True, True, True, False]),
                        "port_values_per_cycle": st.integers(1, 16),
                    }
                ),
            }
        ),
        "dram": st.fixed_dictionaries(
            {
                "bandwidth_gb_per_s": st.sampled_from([0.7, 2.0, 8.0, 64.0]),
                "latency_ns": st.sampled_from([0.0, 3.0, 40.0]),
                "queue": st.integers(1, 4),
            }
        ),
        "vector_unit": st.fixed_dictionaries(
            {
                "lanes": st.integers(1, 16),
                "gate_forward_cycles_per_value": st.integers(0, 2),
                "gate_backward_cycles_per_value": st.integers(0, 2),
                "threshold_cycles_per_value": st.integers(0, 1),
                "latency_cycles": st.integers(0, 9),
            }
        ),
        "formats": st.fixed_dictionaries(
            {
                "skip": st.sampled_from(["dense", "bitmap", "rle", "csc"]),
                "skip_on_chip": st.sampled_from(["dense", "bitmap", "rle", "csc"]),
                "segment": st.integers(1, 12),
                "run_bits": st.integers(1, 3),
            }
        ),
        "mapping": st.fixed_dictionaries(
            {
                "order": st.sampled_from(["auto", "auto", "mnk", "nmk", "mkn", "nkm"]),
                "tile_k": st.sampled_from(["auto", "auto", 3]),
                "overlap": st.sampled_from([True, True, True, False]),
            }
        ),
    }
)


TIMING_DRAMS = st.fixed_dictionaries(
    {
        "level": st.just("timing"),
        "timing": st.sampled_from(["ddr4_3200", "lpddr4_3200", "gddr6_14000", "hbm2_2000", "hbm3_6400"]),
        "channels": st.sampled_from(["auto", 1, 3]),
        "page": st.sampled_from(["open", "closed"]),
        "scheduler": st.sampled_from(["fr_fcfs", "fcfs"]),
        "address_mapping": st.sampled_from(
            ["row_bank_column_group_channel", "row_column_bank_group_channel", "row_bank_group_channel_column"]
        ),
        "controller_queue": st.sampled_from([1, 4, 32]),
        "queue": st.integers(1, 4),
    }
)
TIMING_SYSTEMS = st.builds(lambda system, dram: {**system, "dram": dram}, SYSTEMS, TIMING_DRAMS)


@st.composite
def networks(draw: st.DrawFn) -> dict[str, Any]:
    """Draw what `write_trace` needs."""
    kinds = draw(st.lists(st.sampled_from(["lstm", "gru", "rnn", "linear"]), min_size=1, max_size=2))
    sizes = draw(st.lists(st.integers(1, 9), min_size=len(kinds) + 1, max_size=len(kinds) + 1))
    T, B = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    return {
        "kinds": kinds,
        "sizes": sizes,
        "T": T,
        "B": B,
        "density": draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])),
        "valid_steps": draw(st.one_of(st.none(), st.lists(st.integers(0, T), min_size=B, max_size=B))),
        "first_needs_gradient": draw(st.booleans()),
        "backward": draw(st.booleans()),
        "masks": draw(st.booleans()),
        "dense_layers": draw(st.integers(0, 2)),
        "seed": draw(st.integers(0, 2**32 - 1)),
    }


def write_trace(path: Path, network: dict[str, Any]) -> Trace:
    """Write a trace of one step with random masks, and open it."""
    rng = np.random.default_rng(network["seed"])
    T, B, sizes = network["T"], network["B"], network["sizes"]
    valid = np.ones((T, B), dtype=bool)
    if network["valid_steps"] is not None:
        valid = np.arange(T)[:, None] < np.array(network["valid_steps"])[None, :]
    layers, tensors = [], {}
    for i, kind in enumerate(network["kinds"]):
        gates = {"lstm": 4, "gru": 3, "rnn": 1, "linear": 1}[kind]
        layers.append(
            {
                "name": f"{kind}{i}",
                "kind": kind,
                "input_size": sizes[i],
                "hidden_size": sizes[i + 1],
                "direction": "backward" if network["backward"] and i == 0 else "forward",
                "input_needs_gradient": i > 0 or network["first_needs_gradient"],
            }
        )

        def mask(bits: int) -> np.ndarray:
            return (rng.random((T, B, bits)) < network["density"]) & valid[:, :, None]

        masks = {"gate_gradient": mask(gates * sizes[i + 1])}
        if network["masks"]:
            masks["input"] = mask(sizes[i])
            if kind != "linear":
                masks["hidden"] = mask(sizes[i + 1])
        if kind == "gru":
            masks["gate_gradient_hidden"] = mask(gates * sizes[i + 1])
        tensors[f"{kind}{i}"] = masks
    header = {
        "layers": layers,
        "dense_layers": [
            {"name": f"dense{i}", "input_size": sizes[-1], "output_size": sizes[-1], "per": ("token", "sequence")[i]}
            for i in range(network["dense_layers"])
        ],
        "batch_size": B,
        "sequence_length": T,
    }
    with TraceWriter(path, header) as writer:
        writer.add_step(7, tensors, valid_steps=network["valid_steps"])
    return Trace(path)


__all__ = [
    "ARRAYS",
    "MECHANISMS",
    "SHAPED_ARRAYS",
    "SYSTEMS",
    "TIMING_SYSTEMS",
    "TINY_MEMORY",
    "Layer",
    "machine",
    "networks",
    "tiny_machine",
    "write_trace",
]

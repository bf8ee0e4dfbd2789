"""EIE (Han et al., ISCA 2016): 64 PEs, FIFO depth 8, 800 MHz, one MAC a PE and cycle."""

from __future__ import annotations

import numpy as np

from simulator.skipping import BroadcastFifo
from simulator.skipping.masks import from_bools
from simulator.validation.masks import bernoulli
from simulator.validation.table import Row, Table

PES, CLOCK_MHZ = 64, 800
# Layer: inputs, outputs, weight density, activation density; all recalled, not read in the paper.
LAYERS = {
    "Alex-6": (9216, 4096, 0.09, 0.351),
    "Alex-7": (4096, 4096, 0.09, 0.353),
    "VGG-7": (4096, 4096, 0.04, 0.375),
    "NT-LSTM": (1201, 2400, 0.10, 1.0),
}
# Theoretical and actual time in microseconds, as the paper's table of wall-clock times has them.
TIMES_US = {"Alex-6": (28.1, 30.3), "Alex-7": (11.7, 12.2), "VGG-7": (7.9, 8.7), "NT-LSTM": (6.5, 7.5)}


def eie() -> Table:
    """Time of four layers, theoretical (work over peak) and actual (with FIFO stalls), on Bernoulli masks."""
    law = BroadcastFifo(pes=PES, depth=8, index_bits=4, tile_rows=1)
    rows = []
    for name, (inputs, outputs, weight_density, activation_density) in LAYERS.items():
        activations = from_bools(bernoulli(f"eie activations {name}", (1, inputs), activation_density))
        # [1, K, outputs] for the law: a lane of the shared operand is a column.
        weights = from_bools(bernoulli(f"eie weights {name}", (outputs, inputs), weight_density))
        counts = law.count_tiles(activations, weights, np.array([outputs]))
        work = int((counts.executed + counts.gated)[0, 0])
        theoretical, actual = work / PES / CLOCK_MHZ, int(counts.cycles[0, 0]) / CLOCK_MHZ
        published = TIMES_US[name]
        rows += [
            Row(f"{name}, theoretical", theoretical, published[0], "us", 0.12),
            Row(f"{name}, actual", actual, published[1], "us", 0.12),
            Row(f"{name}, actual / theoretical", actual / theoretical, published[1] / published[0], "x", 0.08),
        ]
    return Table(
        "EIE",
        "broadcast_fifo, 64 PEs, depth 8, 4 index bits with padding zeros",
        "ISCA 2016, table of wall-clock times; layer shapes and densities recalled, zeros independent",
        tuple(rows),
    )

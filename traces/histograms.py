"""Bins of the histograms that a step's entry holds, and counting into them with numpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

FIRST_EXPONENT, EXPONENTS = -64, 80
"""Gradients: bin k counts elements with 2^(k - 64) <= |dG| < 2^(k - 63), k from 0 to 79. Smaller and larger elements
are in the outermost bins, zeros in none."""
ACTIVATION_BINS = 20
"""Activations of gates: equal bins from -1 to 1; what lies outside is in the outermost."""

Floats = npt.NDArray[np.floating[Any]]


def gradient_histogram(values: Floats) -> dict[str, Any]:
    """Count magnitudes by their exponents, as a step's entry has it; values that are not finite are in no bin."""
    magnitudes = np.abs(values[np.isfinite(values) & (values != 0)])
    bins = np.clip(np.frexp(magnitudes)[1] - 1 - FIRST_EXPONENT, 0, EXPONENTS - 1)
    return {"first_exponent": FIRST_EXPONENT, "counts": np.bincount(bins, minlength=EXPONENTS).tolist()}


def activation_histogram(values: Floats) -> list[int]:
    """Count activations by value."""
    bins = np.clip(np.floor((values + 1) * (ACTIVATION_BINS / 2)), 0, ACTIVATION_BINS - 1).astype(np.int64)
    counts: list[int] = np.bincount(bins.ravel(), minlength=ACTIVATION_BINS).tolist()
    return counts


def noted_activations(entry: Mapping[str, Any]) -> dict[str, dict[str, list[int]]]:
    """Read the activations' histograms from a step's entry: by layer and gate, only those that are whole.

    What a file says beside its masks is not checked when it is read, so anything else there is left out.
    """
    found: dict[str, dict[str, list[int]]] = {}
    noted = entry.get("gate_histograms")
    for layer, gates in noted.items() if isinstance(noted, Mapping) else ():
        for gate, counts in gates.items() if isinstance(gates, Mapping) else ():
            whole = isinstance(counts, list) and len(counts) == ACTIVATION_BINS
            if whole and all(type(n) is int and n >= 0 for n in counts) and any(counts):
                found.setdefault(layer, {})[gate] = counts
    return found

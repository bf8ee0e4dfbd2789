"""Threshold rules as loops over single elements: what each says, read literally."""

from __future__ import annotations

import math

import numpy as np


def largest(values: list[float], count: int) -> set[int]:
    """Give the indices of the ``count`` largest magnitudes; of equal ones the first."""
    return set(sorted(range(len(values)), key=lambda k: (-abs(values[k]), k))[:count])


def groups_of(shape: tuple[int, int, int], per: str) -> list[list[tuple[int, int, int]]]:
    """List the places of each group, in the order of the trace."""
    G, H, B = shape
    everything = [(g, h, b) for g in range(G) for h in range(H) for b in range(B)]
    if per == "layer":
        return [everything]
    if per == "gate":
        return [[place for place in everything if place[0] == g] for g in range(G)]
    return [[place for place in everything if place[2] == b] for b in range(B)]


def keep_in_groups(gradient: np.ndarray, groups: list[list[tuple[int, int, int]]], count: int) -> np.ndarray:
    """Keep the ``count`` largest of each group."""
    kept = np.zeros_like(gradient)
    for places in groups:
        for k in largest([float(gradient[place]) for place in places], count):
            kept[places[k]] = gradient[places[k]]
    return kept


def n_of_m(gradient: np.ndarray, n: int, m: int, axis: str) -> np.ndarray:
    """Keep n of each m neighbours along the gate index of a sequence, or along the batch."""
    G, H, B = gradient.shape
    if axis == "gate":
        lines = groups_of(gradient.shape, "row")
    else:
        lines = [[(g, h, b) for b in range(B)] for g in range(G) for h in range(H)]
    groups = [line[start : start + m] for line in lines for start in range(0, len(line), m)]
    return keep_in_groups(gradient, groups, n)


def block_size(values: list[float], criterion: str) -> float:
    """Measure a block."""
    if criterion == "max":
        return max(map(abs, values))
    return math.fsum(map(abs, values)) if criterion == "l1" else math.hypot(*values)


def blocks(gradient: np.ndarray, cells: int, sequences: int, criterion: str, threshold: float) -> np.ndarray:
    """Keep the blocks whose size is above a threshold."""
    G, H, B = gradient.shape
    kept = np.zeros_like(gradient)
    for g in range(G):
        for h in range(0, H, cells):
            for b in range(0, B, sequences):
                part = gradient[g, h : h + cells, b : b + sequences]
                if block_size(part.ravel().tolist(), criterion) > threshold:
                    kept[g, h : h + cells, b : b + sequences] = part
    return kept

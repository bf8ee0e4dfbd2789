"""Random masks with given shares of zeros, seeded by what they stand for."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]


def bernoulli(name: str, shape: tuple[int, int], density: float) -> Bools:
    """Draw independent non-zeros; the same name gives the same mask on every machine."""
    return np.random.default_rng(zlib.crc32(name.encode())).random(shape) < density

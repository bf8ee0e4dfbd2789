"""Lane words by numpy indexing of unpacked masks, one bit at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def plain_words(by_lane: npt.NDArray[np.bool_], lanes: int) -> npt.NDArray[np.uint64]:
    """Make words [K, ceil(lanes / 64)] of a pass that has bools [its lanes, K] out of `lanes`."""
    mine, positions = by_lane.shape
    words = np.zeros((positions, -(-lanes // 64)), np.uint64)
    for lane in range(mine):
        for k in range(positions):
            if by_lane[lane, k]:
                words[k, lane // 64] |= np.uint64(1) << np.uint64(lane % 64)
    return words


def plain_passes(by_row: npt.NDArray[np.bool_], lanes: int, group: int | None = None) -> list[npt.NDArray[np.bool_]]:
    """Cut bools [rows, K] into passes of at most `lanes` rows that stay within a group of rows."""
    group = len(by_row) if group is None else group
    passes = []
    for first in range(0, len(by_row), group):
        rows = by_row[first : first + group]
        passes += [rows[i : i + lanes] for i in range(0, len(rows), lanes)]
    return passes

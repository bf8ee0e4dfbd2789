"""The broadcast law, cycle by cycle with a queue per PE: slow and plain."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]


def plain_finish(work: list[list[int]], depth: int | None) -> int:
    """Cycles until the last PE has finished the last broadcast; ``work[j][p]`` is what PE p has for broadcast j."""
    pes = len(work[0]) if work else 0
    queues: list[deque[list[int]]] = [
        deque() for _ in range(pes)
    ]  # [cycle from which it may be worked on, cycles left]
    sent, now, last_finish = 0, 0, 0
    while sent < len(work) or any(queues):
        for queue in queues:
            while queue and queue[0][0] <= now and queue[0][1] == 0:
                queue.popleft()  # its place is free from the cycle in which it is found finished
                last_finish = now
        if sent < len(work) and all(depth is None or len(queue) < depth for queue in queues):
            for queue, cycles in zip(queues, work[sent], strict=True):
                queue.append([now + 1, cycles])
            sent += 1
        for queue in queues:
            if queue and queue[0][0] <= now:
                queue[0][1] -= 1
        now += 1
    return last_finish


def plain_share(b: Bools, pes: int, index_bits: int | None) -> tuple[list[list[int]], list[list[int]]]:
    """Non-zeros and stored zeros of every PE at every position: two [positions][pes]."""
    weights, padding = [], []
    for row in b:
        shares = [row[p::pes].tolist() for p in range(pes)]
        weights.append([sum(share) for share in shares])
        padding.append([0 if index_bits is None else stored_zeros(share, 2**index_bits) for share in shares])
    return weights, padding


def stored_zeros(share: list[bool], longest: int) -> int:
    """Zeros that are stored because so many follow each other before a non-zero."""
    stored = run = 0
    for value in share[: len(share) - share[::-1].index(True)] if any(share) else []:
        run = 0 if value else run + 1
        if run == longest:
            stored, run = stored + 1, 0
    return stored


def plain_broadcast_fifo(
    a: Bools, b: Bools, pes: int, depth: int | None, index_bits: int | None = None
) -> dict[str, int]:
    """Count the product of masks [m, k] and [k, n]; the keys are the fields of `PassCounts`."""
    weights, padding = plain_share(b, pes, index_bits)
    count = dict.fromkeys(
        ("cycles", "executed", "gated", "skipped", "imbalance", "conflict", "refill", "fetches", "reads"), 0
    )
    for row in a:
        sent = np.flatnonzero(row).tolist()
        work = [[w + z for w, z in zip(weights[k], padding[k], strict=True)] for k in sent]
        count["cycles"] += plain_finish(work, depth)
        count["executed"] += sum(sum(weights[k]) for k in sent)
        count["gated"] += sum(sum(padding[k]) for k in sent)
    taken = count["executed"] + count["gated"]
    count["imbalance"] = pes * count["cycles"] - taken
    count["skipped"] = a.size * b.shape[1] - taken
    count["fetches"] = count["reads"] = taken
    return count

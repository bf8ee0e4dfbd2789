"""Why a gate gradient was zero before its threshold, counted for a whole backward pass at once."""

from __future__ import annotations

from traces.torch_frontend.tap import Tensor


def by_first_cause(
    raw: Tensor, real: Tensor, saturated: Tensor, zero_state: Tensor, upstream: Tensor
) -> dict[str, int]:
    """Count each natural zero once, for the first cause that holds.

    Parameters
    ----------
    raw : floating [T, B, G, H]
        dG before quantisation and threshold.
    real : bool [T, B]
        Rows that are not padding; zeros in the others count as ``padding``.
    saturated, zero_state, upstream : bool [T, B, G, H]
        A derivative is an exact zero; what the gate is multiplied with is; no gradient arrives. Any other zero is an
        ``underflow``: its factors are not zero and their product is.

    Returns
    -------
    dict of str to int
    """
    zero = (raw == 0) & real[:, :, None, None]
    counts = {}
    for cause, holds in (("saturated", saturated), ("zero_state", zero_state), ("upstream", upstream)):
        here = zero & holds
        counts[cause] = int(here.sum())
        zero = zero & ~here
    counts["underflow"] = int(zero.sum())
    counts["padding"] = int((~real).sum()) * raw.shape[2] * raw.shape[3]
    return counts

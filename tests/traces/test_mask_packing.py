"""The mask of a time step is packed and counted while it is at hand: as numpy packs it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traces.numpy_frontend.zero_kernels import pack_mask

Values = npt.NDArray[np.floating]


def rows_apart(values: Values) -> Values:
    """The same values, those of a unit side by side, a time step of several."""
    there = np.full((len(values), 3, values.shape[1]), np.nan, values.dtype)
    there[:, 1] = values
    return there[:, 1]


def turned(values: Values) -> Values:
    """The same values, those of a sequence side by side."""
    return np.ascontiguousarray(values.T).T


@pytest.mark.parametrize("laid", [np.ascontiguousarray, rows_apart, turned])
@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.integers(1, 40),
    st.sampled_from([1, 2, 4]),
    st.integers(1, 140),
    st.sampled_from([np.float32, np.float64]),
    st.integers(0, 2**32 - 1),
)
def test_rows_of_bits_are_numpys(
    laid: Callable[[Values], Values], units: int, gates: int, sequences: int, dtype: type[np.floating], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    shape = (gates * units, sequences)
    gradient = np.where(rng.random(shape) < rng.random(), rng.standard_normal(shape), 0).astype(dtype)
    gradient[rng.random(shape) < 0.05] = -0.0
    gradient[rng.random(shape) < 0.02] = np.nan
    gradient[rng.random(shape) < 0.02] = np.finfo(dtype).smallest_subnormal
    gradient[rng.random(len(gradient)) < 0.3] = 0
    packed = np.full((3, sequences, -(-gates * units // 8)), 255, np.uint8)
    counts = rng.integers(0, 9, (2, gates))
    by_gate = gradient.reshape(gates, units, sequences) != 0
    expected = counts + np.array([by_gate.sum(axis=(1, 2)), by_gate.any(axis=2).sum(axis=1)])
    pack_mask(laid(gradient), packed[1], counts)
    np.testing.assert_array_equal(packed[1], np.packbits((gradient != 0).T, axis=1, bitorder="little"))
    assert (packed[[0, 2]] == 255).all()
    assert counts.tolist() == expected.tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_step_of_the_paper_is_packed(dtype: type[np.floating]) -> None:
    gradient = np.random.default_rng(3).standard_normal((1024, 32)).astype(dtype)
    gradient[np.abs(gradient) < 1.3] = 0
    packed, counts = np.zeros((32, 128), np.uint8), np.zeros((2, 4), np.int64)
    pack_mask(gradient, packed, counts)
    np.testing.assert_array_equal(packed, np.packbits((gradient != 0).T, axis=1, bitorder="little"))
    assert counts[0].sum() == np.count_nonzero(gradient)
    assert counts[1].sum() == np.count_nonzero(gradient.any(axis=1))

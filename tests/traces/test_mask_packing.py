"""The mask of a time step is packed and counted while it is at hand: as numpy packs it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traces.numpy_frontend.zero_kernels import pack_mask


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(1, 40), st.integers(1, 140), st.sampled_from([np.float32, np.float64]), st.integers(0, 2**32 - 1))
def test_rows_of_bits_are_numpys(units: int, sequences: int, dtype: type[np.floating], seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (4 * units, sequences)
    gradient = np.where(rng.random(shape) < rng.random(), rng.standard_normal(shape), 0).astype(dtype)
    gradient[rng.random(shape) < 0.05] = -0.0
    gradient[rng.random(shape) < 0.02] = np.nan
    gradient[rng.random(shape) < 0.02] = np.finfo(dtype).smallest_subnormal
    packed, counts = np.full((3, sequences, -(-4 * units // 8)), 255, np.uint8), np.array([1, 0, 0, 5])
    pack_mask(1, gradient, packed, counts)
    np.testing.assert_array_equal(packed[1], np.packbits((gradient != 0).T, axis=1, bitorder="little"))
    assert (packed[[0, 2]] == 255).all()
    by_gate = np.count_nonzero(gradient.reshape(4, -1), axis=1) + np.array([1, 0, 0, 5])
    assert counts.tolist() == by_gate.tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_step_of_the_paper_is_packed(dtype: type[np.floating]) -> None:
    gradient = np.random.default_rng(3).standard_normal((1024, 32)).astype(dtype)
    gradient[np.abs(gradient) < 1.3] = 0
    packed, counts = np.zeros((1, 32, 128), np.uint8), np.zeros(4, np.int64)
    pack_mask(0, gradient, packed, counts)
    np.testing.assert_array_equal(packed[0], np.packbits((gradient != 0).T, axis=1, bitorder="little"))
    assert counts.sum() == np.count_nonzero(gradient)

"""The ideal bound."""

from __future__ import annotations

import numpy as np
import pytest
from contract.mechanism_contract import MechanismContract, random_masks

from simulator.skipping import Ideal, run_pass


class TestIdealContract(MechanismContract):
    mechanisms = (Ideal(),)


def test_ideal_spreads_non_zeros_evenly() -> None:
    for mask in random_masks():
        result = run_pass(mask, Ideal())
        lanes = mask.shape[0]
        assert result.cycles == -(-int(mask.sum()) // lanes)
        assert result.imbalance == result.idle < lanes
        assert result.fetches == result.reads == mask.any(axis=0).sum()


@pytest.mark.parametrize(("ones", "cycles"), [(0, 0), (1, 1), (4, 1), (5, 2), (12, 3)])
def test_ideal_rounds_up(ones: int, cycles: int) -> None:
    mask = np.arange(12).reshape(4, 3) < ones
    assert run_pass(mask, {"mechanism": "ideal"}).cycles == cycles

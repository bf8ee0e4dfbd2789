"""The ideal bound."""

from __future__ import annotations

import numpy as np
import pytest
from contract.mechanism_contract import MechanismContract, random_masks

from simulator.skipping import Ideal, run_pass


class TestIdealContract(MechanismContract):
    mechanisms = (Ideal(), Ideal(positions_per_cycle=16))


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


def test_ideal_spreads_them_over_all_multipliers_of_a_lane() -> None:
    mask = np.arange(64).reshape(4, 16) < 33
    assert run_pass(mask, Ideal(positions_per_cycle=8)).cycles == 2

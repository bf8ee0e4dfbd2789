"""Numbers with units keep their value within the digits shown, and never overflow a column."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.report import numbers

QUANTITIES = st.floats(min_value=1e-2, max_value=1e17, allow_nan=False)


@given(QUANTITIES)
def test_energy_keeps_three_digits(value_pj: float) -> None:
    amount, name = numbers.energy(value_pj).split()
    size = next(unit.size for unit in numbers.ENERGY_UNITS if unit.name == name)
    # Half of the last digit that is shown: the smallest unit shows thousandths.
    assert float(amount.replace(",", "")) * size == pytest.approx(value_pj, rel=5.1e-3, abs=5.1e-4)


@given(QUANTITIES)
def test_energy_is_told_in_a_unit_that_suits_it(value_pj: float) -> None:
    amount, name = numbers.energy(value_pj).split()
    shown = float(amount.replace(",", ""))
    assert shown < 1000 or name == "J"
    assert shown >= 1 or name == "pJ"


@given(st.integers(0, 10**19))
def test_count_is_exact_up_to_its_limit_and_short_beyond(value: int) -> None:
    text = numbers.count(value)
    if value < numbers.LARGEST_IN_FULL:
        assert int(text.replace(",", "")) == value
    assert len(text) <= len("9,999,999,999")


@given(st.floats(0, 1))
def test_a_share_that_is_something_is_never_told_as_nothing(share: float) -> None:
    assert (numbers.percent(share) == "0.0 %") == (share == 0)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (numbers.energy(0), "0 pJ"),
        (numbers.energy(0.25), "0.250 pJ"),
        (numbers.energy(999.4), "999.4 pJ"),
        (numbers.energy(999.96), "1.000 nJ"),
        (numbers.energy(12_345_678), "12.35 uJ"),
        (numbers.energy(4.2e9), "4.200 mJ"),
        (numbers.energy(3.21e17), "321.0 kJ"),
        (numbers.count(123_456_789, 10**8), "123.5 M"),
        (numbers.count(99_999_999, 10**8), "99,999,999"),
        (numbers.time(0.0125), "12.50 ns"),
        (numbers.time(2_500.0), "2.500 ms"),
        (numbers.data(999), "999 B"),
        (numbers.data(250_624), "250.6 kB"),
        (numbers.count(1_234_567), "1,234,567"),
        (numbers.percent(0.0001), "<0.1 %"),
        (numbers.percent(-0.05), "-5.0 %"),
        (numbers.percent(-1e-9), "0.0 %"),
        (numbers.times(2.137), "2.14x"),
        (numbers.times(None), "-"),
        (numbers.aligned(0.0004, numbers.ENERGY_UNITS[0]), "<0.001"),
        (numbers.plain("a\x1b[31m\nb"), "a?[31m?b"),
    ],
)
def test_known_numbers_read_as_expected(said: str, expected: str) -> None:
    assert said == expected

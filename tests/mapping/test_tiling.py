"""The planner's choice: against exhaustive search, against the plain count of loads, and its words."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain.cases import machine

from simulator.arch import Architecture
from simulator.engine import compiled
from simulator.mapping import Candidate, PassCache, busiest_unit, choices, plan, why_not
from simulator.mapping.tiling import ORDERS, Pins, Tiling, TilingProblem
from simulator.mapping.tilings import Cut, PassCost, _times_loaded, enumerated
from simulator.memory import BandwidthDram
from simulator.workload import Epilogue, OperandMask, Product, Workload
from traces.errors import InputError

SHAPES = [[1, 16], [16, 1], [8, 2], [2, 8]]


def product(m: int, k: int, n: int, density: float, seed: int = 0) -> Product:
    mask = np.random.default_rng(seed).random((m, k)) < density
    packed = np.packbits(mask, axis=-1, bitorder="little")
    operand = OperandMask(packed, k, "rows", ("dG",))
    return Product(
        "l", "dx", "backward", None, m, k, n, operand, True, (), "l.W'", Epilogue(store_operand_values=m * n)
    )


def small(
    rate: float, latency: float, kib: tuple[int, int, int], mapping: dict[str, Any] | None = None
) -> Architecture:
    skip, shared, output = kib
    return machine(
        array={"rows": 4, "columns": 4, "shapes": SHAPES},
        skipping={"mechanism": "lookahead", "depth": 4, "refill": 4, "banks": None},
        memory={
            "buffers": {
                "skip": {"capacity_kib": skip, "width_bits": 256},
                "shared": {"capacity_kib": shared, "width_bits": 256},
                "output": {"capacity_kib": output, "port_values_per_cycle": 4},
            },
            "dram": {"bandwidth_gb_per_s": rate, "latency_ns": latency, "queue": 4},
            "mapping": mapping or {},
        },
    )


CASES = [
    # m, k, n, density, DRAM GB/s, latency ns, KiB of skip, shared, output
    (8, 8, 9, 0.5, 16.0, 20.0, (2, 4, 1)),
    (9, 14, 6, 0.5, 16.0, 20.0, (2, 1, 2)),
    (20, 11, 9, 0.2, 4.0, 100.0, (1, 2, 1)),
    (7, 25, 10, 0.2, 4.0, 0.0, (4, 4, 1)),
    (24, 16, 6, 1.0, 4.0, 20.0, (1, 1, 1)),
    (13, 12, 18, 0.2, 1.0, 20.0, (4, 2, 4)),
]


def test_choice_is_near_the_best_of_all_mappings() -> None:
    """Every shape, tile size, K tile and loop order, each replayed: the choice's cycles over the best's.

    14 larger random cases gave a mean of 1.024 and a worst of 1.14; the bounds here have room for other masks, not for
    a planner that overlooks a term.
    """
    over = []
    for m, k, n, density, rate, latency, kib in CASES:
        workload, cache = Workload(0, (product(m, k, n, density),)), PassCache()
        chosen = compiled.run(plan(small(rate, latency, kib), workload, cache)).total_cycles
        totals = []
        for shape in [[4, 4], *SHAPES]:
            tiles = itertools.product(
                range(shape[0], m + shape[0], shape[0]),
                range(shape[1], n + shape[1], shape[1]),
                sorted({-(-k // parts) for parts in range(1, k + 1)}),
                ORDERS,
            )
            for tile_m, tile_n, tile_k, order in tiles:
                if tile_k == k and order in ("mkn", "nkm"):
                    continue
                pinned = {"tile_m": tile_m, "tile_n": tile_n, "tile_k": tile_k, "order": order, "shape": shape}
                try:
                    one = plan(small(rate, latency, kib, pinned), workload, cache)
                except InputError:
                    continue  # does not fit
                totals.append(compiled.run(one).total_cycles)
        assert len(totals) > 100
        over.append(chosen / min(totals))
    assert max(over) <= 1.20
    assert np.mean(over) <= 1.06


@given(st.sampled_from(ORDERS), *(st.integers(1, 4) for _ in range(3)), *(st.integers(1, 3) for _ in range(3)))
def test_times_loaded_is_what_walking_the_jobs_gives(
    order: str, ms: int, ns: int, ks: int, tile_m: int, tile_n: int, tile_k: int
) -> None:
    tiling = Tiling(tile_m, tile_n, tile_k, order, 1, 1)  # type: ignore[arg-type]
    jobs = list(tiling.jobs(ms * tile_m, ns * tile_n, ks * tile_k))
    assert sorted(jobs) == list(itertools.product(range(ms), range(ns), range(ks)))
    held: tuple[Any, Any] = (None, None)
    skip_loads = shared_loads = 0
    for i, j, q in jobs:
        skip_loads += held[0] != (i, q)
        shared_loads += held[1] != (j, q)
        held = ((i, q), (j, q))
    skip_times, shared_times = _times_loaded(tiling.order, ms, ns, ks)
    assert skip_loads == skip_times * ms * ks
    assert shared_loads == shared_times * ns * ks


def problem(**changes: Any) -> TilingProblem:
    data: dict[str, Any] = {
        "m": 64, "n": 64, "k": 64, "operand_bits": 16, "accumulator_bits": 32,
        "skip_bytes": lambda tile_m, tile_k: 8192,
        "skip_room_bytes": lambda tile_m, tile_k: tile_m * tile_k * 2,
        "room_bytes": (4096, 4096, 4096), "partial_bytes": 0, "store_bytes": 8192, "vector_cycles": 0,
        "port_values_per_cycle": 16, "skip_in_chain": False, "shared_stays": False, "resident_bytes": 8192,
    }  # fmt: skip
    return TilingProblem(**{**data, **changes})


def priced(
    dram: BandwidthDram, array_cycles: int = 4096, tile_k: int = 64, pause_cycles: int = 0, **changes: Any
) -> list[Candidate]:
    tilings = enumerated(problem(**changes), (Cut(tile_k, 16, 16),), dram, Pins())
    found = tilings.all([PassCost(tile_k, 16, 16, array_cycles, 0)], pause_cycles)
    assert tilings.best([PassCost(tile_k, 16, 16, array_cycles, 0)], pause_cycles) == found[0]
    return found


SLOW, FAST = BandwidthDram(1, 1, 0, 16), BandwidthDram(1024, 1, 0, 16)


def test_slow_dram_keeps_the_larger_operand_and_moves_least() -> None:
    best = priced(SLOW)[0]
    assert best.dram_bytes == min(c.dram_bytes for c in priced(SLOW))
    assert busiest_unit(best) == "DRAM"
    assert busiest_unit(priced(FAST)[0]) == "array"


def test_partial_sums_that_do_not_fit_go_to_dram_and_back() -> None:
    spilled = [c for c in priced(SLOW, tile_k=16) if not c.tiling.sums_stay]
    stay = priced(SLOW, tile_k=16, room_bytes=(4096, 4096, 1 << 20))
    assert spilled
    assert all(c.tiling.sums_stay for c in stay)
    for candidate in spilled:
        same = next(c for c in stay if c.tiling == candidate.tiling._replace(sums_stay=True))
        assert candidate.dram_bytes - same.dram_bytes == 2 * (4 - 1) * 64 * 64 * 4


def test_pauses_are_worth_more_smaller_jobs() -> None:
    far = BandwidthDram(1024, 1, 400, 1)  # each read costs 400 cycles, so that fewer jobs are better
    without = priced(far, array_cycles=2048, shared_stays=True)[0]
    with_pauses = priced(far, array_cycles=2048, shared_stays=True, pauses=32, pause_cycles=400)[0]
    assert with_pauses.jobs > without.jobs
    assert 0 < with_pauses.hidden_cycles <= 32 * 400
    assert without.hidden_cycles == 0


def test_why_not_names_the_part_that_differs() -> None:
    found = priced(SLOW)
    for other in found[1:]:
        said = why_not(found[0], other)
        if other.price_cycles > found[0].price_cycles:
            assert said.startswith(f"{other.price_cycles - found[0].price_cycles:,} cycles more (")
            assert "busiest unit" in said or "first load" in said or "last tile" in said
        else:
            assert "as many cycles" in said or "equal" in said


def test_choices_are_what_the_plan_has() -> None:
    workload = Workload(0, (product(20, 11, 9, 0.2),))
    arch = small(4.0, 20.0, (1, 2, 1))
    (choice,) = choices(arch, workload)
    assert choice.candidates[0].tiling == plan(arch, workload).products[0].tiling
    ranks = [c.rank for c in choice.candidates]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)


def test_shape_of_the_array_follows_the_operand() -> None:
    """One lane skips without imbalance; two rows on 16 lanes would leave 14 empty."""
    few_rows = plan(small(64.0, 0.0, (4, 4, 4)), Workload(0, (product(2, 40, 32, 0.3),))).products[0].tiling
    few_columns = plan(small(64.0, 0.0, (4, 4, 4)), Workload(0, (product(64, 40, 2, 1.0),))).products[0].tiling
    assert few_rows.rows <= 2
    assert few_columns.columns <= 2


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"shape": [2, 2]}, "one of [4, 4], [1, 16], [16, 1], [8, 2], [2, 8]"),
        ({"order": "kmn"}, "memory.mapping.order"),
        ({"shape": [16, 1], "tile_m": 8}, "multiple"),
    ],
)
def test_impossible_pins_are_refused(mapping: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as error:
        small(4.0, 0.0, (1, 1, 1), mapping)
    assert words in str(error.value)


def test_shapes_must_have_the_multipliers_and_a_mechanism_that_can_use_them() -> None:
    with pytest.raises(InputError, match="rows x columns = 16"):
        machine(array={"rows": 4, "columns": 4, "shapes": [[4, 8]]})
    with pytest.raises(InputError, match="tiles of its own"):
        machine(
            array={"rows": 4, "columns": 4, "shapes": [[2, 8]]},
            skipping={"mechanism": "outer_product", "rows": 4, "columns": 4},
        )

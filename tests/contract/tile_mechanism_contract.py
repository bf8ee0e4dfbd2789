"""What every mechanism that reads both operands must keep. A mechanism's test subclasses `TileMechanismContract`.

Name the subclass ``Test<Mechanism>Contract`` and give the mechanisms to try::

    class TestOuterProductContract(TileMechanismContract):
        mechanisms = (OuterProduct(rows=4, columns=4), OuterProduct(rows=8, columns=16, tile_rows=32))
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from simulator.arch import mechanism_of
from simulator.arch.mechanism import Mechanism, PassCounts, PassMasks
from simulator.arch.tile_mechanism import TileMechanism
from simulator.skipping import run_pass
from simulator.skipping.masks import bits_on_lanes, from_bools, full, nnz, rows_on_lanes

Bools = npt.NDArray[np.bool_]

SHAPES = ((1, 1, 1), (1, 40, 9), (40, 1, 5), (9, 30, 1), (8, 64, 16), (33, 20, 70), (66, 17, 130))
DENSITIES = ((0.0, 0.5), (0.5, 0.0), (0.05, 0.2), (0.2, 1.0), (1.0, 0.3), (0.5, 0.5), (1.0, 1.0))


@dataclass(frozen=True)
class Pair:
    """Masks of both operands, bool [m, k] and [k, n]."""

    a: Bools
    b: Bools

    def masks(self, mechanism: TileMechanism) -> tuple[PassMasks, PassMasks]:
        """Lay them in the mechanism's tiles."""
        rows, columns = mechanism.tile_shape
        skip = rows_on_lanes(np.packbits(self.a, axis=1, bitorder="little"), self.a.shape[1], rows or len(self.a))
        columns = columns or self.b.shape[1]
        return skip, bits_on_lanes(np.packbits(self.b, axis=1, bitorder="little"), self.b.shape[1], columns)


def random_pairs() -> list[Pair]:
    """Give pairs of every shape and density; always the same ones."""
    rng = np.random.default_rng(20210614)
    return [
        Pair(rng.random((m, k)) < of_a, rng.random((k, n)) < of_b) for m, k, n in SHAPES for of_a, of_b in DENSITIES
    ]


class TileMechanismContract:
    """The tests that any mechanism passes that reads both operands, whatever its law."""

    mechanisms: ClassVar[tuple[TileMechanism, ...]] = ()

    def cases(self) -> list[tuple[TileMechanism, Pair, PassCounts]]:
        """Run every mechanism on every pair."""
        assert self.mechanisms, "name the mechanisms to try"
        found = []
        for mechanism in self.mechanisms:
            for pair in random_pairs():
                skip, shared = pair.masks(mechanism)
                found.append((mechanism, pair, mechanism.count_tiles(skip, shared, shared.lanes)))
        return found

    def test_counts_are_non_negative_int64_arrays_of_one_entry_a_tile(self) -> None:
        for mechanism, pair, counts in self.cases():
            rows, columns = mechanism.tile_shape
            m, n = len(pair.a), pair.b.shape[1]
            for field in fields(PassCounts):
                array = getattr(counts, field.name)
                assert array.dtype == np.int64, (mechanism, field.name)
                assert array.shape == (-(-m // (rows or m)), -(-n // (columns or n))), (mechanism, field.name)
                assert (array >= 0).all(), (mechanism, field.name)

    def test_slots_of_every_tile_are_executed_gated_or_idle(self) -> None:
        for mechanism, _, c in self.cases():
            assert np.array_equal(mechanism.slots_per_cycle * c.cycles, c.executed + c.gated + c.idle), mechanism

    def test_dense_macs_of_every_tile_are_executed_gated_or_skipped(self) -> None:
        for mechanism, pair, c in self.cases():
            skip, shared = pair.masks(mechanism)
            dense = np.outer(skip.lanes, shared.lanes) * pair.a.shape[1]
            assert np.array_equal(dense, c.executed + c.gated + c.skipped), mechanism

    def test_exactly_the_macs_of_two_non_zeros_are_executed(self) -> None:
        for mechanism, pair, c in self.cases():
            assert c.executed.sum() == (pair.a.astype(int) @ pair.b.astype(int)).sum(), mechanism

    def test_no_tile_beats_the_bound_of_two_operands(self) -> None:
        for mechanism, pair, c in self.cases():
            bound = mechanism_of(mechanism.bound(1, mechanism.slots_per_cycle))
            assert isinstance(bound, TileMechanism)
            assert (bound.slots_per_cycle, bound.tile_shape) == (mechanism.slots_per_cycle, mechanism.tile_shape)
            skip, shared = pair.masks(bound)
            least = bound.count_tiles(skip, shared, shared.lanes)
            assert np.array_equal(least.executed, c.executed)
            assert (least.cycles <= c.cycles).all(), mechanism
            assert (least.cycles * mechanism.slots_per_cycle >= c.executed).all()

    def test_a_needed_value_is_read_and_fetched_before(self) -> None:
        for mechanism, pair, c in self.cases():
            needed = int(pair.b[pair.a.any(axis=0)].sum())
            assert c.fetches.sum() >= needed, mechanism
            assert c.reads.sum() >= needed, mechanism

    def test_a_shared_operand_without_zeros_equals_no_mask_of_it(self) -> None:
        for mechanism in self.mechanisms:
            for m, k, n in SHAPES:
                pair = Pair(np.random.default_rng(m).random((m, k)) < 0.4, np.ones((k, n), np.bool_))
                skip, shared = pair.masks(mechanism)
                masked = mechanism.count_tiles(skip, shared, shared.lanes)
                unmasked = mechanism.count_tiles(skip, None, shared.lanes)
                for field in fields(PassCounts):
                    assert np.array_equal(getattr(masked, field.name), getattr(unmasked, field.name)), (
                        mechanism,
                        field.name,
                    )

    def test_a_product_without_positions_takes_no_time(self) -> None:
        for mechanism in self.mechanisms:
            counts = mechanism.count_tiles(full(5, 0), None, np.array([7], np.int64))
            assert set(counts.total().values()) == {0}, mechanism
            assert set(vars(run_pass(np.ones((5, 0), np.bool_), mechanism)).values()) == {0}, mechanism

    def test_an_empty_operand_executes_nothing_and_idles_nowhere(self) -> None:
        for mechanism in self.mechanisms:
            for a, b in ((0, 0), (0, 1), (1, 0)):
                counts = run_pass(np.full((6, 30), bool(a)), mechanism, np.full((30, 9), bool(b)))
                assert counts.executed == counts.gated == counts.conflict == 0, mechanism
                assert counts.skipped == 6 * 30 * 9
                if not a:
                    assert counts.cycles == counts.idle == 0, mechanism

    def test_two_full_masks_execute_everything(self) -> None:
        for mechanism in self.mechanisms:
            counts = run_pass(np.ones((6, 30), np.bool_), mechanism, np.ones((30, 9), np.bool_))
            assert counts.executed == 6 * 30 * 9, mechanism
            assert counts.gated == counts.skipped == 0, mechanism

    def test_the_same_masks_give_the_same_counts(self) -> None:
        for (mechanism, _, a), (_, _, b) in zip(self.cases(), self.cases(), strict=True):
            assert a.total() == b.total(), mechanism

    def test_tiles_do_not_influence_each_other(self) -> None:
        for mechanism, pair, together in self.cases():
            skip, shared = pair.masks(mechanism)
            for p in range(len(skip.lanes)):
                for q in range(len(shared.lanes)):
                    alone = mechanism.count_tiles(
                        PassMasks(skip.words[p : p + 1], skip.lanes[p : p + 1]),
                        PassMasks(shared.words[q : q + 1], shared.lanes[q : q + 1]),
                        shared.lanes[q : q + 1],
                    )
                    for field in fields(PassCounts):
                        found = int(getattr(alone, field.name)[0, 0])
                        assert found == getattr(together, field.name)[p, q], (mechanism, field.name)

    def test_run_pass_sums_the_tiles(self) -> None:
        for mechanism, pair, counts in self.cases():
            result = run_pass(pair.a, mechanism, pair.b)
            assert vars(result) == {**counts.total(), "idle": int(counts.idle.sum())}, mechanism

    def test_without_a_shared_mask_a_single_column_is_counted(self) -> None:
        mask = np.random.default_rng(5).random((20, 50)) < 0.3
        for mechanism in self.mechanisms:
            alone = run_pass(mask, mechanism)
            assert alone == run_pass(mask, mechanism, np.ones((50, 1), np.bool_)), mechanism
            if (mechanism.tile_shape[0] or 20) >= 20:
                assert mechanism.count(from_bools(mask)).total() == {
                    k: v for k, v in vars(alone).items() if k != "idle"
                }

    def test_the_masks_are_left_as_they_were(self) -> None:
        rng = np.random.default_rng(3)
        pair = Pair(rng.random((40, 90)) < 0.3, rng.random((90, 50)) < 0.3)
        for mechanism in self.mechanisms:
            skip, shared = pair.masks(mechanism)
            words = skip.words.copy(), shared.words.copy()
            mechanism.count_tiles(skip, shared, shared.lanes)
            assert np.array_equal(skip.words, words[0]), mechanism
            assert np.array_equal(shared.words, words[1]), mechanism
            assert nnz(skip).sum() == pair.a.sum()

    def test_masks_that_are_read_only_or_not_contiguous_are_taken(self) -> None:
        rng = np.random.default_rng(4)
        skip, shared = from_bools(rng.random((3, 12, 40)) < 0.5), from_bools(rng.random((3, 9, 40)) < 0.5)
        skip.words.flags.writeable = False
        for mechanism in self.mechanisms:
            expected = mechanism.count_tiles(skip, shared, shared.lanes).cycles[::2, ::2]
            every_other = [PassMasks(masks.words[::2], masks.lanes[::2]) for masks in (skip, shared)]
            found = mechanism.count_tiles(every_other[0], every_other[1], every_other[1].lanes).cycles
            assert found.tolist() == expected.tolist(), mechanism

    def test_mechanisms_are_registered_by_name_and_equal_their_mapping(self) -> None:
        for mechanism in self.mechanisms:
            model = Mechanism.registered[mechanism.mechanism]
            assert type(mechanism) is model
            assert mechanism_of(mechanism.model_dump(mode="json")) == mechanism
            assert model.summary
            assert model.literature

    def test_every_parameter_is_described(self) -> None:
        for mechanism in self.mechanisms:
            for name, field in type(mechanism).model_fields.items():
                assert name == "mechanism" or field.description, name

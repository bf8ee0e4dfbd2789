"""What every zero-skipping mechanism must keep. A mechanism's test subclasses `MechanismContract`.

Name the subclass ``Test<Mechanism>Contract`` and give the mechanisms to try::

    class TestLookaheadContract(MechanismContract):
        mechanisms = (Lookahead(depth=8, refill=8), Lookahead(depth=None, refill=None))
"""

from __future__ import annotations

from dataclasses import fields
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from simulator.arch.mechanism import Mechanism, PassCounts, PassMasks
from simulator.skipping.masks import from_bools, full, nnz, rows_on_lanes

Bools = npt.NDArray[np.bool_]

SHAPES = ((1, 1), (1, 40), (40, 1), (3, 0), (4, 7), (8, 64), (16, 100), (64, 33), (65, 33), (130, 20))
DENSITIES = (0.0, 0.05, 0.2, 0.5, 0.9, 1.0)


def random_masks() -> list[Bools]:
    """Give masks [lanes, positions] of every shape and density; always the same ones."""
    rng = np.random.default_rng(20170424)
    return [rng.random(shape) < density for shape in SHAPES for density in DENSITIES]


def sums(counts: PassCounts) -> dict[str, int]:
    """Total counts, idle included."""
    return counts.total() | {"idle": int(counts.idle.sum())}


class MechanismContract:
    """The tests that any mechanism passes, whatever its law."""

    mechanisms: ClassVar[tuple[Mechanism, ...]] = ()
    multiplies_zeros: ClassVar[bool] = False
    """Whether a zero that takes a slot counts as executed, as in a dense array without gating."""

    def mask_for(self, mechanism: Mechanism, mask: Bools) -> Bools:
        """Make a mask fit the mechanism: one that accepts only some patterns overrides this."""
        return mask

    def cases(self) -> list[tuple[Mechanism, Bools, PassCounts]]:
        """Run every mechanism on every mask."""
        assert self.mechanisms, "name the mechanisms to try"
        return [
            (m, z, m.count(from_bools(z)))
            for m in self.mechanisms
            for z in (self.mask_for(m, mask) for mask in random_masks())
        ]

    def test_counts_are_non_negative_int64_arrays_of_one_entry_a_pass(self) -> None:
        for mechanism, _, counts in self.cases():
            for field in fields(PassCounts):
                array = getattr(counts, field.name)
                assert array.dtype == np.int64, (mechanism, field.name)
                assert array.shape == (1,)
                assert (array >= 0).all(), (mechanism, field.name)

    def test_slots_are_executed_gated_or_idle(self) -> None:
        for mechanism, mask, counts in self.cases():
            c = sums(counts)
            slots = mask.shape[0] * mechanism.macs_per_lane * c["cycles"]
            assert slots == c["executed"] + c["gated"] + c["idle"], mechanism

    def test_dense_macs_are_executed_gated_or_skipped(self) -> None:
        for mechanism, mask, counts in self.cases():
            c = sums(counts)
            assert mask.size == c["executed"] + c["gated"] + c["skipped"], mechanism

    def test_every_non_zero_is_executed_and_no_zero(self) -> None:
        for mechanism, mask, counts in self.cases():
            executed = int(counts.executed[0])
            if self.multiplies_zeros:
                assert executed >= mask.sum()
            else:
                assert executed == mask.sum(), mechanism

    def test_cycles_are_not_below_the_ideal_bound(self) -> None:
        for mechanism, mask, counts in self.cases():
            slots_per_cycle = mask.shape[0] * mechanism.macs_per_lane
            assert counts.cycles[0] >= -(-int(mask.sum()) // slots_per_cycle), mechanism

    def test_a_needed_word_is_read_and_fetched_before(self) -> None:
        for mechanism, mask, counts in self.cases():
            needed = int(mask.any(axis=0).sum())
            assert counts.reads[0] >= needed, mechanism
            assert counts.fetches[0] >= needed, mechanism

    def test_a_mask_without_positions_takes_no_time(self) -> None:
        for mechanism in self.mechanisms:
            assert sums(mechanism.count(full(5, 0))) == dict.fromkeys(sums(mechanism.count(full(5, 0))), 0)

    def test_an_empty_mask_executes_nothing_unless_zeros_are_multiplied(self) -> None:
        for mechanism in self.mechanisms:
            counts = mechanism.count(from_bools(np.zeros((6, 30), np.bool_)))
            assert counts.conflict[0] == 0
            if not self.multiplies_zeros:  # else a last cycle of several positions may have slots left over
                assert counts.executed[0] == counts.imbalance[0] == 0

    def test_a_full_mask_executes_everything(self) -> None:
        for mechanism in self.mechanisms:
            mask = self.mask_for(mechanism, np.ones((6, 30), np.bool_))
            counts = mechanism.count(from_bools(mask))
            if mask.all():
                assert counts.executed[0] == mask.size
                assert counts.gated[0] == counts.skipped[0] == 0

    def test_the_same_mask_gives_the_same_counts(self) -> None:
        first, second = self.cases(), self.cases()
        for (mechanism, _, a), (_, _, b) in zip(first, second, strict=True):
            assert a.total() == b.total(), mechanism

    @pytest.mark.parametrize("lanes", [5, 32, 70])
    def test_passes_do_not_influence_each_other_and_the_last_may_be_short(self, lanes: int) -> None:
        rng = np.random.default_rng(lanes)
        for mechanism in self.mechanisms:
            mask = self.mask_for(mechanism, rng.random((2 * lanes + 3, 50)) < rng.random((2 * lanes + 3, 1)))
            packed = np.packbits(mask, axis=-1, bitorder="little")
            together = mechanism.count(rows_on_lanes(packed, 50, lanes))
            alone = [mechanism.count(from_bools(mask[p : p + lanes])) for p in range(0, len(mask), lanes)]
            assert len(alone) == len(together.cycles) == 3
            for field in fields(PassCounts):
                expected = [int(getattr(one, field.name)[0]) for one in alone]
                assert getattr(together, field.name).tolist() == expected, (mechanism, field.name)

    def test_the_masks_are_left_as_they_were(self) -> None:
        masks = from_bools(np.random.default_rng(3).random((40, 90)) < 0.3)
        words = masks.words.copy()
        for mechanism in self.mechanisms:
            if self.mask_for(mechanism, np.ones((2, 4), np.bool_)).all():
                mechanism.count(masks)
                assert np.array_equal(masks.words, words), mechanism
                assert nnz(masks).tolist() == [int(np.bitwise_count(words).sum())]

    def test_masks_that_are_read_only_or_not_contiguous_are_taken(self) -> None:
        mask = np.random.default_rng(4).random((3, 12, 40)) < 0.5
        for mechanism in self.mechanisms:
            fitted = np.stack([self.mask_for(mechanism, m) for m in mask])
            whole = from_bools(fitted)
            whole.words.flags.writeable = False
            every_other = PassMasks(whole.words[::2], whole.lanes[::2])
            expected = mechanism.count(whole).cycles[::2]
            assert mechanism.count(every_other).cycles.tolist() == expected.tolist(), mechanism

    def test_mechanisms_are_registered_by_name_and_equal_their_mapping(self) -> None:
        for mechanism in self.mechanisms:
            model = Mechanism.registered[mechanism.mechanism]
            assert type(mechanism) is model
            assert model.model_validate(mechanism.model_dump()) == mechanism
            assert model.summary
            assert model.literature

    def test_every_parameter_is_described(self) -> None:
        for mechanism in self.mechanisms:
            for name, field in type(mechanism).model_fields.items():
                assert name == "mechanism" or field.description, name

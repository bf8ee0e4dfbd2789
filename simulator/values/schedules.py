"""Which lane consumes which position in which cycle: schedules of the mechanisms that read the skip operand alone.

Each is a statement of the mechanism's law of its own, beside the one that counts (`Mechanism.count`), and yields the
cycles, too. A mechanism of yours joins by ``SCHEDULES[MyMechanism] = my_schedule``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.arch import Architecture, Mechanism
from simulator.skipping.ideal import Ideal
from simulator.skipping.inner_product import InnerProduct, lane_order
from simulator.skipping.lookahead import Dense, Gated, Lookahead, VectorSkip
from simulator.skipping.structured import Structured
from simulator.values.tiles import TILE_RUNS
from traces.errors import InputError

Bools = npt.NDArray[np.bool_]
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LaneSchedule:
    """What the lanes of one pass multiply, in order of time; zeros that were skipped or gated are not in it.

    Attributes
    ----------
    cycles : int
        Cycles of the pass.
    cycle, lane, position : int64 [E]
        In cycle ``cycle[e]`` the value of lane ``lane[e]`` at position ``position[e]`` is multiplied with that position
        of the shared operand and added to the lane's sums. Cycles never fall.
    """

    cycles: int
    cycle: Int64s
    lane: Int64s
    position: Int64s


def schedule_pass(mechanism: Mechanism, mask: Bools, recorded: bool = True) -> LaneSchedule:
    """Schedule one pass.

    Parameters
    ----------
    mechanism : Mechanism
        One of `SCHEDULES`.
    mask : bool [lanes, positions]
        True where the skip operand is non-zero.
    recorded : bool
        False where no zeros were recorded, so that the mask is full.
    """
    return SCHEDULES[type(mechanism)](mechanism, mask, recorded)


def require_schedule(arch: Architecture) -> None:
    """Refuse a machine whose mechanism has no schedule.

    Raises
    ------
    InputError
        Where values cannot be checked.
    """
    mechanism = type(arch.skipping)
    if mechanism in SCHEDULES or mechanism in TILE_RUNS:
        return
    names = sorted(name for name, model in Mechanism.registered.items() if model in {*SCHEDULES, *TILE_RUNS})
    raise InputError.of(
        f"machine {arch.name}: skipping.mechanism",
        f"{arch.skipping.mechanism}, whose schedule is not stated yet, so that values cannot be checked on it",
        "one of " + ", ".join(names),
        "leave out --check-values",
    )


def _dense(mechanism: Dense, mask: Bools, recorded: bool) -> LaneSchedule:
    """Take so many consecutive positions a cycle, zeros too."""
    position, lane = np.nonzero(np.ones_like(mask.T))
    at_once = mechanism.macs_per_lane
    return LaneSchedule(-(-mask.shape[1] // at_once), position // at_once, lane, position)


def _gated(mechanism: Gated, mask: Bools, recorded: bool) -> LaneSchedule:
    return _one_position_a_cycle(mask, np.arange(mask.shape[1]))


def _vector_skip(mechanism: VectorSkip, mask: Bools, recorded: bool) -> LaneSchedule:
    return _one_position_a_cycle(mask, _kept(mask, mechanism.block))


def _lookahead(mechanism: Lookahead, mask: Bools, recorded: bool) -> LaneSchedule:
    if mechanism.depth == 1:
        # A window of one position: all lanes meet there, and a zero may have to be multiplied or gated.
        served = np.arange(mask.shape[1]) if mechanism.refill else _kept(mask, mechanism.block)
        return _one_position_a_cycle(mask if mechanism.gate else np.ones_like(mask), served)
    from simulator.skipping.kernels import UNLIMITED
    from simulator.values.kernels import look_ahead

    knobs = (mechanism.depth, mechanism.refill, mechanism.banks)
    depth, refill, banks = (UNLIMITED if knob is None else knob for knob in knobs)
    cycle, lane, position = np.empty((3, int(mask.sum())), np.int64)
    cycles = look_ahead(np.ascontiguousarray(mask), depth, refill, banks, cycle, lane, position)
    return LaneSchedule(cycles, cycle, lane, position)


def _ideal(mechanism: Ideal, mask: Bools, recorded: bool) -> LaneSchedule:
    """Deal the non-zeros out by position, to multipliers that serve all lanes."""
    slots = len(mask) * mechanism.macs_per_lane
    position, lane = np.nonzero(mask.T)
    return LaneSchedule(-(-len(lane) // slots), np.arange(len(lane)) // slots, lane, position)


def _inner_product(mechanism: InnerProduct, mask: Bools, recorded: bool) -> LaneSchedule:
    from simulator.values.kernels import pull_forward

    moves = np.array([move for move in mechanism.moves if move[0] < mechanism.depth], np.int64).reshape(-1, 2)
    order = np.array(lane_order(mechanism.lanes), np.int64)
    cycle, lane, position = np.empty((3, int(mask.sum())), np.int64)
    cycles = pull_forward(np.ascontiguousarray(mask), mechanism.depth, order, moves, cycle, lane, position)
    return LaneSchedule(cycles, cycle, lane, position)


def _structured(mechanism: Structured, mask: Bools, recorded: bool) -> LaneSchedule:
    """Give the j-th non-zero of a group the j-th slot of that group."""
    positions = np.arange(mask.shape[1])
    if not recorded:
        return _one_position_a_cycle(mask, positions)
    n, m = mechanism.n, mechanism.m
    before: Int64s = np.cumsum(mask, axis=1, dtype=np.int64) - mask  # non-zeros of the lane at earlier positions
    rank: Int64s = before - before[:, positions // m * m]
    lane, position = np.nonzero(mask)
    cycle = position // m * n + rank[lane, position]
    groups, rest = divmod(mask.shape[1], m)
    order = np.argsort(cycle, kind="stable")
    return LaneSchedule(groups * n + min(n, rest), cycle[order], lane[order], position[order])


def _one_position_a_cycle(multiplied: Bools, served: Int64s) -> LaneSchedule:
    """Serve these positions to all lanes, one a cycle; a lane multiplies where `multiplied` [lanes, K] is true."""
    cycle, lane = np.nonzero(multiplied[:, served].T)
    return LaneSchedule(len(served), cycle, lane, served[cycle])


def _kept(mask: Bools, block: int) -> Int64s:
    """List the positions of the blocks in which some lane has a non-zero."""
    positions = np.arange(mask.shape[1])
    kept_blocks = np.unique(np.nonzero(mask)[1] // block)
    return positions[np.isin(positions // block, kept_blocks)]


SCHEDULES: dict[type[Mechanism], Callable[[Any, Bools, bool], LaneSchedule]] = {
    Dense: _dense,
    Gated: _gated,
    VectorSkip: _vector_skip,
    Lookahead: _lookahead,
    Ideal: _ideal,
    InnerProduct: _inner_product,
    Structured: _structured,
}
"""The schedule of each mechanism that reads the skip operand alone: (mechanism, mask, recorded) to a `LaneSchedule`."""

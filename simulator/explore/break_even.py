"""Find a machine's break-even: replays of synthetic steps at many shares of zeros, and bisection between them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from simulator.arch import Architecture
from simulator.report import Report
from simulator.report.break_even import RESOLUTION, BreakEven, Crossing, CurvePoint, recorded_points
from simulator.run import dense_twin, simulate
from simulator.skipping.structured import Structured
from traces import Trace, synthetic_trace
from traces.errors import InputError

DEFAULT_POINTS = 11
MOST_ELEMENTS = 2**24
"""Gate gradients of a synthetic step, all layers together: a replay of so many takes about a second. The paper's model
(3 x 256 cells, 100 time steps, batch 32) has 9.8 million and is not cut."""

Progress = Callable[[int], None]


def find_break_even(
    machine: Architecture,
    trace: Trace,
    *,
    report: Report | None = None,
    points: int = DEFAULT_POINTS,
    time_steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> BreakEven:
    """Find the share of zeros in dG from which on a machine takes less time, and less energy, than its dense twin.

    The steps that are replayed have the trace's layers, dense layers and batch, independent zeros in dG, and no zeros
    in x and h: the question is what zeros in the gate gradients are worth.

    Parameters
    ----------
    machine : Architecture
    trace : Trace
        For its shapes.
    report : Report, optional
        Of recorded steps, which become `BreakEven.recorded`.
    points : int
        Of the curve, at least 2, from no zeros to nothing but zeros.
    time_steps : int, optional
        T of the synthetic steps; default: the trace's, cut to `MOST_ELEMENTS` gate gradients.
    seed : int
        Of the masks.
    progress : callable, optional
        Called with the number of replays done.

    Raises
    ------
    InputError
        If an argument is out of range, or the machine takes only masks of a pattern, which independent zeros break.
    """
    _check(machine, points, time_steps, seed)
    T = time_steps or _quick_time_steps(trace)
    with tempfile.TemporaryDirectory(prefix="skipstone-") as folder:
        gains = _Gains(machine, trace, T, seed, Path(folder) / "step.npz", progress)
        grid = [i / (points - 1) for i in range(points)]
        curve = [gains.at(sparsity) for sparsity in grid]
        time = crossing(lambda s: gains.at(s).time_saving, grid)
        energy = crossing(lambda s: gains.at(s).energy_saving, grid)
    return BreakEven(
        machine=machine.name,
        digest=machine.digest,
        trace_sha256=trace.sha256,
        batch_size=trace.batch_size,
        time_steps=T,
        recorded_time_steps=trace.sequence_length,
        seed=seed,
        points=tuple(curve),
        time=time,
        energy=energy,
        recorded=() if report is None else recorded_points(report),
    )


def crossing(saving: Callable[[float], float], grid: Sequence[float]) -> Crossing:
    """Find where a saving that grows with the sparsity, more or less, stops being a loss.

    Parameters
    ----------
    saving : callable
        Sparsity to saving; below 0 is a loss.
    grid : sequence of float
        Ascending sparsities to look at first; the last step from a loss to no loss among them is then halved until
        it is no longer than `RESOLUTION`.
    """
    found: Mapping[float, float] = {sparsity: saving(sparsity) for sparsity in grid}
    losses = [i for i, sparsity in enumerate(grid) if found[sparsity] < 0]
    gains = [i for i, sparsity in enumerate(grid) if found[sparsity] > 0]
    if not gains:
        return Crossing("never")
    if not losses:
        return Crossing("always")
    if losses[-1] > gains[-1]:
        return Crossing("mixed")
    low, high = grid[losses[-1]], grid[losses[-1] + 1]
    while high - low > RESOLUTION:
        middle = (low + high) / 2
        low, high = (middle, high) if saving(middle) < 0 else (low, middle)
    return Crossing("at", high)


class _Gains:
    """What the machine gains at a sparsity; each sparsity is replayed once, the dense twin once in all."""

    def __init__(
        self, machine: Architecture, trace: Trace, T: int, seed: int, path: Path, progress: Progress | None
    ) -> None:
        self._machine, self._trace, self._T, self._seed, self._path = machine, trace, T, seed, path
        self._progress = progress
        self._done: dict[float, CurvePoint] = {}
        # A dense array multiplies every zero: its costs do not depend on the masks.
        self._twin = self._replay(dense_twin(machine), 0.0)

    def at(self, sparsity: float) -> CurvePoint:
        if sparsity not in self._done:
            here, twin = self._replay(self._machine, sparsity), self._twin
            saving = 1 - here.energy.total_pj / twin.energy.total_pj
            self._done[sparsity] = CurvePoint(sparsity, twin.total_cycles / here.total_cycles, saving)
            if self._progress is not None:
                self._progress(len(self._done))
        return self._done[sparsity]

    def _replay(self, machine: Architecture, sparsity: float) -> Report:
        trace = self._trace
        synthetic_trace(
            self._path,
            layers=trace.layers,
            dense_layers=trace.dense_layers,
            sequence_length=self._T,
            batch_size=trace.batch_size,
            sparsity=sparsity,
            seed=self._seed,
        )
        with Trace(self._path) as step:
            return simulate(machine, step, baseline=False)


def _quick_time_steps(trace: Trace) -> int:
    """Give the trace's T, or less where a step of it would have more than `MOST_ELEMENTS` gate gradients."""
    per_time_step = trace.batch_size * sum(layer.gate_bits for layer in trace.layers)
    return max(1, min(trace.sequence_length, MOST_ELEMENTS // per_time_step))


def _check(machine: Architecture, points: int, time_steps: int | None, seed: int) -> None:
    for name, value, least in (("points", points, 2), ("time steps", time_steps, 1), ("seed", seed, 0)):
        if value is not None and value < least:
            raise InputError.of(name, str(value), f"a whole number of at least {least}")
    if isinstance(machine.skipping, Structured):
        pattern = f"{machine.skipping.n}:{machine.skipping.m}"
        raise InputError.of(
            f"break-even of {machine.name}",
            f"a machine that takes {pattern} masks alone",
            "one that takes any mask: independent zeros break the pattern",
            "its gain does not depend on the share of zeros",
        )

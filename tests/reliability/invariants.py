"""`make invariants`: random runs without a violation, faults that are found, the time of checks, surroundings.

Started with ``python -m reliability.invariants [checks] [bytes]``; writes the figures of two promises.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from plain.cases import MECHANISMS, SHAPED_ARRAYS, SYSTEMS, TIMING_SYSTEMS, machine, networks, write_trace

import simulator.energy.price as _price_module  # noqa: F401 - loaded before it is timed
import simulator.engine.activity as activity
import simulator.engine.chips as chips
import simulator.engine.times as times
import simulator.run as walk
from reliability.broken_runs import FAULTS
from reliability.outputs import COMMANDS
from reliability.promises import FIGURES, keep
from reliability.silent_wrongness import INVARIANTS_HOLD, SAME_BYTES
from reliability.surroundings import SURROUNDINGS, differing, made, with_locale
from simulator.arch import load_arch
from simulator.engine import INVARIANTS, InvariantError
from traces import InputError, synthetic_trace

R = TypeVar("R")
RUNS = 250
TIMED = ("zero_skip", "staged_window", "dense")
TIMES = 5


def random_runs(examples: int) -> tuple[int, int]:
    """Replay random networks on random machines with both engines; runs, and runs with a violation."""
    told = {"runs": 0, "violations": 0}

    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=False,
        phases=(Phase.generate,),
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        networks(),
        SHAPED_ARRAYS,
        MECHANISMS,
        st.one_of(st.just("ideal"), SYSTEMS, TIMING_SYSTEMS),
        st.integers(1, 3),
        st.sampled_from([1, 3]),
        st.sampled_from(["compiled", "event"]),
    )
    def one(
        network: dict[str, Any],
        array: dict[str, Any],
        skipping: dict[str, Any],
        memory: Any,
        arrays: int,
        count: int,
        engine: Any,
    ) -> None:
        with tempfile.TemporaryDirectory() as folder:
            trace = write_trace(Path(folder) / "t.npz", network)
            with trace:
                try:
                    arch = machine(array=array, skipping=skipping, memory=memory, arrays=arrays, chips=count)
                    told["runs"] += 1
                    walk.simulate(arch, trace, engine=engine)
                except InvariantError:
                    told["violations"] += 1
                    raise
                except InputError:  # no tile fits the small buffers
                    told["runs"] -= 1

    one()
    return told["runs"], told["violations"]


def faults_found(folder: Path) -> tuple[int, int]:
    """Break runs by every fault; faults, and those that their own invariant found."""
    trace = synthetic_trace(
        folder / "t.npz", layers=2, hidden_size=8, input_size=8, sequence_length=3, batch_size=4, sparsity=0.7, steps=2
    )
    faults = [(name, fault, changes) for name, some in FAULTS.items() for fault, changes in some]
    found = 0
    for name, fault, changes in faults:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            fault(patch)
            try:
                walk.simulate(machine(**changes), trace)
            except InvariantError as error:
                found += error.invariant == name
    return len(faults), found


def share_of_checks(folder: Path) -> float:
    """The share of a replay's processor time that checks take: of some machines the largest, each at its quickest."""
    spent = [0.0]

    def timed(check: Callable[..., R]) -> Callable[..., R]:
        def clocked(*arguments: Any) -> R:
            began = time.process_time()
            try:
                return check(*arguments)
            finally:
                spent[0] += time.process_time() - began

        return clocked

    sizes = {"hidden_size": 650, "input_size": 650, "sequence_length": 35, "batch_size": 20}
    trace = synthetic_trace(folder / "large.npz", layers=2, steps=8, **sizes)
    shares = []
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in ((times, "check_moments"), (chips, "check_step"), (activity, "check_activity")):
            patch.setattr(owner, name, timed(getattr(owner, name)))
        for name in TIMED:
            arch, least = load_arch(name), []
            for _ in range(TIMES + 1):  # the first one also compiles
                spent[0], began = 0.0, time.process_time()
                walk.simulate(arch, trace, baseline=False)
                took = time.process_time() - began
                least.append((took, spent[0]))
            took, checks = min(least[1:])
            shares.append(checks / took)
    return max(shares)


def surroundings(folder: Path) -> dict[str, int]:
    """Make every output in all surroundings; how many there were, and how many outputs differed in any."""
    usual = made(folder / "usual", list(COMMANDS), {})
    different = 0
    for name, changes in SURROUNDINGS.items():
        there = made(folder / name, list(COMMANDS), with_locale(folder / f"locale of {name}", changes))
        found = differing(usual, there)
        if found:
            print(f"{name}: {', '.join(found)}")
        different += len(found)
    return {"surroundings": len(SURROUNDINGS) + 1, "outputs in each": len(usual), "outputs that differed": different}


def main(parts: Sequence[str]) -> None:
    """Find the figures of some parts, by default of both, and keep them."""
    FIGURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "checks" in parts:
            began = time.monotonic()
            share = share_of_checks(folder)
            runs, violations = random_runs(RUNS)
            faults, found = faults_found(folder)
            figures = {
                "invariants": len(INVARIANTS),
                "random runs on both engines": runs,
                "violations": violations,
                "faults put in": faults,
                "faults found by their own invariant": found,
                "share of a replay's time (2 x 650 LSTM, the largest of three machines)": f"{share:.1%}",
            }
            keep(INVARIANTS_HOLD, figures, time.monotonic() - began)
        if "bytes" in parts:
            began = time.monotonic()
            keep(SAME_BYTES, surroundings(folder), time.monotonic() - began)


if __name__ == "__main__":
    main(sys.argv[1:] or ["checks", "bytes"])

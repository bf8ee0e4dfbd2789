"""Every invariant is looked at in every run: a run in which one does not hold tells no number."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from plain.cases import machine
from reliability.broken_runs import FAULTS, MACHINE, Patch

import simulator.engine.event as event
import simulator.run as walk
from simulator.engine import INVARIANTS, InvariantError
from simulator.engine.times import DeadlockError, Moments
from traces import synthetic_trace


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("invariants") / "t.npz"
    sizes = {"hidden_size": 8, "input_size": 8, "sequence_length": 3, "batch_size": 4}
    return synthetic_trace(path, layers=2, sparsity=0.7, steps=[3, 7], **sizes)


CASES = [
    pytest.param(name, fault, changes, id=f"{name}-{number}")
    for name, faults in FAULTS.items()
    for number, (fault, changes) in enumerate(faults)
]


def test_every_invariant_has_a_fault_that_breaks_it() -> None:
    assert list(FAULTS) == list(INVARIANTS)


@pytest.mark.parametrize(("invariant", "fault", "changes"), CASES)
def test_fault_is_found_by_its_invariant_and_no_report_comes_of_it(
    invariant: str,
    fault: Callable[[Patch], None],
    changes: dict[str, Any],
    trace: Path,
    monkeypatch: Patch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    fault(monkeypatch)
    with pytest.raises(InvariantError) as found:
        walk.simulate(machine(**changes), trace)
    assert found.value.invariant == invariant
    assert INVARIANTS[invariant] in str(found.value)
    assert Path(found.value.bundle).parent == tmp_path


def test_moments_of_the_event_engine_are_looked_at_too(trace: Path, monkeypatch: Patch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    found = event._Machine.moments

    def wrong(own: event._Machine) -> Moments:
        moments = found(own)
        moments.loaded[moments.loaded > 0] -= 1
        return moments

    monkeypatch.setattr(event._Machine, "moments", wrong)
    with pytest.raises(InvariantError, match=r"^step 3: tile .*loads_take_their_time"):
        walk.simulate(machine(**MACHINE), trace, engine="event")


def test_error_is_the_same_after_it_came_from_another_process() -> None:
    for error in (InvariantError("macs_close", "1 is not 2", "step 3"), DeadlockError("stuck at cycle 0")):
        error.bundle = "somewhere"
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert (str(again), again.bundle, again.invariant) == (str(error), "somewhere", error.invariant)

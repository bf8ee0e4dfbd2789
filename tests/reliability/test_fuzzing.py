"""A short run of what `make fuzz` does for long: hypothesis chooses what each surface's grammar makes."""

from __future__ import annotations

import warnings
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reliability.fuzzing.grammar import damaged_bytes
from reliability.fuzzing.surface import Judge, Surface, Verdict
from reliability.fuzzing.surfaces import SURFACES
from traces.errors import InputError

QUICK_INPUTS, SLOW_INPUTS = 80, 20
SLOW = ("command lines", "energy tables", "saved reports")


def judged(judge: Judge, data: bytes) -> Verdict:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numpy and scipy, on files that are odd
        return judge(data)


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_correct_inputs_are_accepted(surface: Surface) -> None:
    with Judge(surface) as judge:
        verdicts = [judged(judge, data) for data in surface.seeds()]
    assert [verdict.story for verdict in verdicts if verdict.fault] == []
    assert sum(verdict.accepted for verdict in verdicts) >= max(1, len(verdicts) // 2)


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_whatever_is_read_is_accepted_as_it_is_or_refused_in_one_message(surface: Surface) -> None:
    seeds = list(surface.seeds())
    with Judge(surface) as judge:

        @settings(
            max_examples=SLOW_INPUTS if surface.name in SLOW else QUICK_INPUTS,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.randoms(use_true_random=False), st.booleans())
        def tried(rng: Random, from_seed: bool) -> None:
            change = surface.mutate or damaged_bytes
            data = (
                change(rng.choice(seeds), rng) if from_seed and surface.name != "command lines" else surface.make(rng)
            )
            verdict = judged(judge, data)
            assert verdict.fault is None, f"{verdict.fault}\n{verdict.story}"

        tried()


def surface_that(take: object) -> Surface:
    return Surface("x", lambda rng: b"", take, lambda: [b""], 1, file="x.bin")  # type: ignore[arg-type]


def test_the_judge_sees_each_kind_of_fault() -> None:
    def crash(path: str) -> None:
        raise KeyError(path)

    def leave(path: str) -> None:
        open(f"{path}.partial", "wb").close()  # noqa: PTH123

    def hang(path: str) -> None:
        from reliability.fuzzing.surface import HangError

        raise HangError

    def steer(path: str) -> None:
        error = InputError.of("a", "b", "c")
        error.problems = ()
        raise error

    def refuse(path: str) -> None:
        raise InputError.of("a", "\x1b[31m", "c")

    found = {}
    for take in (crash, leave, hang, steer, refuse):
        with Judge(surface_that(take)) as judge:
            found[take.__name__] = judge(b"").fault
    assert found.pop("refuse") is None
    assert found == {
        "crash": "KeyError in test_fuzzing.py:crash",
        "leave": "files left behind",
        "hang": "HangError in test_fuzzing.py:hang",
        "steer": "message of no problem in test_fuzzing.py:steer",
    }

"""A clock that jumps by years changes nothing: no result, no order, and nothing that is gone on with, depends on it."""

from __future__ import annotations

import ast
import datetime
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from plain.small_inputs import write_inputs

from reliability.promises import ROOT
from simulator.explore import load_space, run_sweep, search
from traces.char_lm import CharLMSettings, record_char_lm
from traces.thresholds import Fixed

YEARS = (0, 30, -20, 8, -35, 1)
SECONDS_OF_A_YEAR = 365 * 86_400
WALL_CLOCK = {("time", "time"), ("time", "time_ns"), ("time", "localtime"), ("time", "gmtime")} | {
    (kind, name) for kind in ("datetime", "date") for name in ("now", "utcnow", "today")
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_inputs(tmp_path, "{array.rows: [2, 3, 4], array.columns: [4, 8, 12]}")
    return tmp_path


@pytest.fixture
def jumping(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """What makes the wall clock jump by years, to and fro, each time that anyone looks at it."""
    real, years = time.time, itertools.cycle(YEARS)

    def now() -> float:
        return real() + next(years) * SECONDS_OF_A_YEAR

    class Jumping(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return datetime.datetime.fromtimestamp(now(), tz)

    def begin() -> None:
        monkeypatch.setattr(time, "time", now)
        monkeypatch.setattr(time, "time_ns", lambda: int(now() * 1e9))
        for name, module in list(sys.modules.items()):
            if name.startswith("optuna") and getattr(module, "datetime", None) is datetime.datetime:
                monkeypatch.setattr(module, "datetime", Jumping)

    return begin


def test_a_sweep_does_not_look_at_the_clock(home: Path, jumping: Callable[[], None]) -> None:
    run_sweep(load_space(home / "space.yaml"), home / "before", 1)
    jumping()
    os.utime(home / "a.npz", (0, 0))  # files of 1970
    run_sweep(load_space(home / "space.yaml"), home / "after", 1)
    before, after = (sorted(path.read_bytes() for path in (home / n).rglob("*.*")) for n in ("before", "after"))
    assert before == after
    assert run_sweep(load_space(home / "space.yaml"), home / "after", 1).kept == 9


@pytest.mark.parametrize("database", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_search_goes_on_whatever_the_clock_says(home: Path, jumping: Callable[[], None], database: bool) -> None:
    pytest.importorskip("optuna", reason="pip install 'skipstone[search]'")

    def searched(out: Path, trials: int) -> bytes:
        storage = f"sqlite:///{out}.db" if database else None
        space = load_space(home / "space.yaml")
        search(space, ["cycles", "energy"], trials, out, 1, batch=2, storage=storage, store=home / "store")
        return (out / "results.csv").read_bytes()

    first = [searched(home / "before", trials) for trials in (4, 8)]
    jumping()
    assert [searched(home / "after", trials) for trials in (4, 8)] == first


def test_a_recording_goes_on_whatever_the_clock_says(home: Path, jumping: Callable[[], None]) -> None:
    shape = {"layers": 1, "hidden": 8, "sequence": 10, "batch": 3, "record_every": 2, "eval_every": 0}

    def recorded(out: Path) -> bytes:
        for steps in (3, 6):
            settings = CharLMSettings(corpus=str(home / "text.txt"), steps=steps, policy=Fixed(1e-4), **shape)
            record_char_lm(settings, out, resume=steps > 3)
        return out.read_bytes()

    before = recorded(home / "before.npz")
    jumping()
    assert recorded(home / "after.npz") == before


def looks_at_the_clock(source: str) -> Iterator[int]:
    """Find the lines of a module that ask what time it is."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            of = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if (of, node.attr) in WALL_CLOCK:
                yield node.lineno
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (node.lineno for name in node.names if ("time", name.name) in WALL_CLOCK)


def test_no_module_of_ours_asks_what_time_it_is() -> None:
    assert list(looks_at_the_clock("import time, datetime\nx = time.time()\ny = datetime.datetime.now()\n")) == [2, 3]
    assert list(looks_at_the_clock("import time\nfrom time import time_ns\nx = time.monotonic()\n")) == [2]
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for package in ("simulator", "traces")
        for path in sorted((ROOT / package).rglob("*.py"))
        for line in looks_at_the_clock(path.read_text(encoding="utf-8"))
    ]
    assert found == []

"""Lots of a cluster: what a worker answers, and what becomes of answers, whatever they are."""

from __future__ import annotations

import math
import operator
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.arch import load_arch
from simulator.explore import cluster
from simulator.explore import lot as lots
from simulator.explore.cluster import _Lot, _Sweep
from simulator.explore.lot import Answer, Lots, evaluate_lot
from traces import InputError
from traces.errors import Problem

MINE = """\
from typing import Any
from simulator.skipping.lookahead import Lookahead

class Mine(Lookahead):
    mechanism: Any = None  # not registered
"""


@pytest.fixture(autouse=True)
def _in_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "LOOK_UP_EVERY_SECONDS", 0.001)
    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(get_worker=lambda: SimpleNamespace(address="w")))


def test_a_lot_is_answered_in_order() -> None:
    assert evaluate_lot(*Lots(operator.neg).pack([3, 1, 2])) == Answer("w", [-3, -1, -2])


def test_a_lot_that_takes_long_is_answered_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lots, "LOT_SECONDS", 0.05)
    assert evaluate_lot(*Lots(time.sleep).pack([0.0, 0.06, 0.0])) == Answer("w", [None, None])


def test_what_a_worker_cannot_evaluate_is_told_beside_what_it_could(tmp_path: Path) -> None:
    answer = evaluate_lot(*Lots(load_arch).pack(["dense", str(tmp_path / "none.yaml"), "dense"]))
    assert [row.name for row in answer.rows] == ["dense"]
    assert "none.yaml" in answer.problems[0].where


def test_what_the_evaluation_raises_is_no_answer() -> None:
    with pytest.raises(ValueError, match=r"math domain|nonnegative"):
        evaluate_lot(*Lots(math.sqrt).pack([4.0, -1.0]))


def test_other_code_evaluates_nothing() -> None:
    _, _, packed = Lots(operator.neg).pack([1])
    answer = evaluate_lot("f" * 64, "", packed)
    assert answer.rows == []
    assert "the process that sweeps, ffffffffffffffff" in str(answer.problems[0])


def test_a_mechanism_of_another_source_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_mechanism.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    import my_mechanism

    arguments = Lots(operator.neg, (my_mechanism.Mine,)).pack([1])
    assert evaluate_lot(*arguments).rows == [-1]
    (tmp_path / "my_mechanism.py").write_text(MINE + "# edited\n")
    answer = evaluate_lot(*arguments)
    assert (answer.rows, answer.problems[0].found) == ([], "other source of the mechanisms my_mechanism.Mine")
    monkeypatch.delitem(sys.modules, "my_mechanism")
    (tmp_path / "my_mechanism.py").unlink()
    answer = evaluate_lot(*arguments)
    assert answer.rows == []
    assert "cannot load (ModuleNotFoundError: No module named 'my_mechanism')" in answer.problems[0].found
    assert "in a module that each worker can import" in answer.problems[0].hint


# --- what becomes of answers -------------------------------------------------------------------------------


class Drawn:
    """A cluster whose workers answer as it is drawn: in whatever order, a part of a lot, or by dying of it."""

    def __init__(self, draw: Callable[..., Any], deadly: set[int]) -> None:
        self.workers = {"a": 1}
        self._draw, self._deadly = draw, deadly
        self._waiting: list[Future[None]] = []
        self._points: dict[Future[None], list[int]] = {}
        self.most = 0

    def look(self) -> None:
        if self._waiting:
            self._waiting.pop(self._draw(st.integers(0, len(self._waiting) - 1))).set_result(None)

    def submit(self, points: list[int], near: str) -> Future[None]:
        assert near in ("", "a")
        self._waiting.append(Future())
        self._points[self._waiting[-1]] = points
        self.most = max(self.most, len(self._waiting))
        return self._waiting[-1]

    def answer_of(self, future: Future[None]) -> Answer | None:
        points = self._points[future]
        if self._deadly & set(points) or (len(points) > 1 and self._draw(st.booleans())):
            return None
        return Answer("a", [-point for point in points[: self._draw(st.integers(1, len(points)))]])

    def wrong(self, *told: str) -> InputError:
        return InputError(Problem("cluster", *told))


class Plain:
    """Packs nothing."""

    def pack(self, points: list[int]) -> list[int]:
        return points


def swept(draw: Callable[..., Any], sizes: list[int], deadly: set[int], rows: list[tuple[int, int]]) -> None:
    points, to_send, first = list(range(sum(sizes))), deque[_Lot](), 0
    for size in sizes:
        to_send.append(_Lot(first, first + size))
        first += size
    drawn: Any = Drawn(draw, deadly)
    common: Any = Plain()
    rows.extend(_Sweep(drawn, common, points, to_send).rows(lambda: False, lambda point: f"<{point}>"))
    assert drawn.most <= 16


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data(), sizes=st.lists(st.integers(1, 4), max_size=20))
def test_every_point_comes_once_however_lots_end(data: st.DataObject, sizes: list[int]) -> None:
    rows: list[tuple[int, int]] = []
    swept(data.draw, sizes, set(), rows)
    assert sorted(rows) == [(point, -point) for point in range(sum(sizes))]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data(), sizes=st.lists(st.integers(1, 5), min_size=1, max_size=8))
def test_points_that_kill_workers_are_told_when_the_others_are_done(data: st.DataObject, sizes: list[int]) -> None:
    points = sum(sizes)
    deadly = data.draw(st.sets(st.integers(0, points - 1), min_size=1, max_size=2))
    rows: list[tuple[int, int]] = []
    with pytest.raises(InputError, match="points of which worker after worker died: <") as caught:
        swept(data.draw, sizes, deadly, rows)
    assert sorted(rows) == [(point, -point) for point in range(points) if point not in deadly]
    assert [f"<{point}>" in str(caught.value) for point in range(points)] == [p in deadly for p in range(points)]


class Silent(Drawn):
    """A cluster that never answers."""

    def look(self) -> None:
        pass


def test_every_wait_for_an_answer_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    # `queue.SimpleQueue.get` waits for ever where its time passes between two looks of its own (CPython 3.11 to 3.13):
    # rare with a tenth of a second, but a loaded machine does it.
    monkeypatch.setattr(cluster, "LOOK_UP_EVERY_SECONDS", 2e-6)
    common: Any = Plain()

    def sweep_and_stop() -> None:
        for _ in range(3000):
            silent: Any = Silent(lambda _: 0, set())
            asked = iter((False, True))
            assert list(_Sweep(silent, common, [1], deque([_Lot(0, 1)])).rows(lambda a=asked: next(a), str)) == []

    waits = threading.Thread(target=sweep_and_stop, daemon=True)
    waits.start()
    waits.join(timeout=60)
    assert not waits.is_alive()


def test_a_third_point_that_kills_workers_ends_the_sweep() -> None:
    rows: list[tuple[int, int]] = []
    with pytest.raises(InputError, match=r"died: <[0-9]+>; <[0-9]+>; <[0-9]+>;"):
        swept(lambda _: 0, [1] * 40, set(range(39)), rows)
    assert len(rows) <= 1

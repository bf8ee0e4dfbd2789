from __future__ import annotations

import math
import multiprocessing
import operator
import os
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cpus import usable_cpus
from simulator.explore.pool import LOTS_OF_A_WORKER, lots, run_points
from traces import InputError


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_point_is_evaluated_once(workers: int) -> None:
    points = list(range(9))
    assert sorted(run_points(points, operator.neg, workers)) == [(i, -i) for i in points]
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("workers", [1, 2])
def test_no_points_give_no_rows(workers: int) -> None:
    assert list(run_points([], operator.neg, workers)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_what_the_evaluation_raises_comes_through(workers: int) -> None:
    rows = run_points([4.0, -1.0, *[9.0] * 20], math.sqrt, workers)
    with pytest.raises(ValueError, match=r"math domain|nonnegative"):
        dict(rows)
    assert multiprocessing.active_children() == []


def test_lots_are_made_when_there_is_room() -> None:
    asked = _Asked(range(4000))
    rows = run_points(asked, operator.neg, 2, largest_lot=5)
    first = [next(rows) for _ in range(5)]
    assert sorted(first) == [(index, -index) for index, _ in first]
    assert asked.most <= 5 * (2 * LOTS_OF_A_WORKER)
    assert sorted([*first, *rows]) == [(index, -index) for index in range(4000)]


class _Asked(list[int]):
    """Knows up to which point it was asked for."""

    most = 0

    def __getitem__(self, index: Any) -> Any:
        self.most = max(self.most, index.stop)
        return list(self)[index]


def test_a_stop_gives_up_what_is_unfinished() -> None:
    finished: list[int] = []
    sleeps = [0.0, 0.0, 3600.0, 3600.0, 0.0]
    for index, _ in run_points(sleeps, time.sleep, 2, lambda: len(finished) >= 2):
        finished.append(index)
    assert {0, 1} <= set(finished) <= {0, 1}
    assert multiprocessing.active_children() == []


def test_a_stop_in_one_process_begins_no_further_point() -> None:
    finished: list[int] = []
    for index, _ in run_points([0] * 5, operator.neg, 1, lambda: len(finished) == 3):
        finished.append(index)
    assert finished == [0, 1, 2]


def test_a_reader_that_leaves_takes_the_workers_along() -> None:
    rows = run_points([0.0, 3600.0, 3600.0], time.sleep, 2)
    assert next(rows) == (0, None)
    rows.close()
    assert multiprocessing.active_children() == []


def test_a_worker_that_dies_is_told_with_what_to_try() -> None:
    with pytest.raises(InputError, match=r"workers: found a process that died or was killed.*fewer --workers"):
        list(run_points([0, 0, 0], os._exit, 2))
    assert multiprocessing.active_children() == []


def test_workers_end_with_a_parent_that_is_killed() -> None:
    words = [sys.executable, "-c", "import time; from simulator.explore.pool import run_points\n" + ORPHANS]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "under way\n"
        parent.kill()
        # The workers inherited its standard output: it ends when the last of them does.
        assert parent.stdout.read() == ""


ORPHANS = """\
for _ in run_points([0.0, 3600.0, 3600.0], time.sleep, 2):
    print("under way", flush=True)
"""


def test_there_is_a_core() -> None:
    assert 1 <= usable_cpus() <= (os.cpu_count() or 1)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 9), max_size=9), st.integers(1, 5))
def test_lots_cover_all_points_and_cut_only_large_groups(sizes: list[int], size: int) -> None:
    groups = [number for number, count in enumerate(sizes) for _ in range(count)]
    found = lots(len(groups), size, groups)
    assert [index for first, end in found for index in range(first, end)] == list(range(len(groups)))
    for first, end in found[:-1]:
        assert size <= end - first <= 2 * size
        assert groups[end] != groups[end - 1] or end - first == 2 * size
    assert [end - first for first, end in lots(len(groups), size)][:-1] == [size] * max(0, -(-len(groups) // size) - 1)


def test_groups_change_nothing_but_where_points_are_evaluated() -> None:
    points = list(range(40))
    rows = run_points(points, _process_of, 2, groups=[point // 3 for point in points])
    processes = dict(rows)
    assert sorted(processes) == points
    assert all(processes[3 * g] == processes[3 * g + 1] == processes[3 * g + 2] for g in range(13))


def _process_of(_: int) -> int:
    return os.getpid()

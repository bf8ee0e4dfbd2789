"""What a sweep of very many points keeps of each: little, and enough to say and to evaluate it."""

from __future__ import annotations

import io
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.explore import Point, Refusal, Space, enumerate_grid, machines, run_sweep, table
from simulator.explore.evaluate import refused, told
from simulator.explore.listing import Listing
from simulator.explore.order import sharing_order
from simulator.explore.store import Store
from traces import InputError

AXES: dict[str, Any] = {
    "skipping.depth": [4, 8, 4.0, "many"],
    "array.rows": [2, 3],
    "energy_table": ["cmos_45nm", "cmos_7nm"],
    "name": {"values": ["x", "y"], "only_if": {"array.rows": [3, 4]}},
}


def space_of(folder: Path, axes: dict[str, Any], **more: Any) -> Space:
    data = {"name": "many", "archs": ["small.yaml", "plain.yaml"], "traces": ["a.npz", "b.npz"], "axes": axes}
    return Space.parse({**data, **more}, folder)


def grown_bytes(make: Callable[[], object]) -> int:
    """Bytes that are kept of what is made."""
    tracemalloc.start()
    try:
        kept = make()
        size = tracemalloc.get_traced_memory()[0]
        del kept
        return size
    finally:
        tracemalloc.stop()


@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    names=st.lists(st.sampled_from(sorted(AXES)), min_size=1, unique=True),
    steps=st.sampled_from([None, ":15", {"early": ":15", "late": "15:"}, ["5:11", "5:12"]]),
    kept=st.sampled_from([1, 3, 1000]),
)
def test_a_listing_says_and_makes_what_the_grid_has(names: list[str], steps: Any, kept: int, folder: Path) -> None:
    space = space_of(folder, {name: AXES[name] for name in names}, **({} if steps is None else {"steps": steps}))
    grid = enumerate_grid(space)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machines, "KEPT_MACHINES", kept)  # and what is not kept is made again
        listing = Listing(space)
        assert (len(listing), listing.points) == (len(grid.entries), len(grid.points))
        for place, entry in enumerate(grid.entries):
            if isinstance(entry, Refusal):
                assert listing.reason(place) == entry.reason
                assert listing.told(place) == refused(entry)
            else:
                assert listing.reason(place) is None
                assert list(listing.told(place).items()) == list(told(entry).items())
                assert (listing.point(place), listing.point(place).key) == (entry, entry.key)
        places = [place for place, entry in enumerate(grid.entries) if isinstance(entry, Point)]
        points, groups = listing.order(places)
    order, expected_groups = sharing_order(grid.points)
    assert [grid.entries[place] for place in points.places] == [grid.points[index] for index in order]
    assert groups == expected_groups
    assert list(points[1:3]) == list(points)[1:3]


def test_a_listing_keeps_few_bytes_of_a_point(folder: Path) -> None:
    def listed(clocks: int) -> int:
        axes = {"clock_mhz": list(range(500, 500 + clocks)), "array.rows": [2, 3, 4]}
        Listing(space_of(folder, axes, archs=["small.yaml"], traces=["a.npz"]))  # what is made once
        return grown_bytes(lambda: Listing(space_of(folder, axes, archs=["small.yaml"], traces=["a.npz"])))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machines, "KEPT_MACHINES", 8)
        fewer, more = listed(20), listed(100)
    assert (more - fewer) / 240 < 500


def test_a_store_keeps_few_bytes_of_an_outcome(tmp_path: Path) -> None:
    def stored(outcomes: int) -> int:
        def filled() -> Store:
            store = Store(tmp_path / str(outcomes), "x")
            for number in range(outcomes):
                store.add(f"{number:064x}", {"error": "long " * 1000})
            return store

        return grown_bytes(filled)

    assert (stored(250) - stored(50)) / 200 < 500


def test_finished_rows_stay_though_the_store_is_removed(folder: Path, tmp_path: Path) -> None:
    space = space_of(folder, {"array.rows": [2, 3]})
    outcome = run_sweep(space, tmp_path / "out", 1)
    shutil.rmtree(tmp_path / "out")
    assert list(outcome.rows) == list(run_sweep(space, None, 1).rows)
    assert outcome.rows[1:3] == list(outcome.rows)[1:3]


def test_an_outcome_that_is_gone_is_told_and_no_other_one_taken_for_it(tmp_path: Path) -> None:
    store = Store(tmp_path, "x")
    for key in "ab":
        store.add(key, {"cycles_total": ord(key)})
    lines = store.path.read_bytes().splitlines(keepends=True)
    with store.path.open("r+b") as file:  # the same file, as an editor would not write it
        file.write(lines[1] + lines[0])
    with pytest.raises(InputError, match=r"no outcome any more of the point a.*lines are appended"):
        store.find("a")
    store.path.unlink()
    Store(tmp_path, "x").add("c", {})
    assert (store.find("c"), store.find("a")) == ({}, None)


def test_a_store_that_shrinks_is_read_anew(tmp_path: Path) -> None:
    store = Store(tmp_path, "x")
    for key in "ab":
        store.add(key, {})
    store.path.write_bytes(store.path.read_bytes().splitlines(keepends=True)[1])
    store.add("c", {})
    assert store.find("c") == {}
    assert (store.find("a"), store.find("b")) == (None, {})


@pytest.mark.parametrize("at_a_time", [1, 2, 3])
def test_tables_in_parts_are_those_in_one(at_a_time: int, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    cells = [None, 1, None, 2.5, "text", 2**63, -(2**63)]
    rows = [{"key": str(i), "status": "ok", "array.rows": cell, "time_us": i} for i, cell in enumerate(cells)]
    some = [rows[:4], rows[:3], rows, [{**row, "array.rows": None} for row in rows]]
    whole = [(table.to_csv(["array.rows"], r), parquet.read_table(_buffer(r)).to_pydict()) for r in some]
    monkeypatch.setattr(table, "ROWS_AT_A_TIME", at_a_time)
    for rows_of_one, (text, data) in zip(some, whole, strict=True):
        assert b"".join(table.encoder("csv")(["array.rows"], rows_of_one)).decode() == text
        assert parquet.read_table(_buffer(rows_of_one)).to_pydict() == data
    columns = [data["array.rows"] for _, data in whole]
    assert columns[:2] == [[None, 1.0, None, 2.5], [None, 1, None]]
    assert columns[2] == [None, "1", None, "2.5", "text", str(2**63), str(-(2**63))]
    assert columns[3] == [None] * len(rows)


def _buffer(rows: list[dict[str, Any]]) -> io.BytesIO:
    return io.BytesIO(table.to_parquet(["array.rows"], rows))

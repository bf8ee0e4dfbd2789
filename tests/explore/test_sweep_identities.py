"""A row is what `simulate` says of its machine, whatever the process evaluated before it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain.cases import SHAPED_ARRAYS, SYSTEMS, TIMING_SYSTEMS

from simulator.explore import Space, enumerate_grid, run_sweep, table
from simulator.explore import evaluate as evaluation
from simulator.explore.evaluate import Row
from simulator.explore.points import Point
from simulator.run import simulate
from traces.errors import InputError

AXES: dict[str, list[Any]] = {
    "array.rows": [2, 3, 4],
    "array.columns": [3, 4],
    "array.pass_overhead_cycles": [0, 3],
    "clock_mhz": [400, 500],
    "precision": [{"operand": "fp16", "accumulator": "fp32"}, {"operand": "int8", "accumulator": "int32"}],
    "energy_table": ["cmos_45nm", "cmos_14nm", "cmos_7nm"],
    "skipping": [
        {"mechanism": "dense"},
        {"mechanism": "gated"},
        {"mechanism": "vector_skip"},
        {"mechanism": "lookahead", "depth": 2, "refill": 2, "banks": None},
        {"mechanism": "lookahead", "depth": 5, "refill": 3, "banks": 2},
        {"mechanism": "inner_product", "lanes": 2, "depth": 2},
        {"mechanism": "broadcast_fifo", "pes": 16, "depth": 2, "index_bits": 2, "weights": {"density": 0.4}},
        {"mechanism": "packed", "multipliers": 16},
    ],
}
OUTER_PRODUCT = """\
name: m
clock_mhz: 500
precision: {operand: fp16, accumulator: fp32}
array: {rows: 2, columns: 2}
skipping: {mechanism: outer_product, rows: 2, columns: 2, weights: {file: w.npz}}
memory: ideal
energy_table: cmos_45nm
"""


def forget() -> None:
    """Make this process one that has evaluated nothing yet."""
    for kept in (
        evaluation._figures,
        evaluation._replay,
        evaluation._table,
        evaluation._check_files,
        evaluation._steps,
    ):
        kept.cache_clear()


def told_by_simulate(point: Point) -> Row:
    """The measures of a row, from the report of a replay that shares nothing with another one."""
    recorded = point.recorded
    try:
        whole = simulate(point.machine, recorded.path, steps=(recorded.steps[0], recorded.steps[-1] + 1))
    except InputError as error:
        return {"status": "invalid", "error": "; ".join(map(str, error.problems))}
    report, area = whole.to_dict(), whole.area
    assert area is not None
    known = bool(area.lines) and len(area.left_out) == 1  # what is left out of every machine's
    return {
        "status": "ok",
        "cycles_total": report["cycles"]["total"],
        **{f"cycles_{n}": cycles for n, cycles in report["cycles"]["by_phase"].items()},
        **{f"cycles_{n}": cycles for n, cycles in report["cycles"]["by_product"].items()},
        **{f"stall_{reason}_cycles": cycles for reason, cycles in report["cycles"]["stalls"].items()},
        "area_mm2": report["area_mm2"]["total"] if known else None,
        "energy_total_pj": report["energy_pj"]["total"],
        "dram_read_bytes": report["dram_bytes"]["read"],
        "dram_write_bytes": report["dram_bytes"]["write"],
        **{f"energy_{name}_pj": pj for name, pj in report["energy_pj"]["by_component"].items()},
        **{name if name.startswith("saving") else f"macs_{name}": n for name, n in report["macs"].items()},
        **{k: report[k] for k in ("time_us", "utilization", "speedup", "energy_saving", "bound_speedup")},
        **{k: report[k] for k in ("sparsity", "energy_delay_js")},
    }


def told_of(point: Point) -> Row:
    """What every row says of its point, whatever came of it."""
    recorded = point.recorded
    return {
        "key": point.key,
        "arch": point.machine.name,
        "arch_digest": point.machine.digest,
        **dict(point.settings),
        "trace": recorded.path.name,
        "trace_sha256": recorded.sha256,
        "steps": f"{recorded.steps[0]}:{recorded.steps[-1] + 1}",
        "steps_replayed": len(recorded.steps),
    }


@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_rows_are_what_simulate_says_whatever_was_evaluated_before(data: st.DataObject, folder: Path) -> None:
    systems = st.lists(st.one_of(st.just("ideal"), SYSTEMS, TIMING_SYSTEMS), min_size=1, max_size=2, unique_by=str)
    others = st.lists(st.sampled_from([name for name in AXES if name != "skipping"]), max_size=2, unique=True)
    names = ["skipping", *data.draw(others, label="axes")]
    near = data.draw(st.sampled_from(["clock_mhz", "energy_table", "array.pass_overhead_cycles"]), label="near")
    names = data.draw(st.permutations(list(dict.fromkeys([*names, near]))))
    axes = {
        name: data.draw(
            st.lists(st.sampled_from(AXES[name]), min_size=1 + (name == near), max_size=4, unique_by=str), label=name
        )
        for name in names
    }
    axes["memory"] = data.draw(systems, label="memory")
    if not any(name.startswith("array") for name in axes) and data.draw(st.booleans(), label="shaped"):
        axes["array"] = [data.draw(SHAPED_ARRAYS, label="array")]
    described = {
        "name": "x",
        "archs": ["small.yaml"],
        "traces": data.draw(st.permutations(["a.npz", "b.npz"])),
        "steps": data.draw(st.sampled_from(["5:25", "0:99"])),
        "axes": axes,
    }
    try:
        points = enumerate_grid(Space.parse(described, folder)).points
    except InputError:  # of a grid without any machine there is nothing to say
        return
    some = data.draw(st.permutations(points), label="points")[:8]
    forget()
    for point in some:
        assert evaluation.evaluate(point) == {**told_of(point), **told_by_simulate(point)}


@settings(max_examples=3, deadline=None, derandomize=True)
@given(data=st.data())
def test_processes_write_what_one_writes_that_forgets_everything(data: st.DataObject, folder: Path) -> None:
    mechanisms = data.draw(st.permutations(AXES["skipping"]))[:3]
    system = data.draw(SYSTEMS)
    axes = {"energy_table": ["cmos_45nm", "cmos_7nm"], "skipping": mechanisms, "memory": ["ideal", system]}
    described = {"name": "x", "archs": ["small.yaml"], "traces": ["a.npz", "b.npz"], "axes": axes}
    space = Space.parse(described, folder)
    alone: list[Row] = []
    for entry in enumerate_grid(space).entries:
        forget()
        alone.append(evaluation.evaluate(entry) if isinstance(entry, Point) else evaluation.refused(entry))
    pooled = run_sweep(space, workers=2)
    assert pooled.rows == tuple(alone)
    assert table.to_csv(pooled.axes, pooled.rows) == table.to_csv(tuple(axes), alone)


@pytest.fixture
def pruned(folder: Path, tmp_path: Path) -> Path:
    """Two folders, each with a machine ``m.yaml`` of the same text and other weights in the ``w.npz`` beside it."""
    for name, density in (("a", 0.1), ("b", 0.9)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.yaml").write_text(OUTER_PRODUCT, encoding="utf-8")
        prune(tmp_path / name / "w.npz", density)
    (tmp_path / "t.npz").write_bytes((folder / "b.npz").read_bytes())
    return tmp_path


def prune(path: Path, density: float) -> None:
    rng = np.random.default_rng(1)
    shapes = {"lstm0.W": (5, 24), "lstm0.U": (6, 24), "classifier.W": (6, 5)}
    np.savez(path, **{name: rng.random(shape) < density for name, shape in shapes.items()})


def test_machines_that_name_different_files_alike_are_different(pruned: Path) -> None:
    space = Space.parse({"name": "x", "archs": ["a/m.yaml", "b/m.yaml"], "traces": ["t.npz"]}, pruned)
    points = enumerate_grid(space).points
    assert points[0].machine.digest == points[1].machine.digest
    assert points[0].key != points[1].key
    forget()
    cycles = [evaluation.evaluate(point)["cycles_total"] for point in points]
    assert cycles == [simulate(point.machine, pruned / "t.npz").total_cycles for point in points]
    assert len(set(cycles)) == 2


def test_a_file_that_changed_between_two_sweeps_is_read_again(pruned: Path) -> None:
    space = Space.parse({"name": "x", "archs": ["a/m.yaml"], "traces": ["t.npz"]}, pruned)
    weights = pruned / "a" / "w.npz"
    rows = []
    for density in (0.1, 0.9):
        prune(weights, density)
        os.utime(weights, ns=(0, int(density * 10)))  # whatever the clock of the file system
        rows += run_sweep(space, workers=1).rows
        assert rows[-1]["cycles_total"] == simulate(space.machines[0], pruned / "t.npz").total_cycles
    assert rows[0]["key"] != rows[1]["key"]
    assert rows[0]["cycles_total"] != rows[1]["cycles_total"]


def test_a_file_that_changes_during_a_sweep_is_refused(pruned: Path) -> None:
    space = Space.parse({"name": "x", "archs": ["a/m.yaml"], "traces": ["t.npz"]}, pruned)
    (point,) = enumerate_grid(space).points
    prune(pruned / "a" / "w.npz", 0.5)
    forget()
    row = evaluation.evaluate(point)
    assert row["status"] == "invalid"
    assert str(row["error"]).startswith(
        "w.npz: found a file that changed during the sweep; expected what has the digest"
    )


def test_weights_that_are_not_there_are_told_in_the_row(pruned: Path) -> None:
    (pruned / "a" / "w.npz").unlink()
    space = Space.parse({"name": "x", "archs": ["a/m.yaml", "b/m.yaml"], "traces": ["t.npz"]}, pruned)
    rows = run_sweep(space, workers=1).rows
    assert [row["status"] for row in rows] == ["invalid", "ok"]
    assert str(rows[0]["error"]).startswith(f"weights.file {pruned}/a/w.npz: found No such file")

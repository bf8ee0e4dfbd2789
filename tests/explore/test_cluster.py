"""Sweeps on a Dask cluster: real schedulers and workers, some of them killed, and the bytes of a serial sweep."""

from __future__ import annotations

import operator
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from plain.dask_cluster import Cluster

from simulator.commands.sweep import sweep as command
from simulator.explore import Space, load_space, run_sweep
from simulator.explore.cluster import run_on_cluster
from traces import InputError

distributed = pytest.importorskip("distributed", reason="needs skipstone[distributed]")

SPACE = """\
name: grid
archs: [small.yaml, plain.yaml]
traces: [a.npz, "{url}"]
axes:
  skipping.refill: [2, 8]
  skipping.depth: [4, 8, 16, 32]
  array.rows: [2, 3, 5]
"""


@pytest.fixture(scope="module")
def path(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = shutil.copytree(folder, tmp_path_factory.mktemp("cluster") / "space")
    (home / "space.yaml").write_text(SPACE.format(url=(home / "b.npz").as_uri()), encoding="utf-8")
    return home / "space.yaml"


@pytest.fixture(autouse=True)
def _fetched_here(cache_here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process fetches goes elsewhere than what workers fetch."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_here))


@pytest.fixture(scope="module")
def serial(path: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The table of a sweep in this process."""
    out = tmp_path_factory.mktemp("serial")
    run_sweep(load_space(path), out, 1)
    return (out / "results.csv").read_bytes()


def lines_in(folder: Path) -> int:
    (file,) = folder.glob("*.jsonl")
    return len(file.read_text().splitlines())


# --- the same bytes ----------------------------------------------------------------------------------------


def test_a_sweep_on_a_cluster_writes_what_a_serial_one_does(
    path: Path, serial: bytes, cluster: Cluster, workers_cache: Path, tmp_path: Path
) -> None:
    words = [str(path), "--out", str(tmp_path), "--scheduler", cluster.address, "--quiet"]
    done = CliRunner().invoke(command, words, catch_exceptions=False)
    assert (done.exit_code, done.output) == (0, "")
    assert (tmp_path / "results.csv").read_bytes() == serial
    outcome = run_sweep(load_space(path), tmp_path, scheduler=cluster.address)
    assert outcome.kept == outcome.points == lines_in(tmp_path / "store")
    # The trace of a URL was fetched by the workers, once, and not sent to them.
    fetched = [file.name for file in workers_cache.glob("skipstone/traces/*")]
    assert fetched == [f"{outcome.rows[-1]['trace_sha256']}.npz"]


def test_rows_may_come_from_anywhere(path: Path, serial: bytes, cluster: Cluster, tmp_path: Path) -> None:
    home = path.parent
    data = {"name": "x", "archs": ["small.yaml"], "traces": ["a.npz"], "axes": {"array.rows": [2, 3]}}
    run_sweep(Space.parse(data, home), None, 2, store=tmp_path / "store")
    pooled = lines_in(tmp_path / "store")
    data["axes"] = {"skipping.depth": [4, 8], "skipping.refill": [2], "array.rows": [2, 3, 5]}
    run_sweep(Space.parse(data, home), None, store=tmp_path / "store", scheduler=cluster.address)
    distributed_too = lines_in(tmp_path / "store")
    outcome = run_sweep(load_space(path), tmp_path, 1)
    assert 0 < pooled < distributed_too == outcome.kept < outcome.points
    assert (tmp_path / "results.csv").read_bytes() == serial


def test_a_worker_that_is_killed_costs_nothing_but_its_points(
    path: Path, serial: bytes, cluster: Cluster, tmp_path: Path
) -> None:
    victims = [cluster.start_worker("--nthreads", "4")]
    cluster.wait_for_workers(3)

    def kill(done: int, total: int) -> None:
        if done and victims:
            cluster.kill(victims.pop())

    outcome = run_sweep(load_space(path), tmp_path, None, kill, scheduler=cluster.address)
    assert (victims, outcome.unfinished) == ([], 0)
    assert (tmp_path / "results.csv").read_bytes() == serial
    assert lines_in(tmp_path / "store") == outcome.points


def test_what_a_killed_worker_was_at_is_evaluated_again(cluster: Cluster, tmp_path: Path) -> None:
    victim = cluster.start_worker("--nthreads", "4")
    cluster.wait_for_workers(3)
    begun = tmp_path / "begun"
    script = f"echo $PPID >> {begun}; sleep 0.2; echo $PPID"
    rows: dict[int, str] = {}
    for index, process in run_on_cluster([script] * 30, subprocess.getoutput, cluster.address):
        rows[index] = process
        if victim.poll() is None and str(victim.pid) in begun.read_text().split():
            cluster.kill(victim)
    assert sorted(rows) == list(range(30))
    assert victim.poll() is not None
    assert len(begun.read_text().split()) > 30


def test_processes_stay_where_groups_are(cluster: Cluster) -> None:
    rows = dict(
        run_on_cluster(
            ["echo $PPID"] * 40, subprocess.getoutput, cluster.address, groups=[number // 4 for number in range(40)]
        )
    )
    assert sorted(rows) == list(range(40))
    assert all(len({rows[4 * group + number] for number in range(4)}) == 1 for group in range(10))


# --- ends --------------------------------------------------------------------------------------------------


def test_what_the_evaluation_raises_comes_through(cluster: Cluster) -> None:
    with pytest.raises(TypeError, match="bad operand"):
        list(run_on_cluster([1, "a"], operator.neg, cluster.address))


def test_a_signal_keeps_the_finished_rows_and_cancels_what_is_queued(
    path: Path, cluster: Cluster, tmp_path: Path
) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 2:
            os.kill(os.getpid(), signal.SIGINT)

    outcome = run_sweep(load_space(path), tmp_path, None, interrupt, scheduler=cluster.address)
    assert outcome.signal_number == signal.SIGINT
    finished = outcome.points - outcome.unfinished
    assert 2 <= finished < outcome.points
    assert lines_in(tmp_path / "store") == finished
    assert (tmp_path / "results.csv").read_text().count(",ok,") == finished
    with distributed.Client(cluster.address, set_as_default=False) as client:
        end = time.monotonic() + 30
        while client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
            assert time.monotonic() < end
            time.sleep(0.05)


def test_a_scheduler_that_is_killed_is_told_and_the_finished_rows_are_kept(
    path: Path, alone: Cluster, tmp_path: Path
) -> None:
    alone.start_worker()

    def kill(done: int, total: int) -> None:
        if done and alone.scheduler.poll() is None:
            alone.kill(alone.scheduler)

    with pytest.raises(InputError, match=r"scheduler tcp://.*(gone|not answered).*goes on where it was"):
        run_sweep(load_space(path), tmp_path, None, kill, scheduler=alone.address)
    assert (tmp_path / "results.csv").read_text().count(",ok,") == lines_in(tmp_path / "store") > 0


def test_a_scheduler_that_does_not_answer_any_more_is_told(short_waits: None, alone: Cluster) -> None:
    alone.start_worker()
    rows = run_on_cluster([0.0, *[0.05] * 1000], time.sleep, alone.address)
    next(rows)
    alone.scheduler.send_signal(signal.SIGSTOP)
    with pytest.raises(InputError, match="a scheduler that has not answered for 3 s"):
        list(rows)


def test_a_point_that_kills_its_worker_is_told_and_so_is_a_cluster_without_workers(alone: Cluster) -> None:
    alone.start_worker()
    rows = run_on_cluster(["kill -9 $PPID"], subprocess.getoutput, alone.address, describe=lambda p: f"<{p}>")
    with pytest.raises(InputError, match=r"points of which worker after worker died: <kill -9 \$PPID>"):
        list(rows)
    with pytest.raises(InputError, match="found no worker for 1 s"):
        list(run_on_cluster([1], operator.neg, alone.address, workers_within_seconds=1))

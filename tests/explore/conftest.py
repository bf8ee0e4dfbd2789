"""A small machine, small traces, a space over them, and clusters that evaluate it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from plain.dask_cluster import Cluster
from plain.small_inputs import MACHINE, small_trace

from simulator.compiling import store as kernels
from simulator.explore import run_sweep
from simulator.explore.space import Space
from traces import DenseLayer


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``small.yaml``, ``plain.yaml`` (dense), ``a.npz`` and ``b.npz``; not to be written to."""
    home = tmp_path_factory.mktemp("space")
    (home / "small.yaml").write_text(MACHINE, encoding="utf-8")
    dense = MACHINE.replace("name: small", "name: plain").replace(
        "{mechanism: lookahead, depth: 4, refill: 2, banks: null}", "{mechanism: dense}"
    )
    (home / "plain.yaml").write_text(dense, encoding="utf-8")
    for name, seed, steps in (("a", 1, [10, 20, 30]), ("b", 2, [5])):
        layer = DenseLayer("classifier", 6, 5)
        small_trace(home / f"{name}.npz", steps=steps, seed=seed, dense_layers=[layer])
    return home


@pytest.fixture(scope="session")
def workers_cache(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place for the caches of workers."""
    return _cache(folder, tmp_path_factory.mktemp("cache_there"))


@pytest.fixture(scope="session")
def cache_here(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place for the caches of this process and its children."""
    return _cache(folder, tmp_path_factory.mktemp("cache_here"))


def _cache(folder: Path, home: Path) -> Path:
    """Copy what this process has compiled for the small machines: it takes too long to be done again."""
    run_sweep(Space.parse({"name": "x", "archs": ["small.yaml", "plain.yaml"], "traces": ["a.npz"]}, folder), None, 1)
    compiled = kernels._folder()
    if compiled is not None:
        shutil.copytree(compiled, home / "skipstone" / "kernels" / compiled.name)
    return home


@pytest.fixture
def short_waits() -> Iterator[None]:
    """This process waits for a scheduler for three seconds only."""
    # First the package, which brings defaults: they would go with what is set for a while.
    pytest.importorskip("distributed", reason="needs skipstone[distributed]")
    import dask

    with dask.config.set({"distributed.comm.timeouts.connect": "3s"}):
        yield


@pytest.fixture(scope="session")
def cluster(workers_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and two workers."""
    pytest.importorskip("distributed", reason="needs skipstone[distributed]")
    with Cluster(tmp_path_factory.mktemp("dask"), {"XDG_CACHE_HOME": str(workers_cache)}) as cluster:
        for _ in range(2):
            cluster.start_worker()
        cluster.wait_for_workers(2)
        yield cluster


@pytest.fixture
def alone(workers_cache: Path, tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler without workers yet; a task is given up when a worker dies of it."""
    pytest.importorskip("distributed", reason="needs skipstone[distributed]")
    (tmp_path / "dask").mkdir()
    settings = {"XDG_CACHE_HOME": str(workers_cache), "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with Cluster(tmp_path / "dask", settings) as cluster:
        yield cluster

"""Whom a sweep trusts with its points: clusters that answer, workers of the same code that see the same files, TLS."""

from __future__ import annotations

import operator
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from plain.dask_cluster import LOOPBACK, ROOT, Cluster

from simulator.commands.sweep import sweep as command
from simulator.explore import Space, run_sweep
from simulator.explore.cluster import count_workers, run_on_cluster
from traces import InputError

NO_SKIPSTONE = "raise ModuleNotFoundError(\"No module named 'simulator'\")\n"
NOBODY = f"tcp://{LOOPBACK}:9"

CERTIFICATE = """\
openssl ecparam -name prime256v1 -genkey -noout -out {0}/key.pem
openssl req -new -x509 -key {0}/key.pem -out {0}/cert.pem -days 2 -subj /CN=skipstone -addext subjectAltName=IP:{1}
"""


@pytest.fixture
def space(folder: Path, tmp_path: Path) -> Space:
    home = shutil.copytree(folder, tmp_path / "space")
    axes = {"skipping.depth": [4, 8], "array.rows": [2, 3]}
    return Space.parse({"name": "x", "archs": ["small.yaml"], "traces": ["a.npz"], "axes": axes}, home)


# --- schedulers --------------------------------------------------------------------------------------------


def test_an_address_at_which_nobody_answers_is_told(space: Space, short_waits: None, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"scheduler {NOBODY}: found .*; expected the address of a Dask scheduler"):
        run_sweep(space, tmp_path / "out", scheduler=NOBODY)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("", "missing port number"),
        ("host", "missing port number"),
        ("foo://host:1", "unknown address scheme 'foo'"),
        ("tls://host:1", "TLS"),
    ],
)
def test_an_address_that_is_none_is_told(address: str, told: str, short_waits: None) -> None:
    with pytest.raises(InputError, match=told):
        count_workers(address)


def test_a_worker_is_no_scheduler(cluster: Cluster) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.Client(cluster.address, set_as_default=False) as client:
        worker = min(client.nthreads())
    with pytest.raises(InputError, match="no scheduler, but something else of Dask"):
        list(run_on_cluster([1], operator.neg, worker))


def test_no_points_need_no_scheduler() -> None:
    assert list(run_on_cluster([], operator.neg, NOBODY)) == []


def test_a_missing_package_is_told_with_what_to_install(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'skipstone\[distributed\]'"):
        run_sweep(space, scheduler=NOBODY)


def test_processes_and_a_scheduler_are_one_too_many(space: Space) -> None:
    with pytest.raises(InputError, match="found 2 beside the scheduler"):
        run_sweep(space, None, 2, scheduler=NOBODY)


def test_a_dry_run_counts_on_the_workers_of_the_cluster(cluster: Cluster, space: Space, tmp_path: Path) -> None:
    file = tmp_path / "space" / "space.yaml"
    file.write_text("{name: x, archs: [small.yaml], traces: [a.npz], axes: {clock_mhz: [1, 2, 3, 4, 5, 6, 7, 8]}}")
    done = CliRunner().invoke(command, [str(file), "--dry-run", "--scheduler", cluster.address])
    assert done.exit_code == 0
    assert f"on {count_workers(cluster.address)} processes" in done.stdout


# --- workers -----------------------------------------------------------------------------------------------


def test_workers_with_other_code_or_none_are_refused_by_name(alone: Cluster, tmp_path: Path) -> None:
    other, none = tmp_path / "other", tmp_path / "none"
    for package in ("simulator", "traces"):
        shutil.copytree(ROOT / package, other / package, ignore=shutil.ignore_patterns("__pycache__", "samples"))
    (other / "simulator" / "edited.py").touch()
    (none / "simulator").mkdir(parents=True)
    (none / "simulator" / "__init__.py").write_text(NO_SKIPSTONE)
    for path, told in (
        (other, "Skipstone .*; expected the code of the process that sweeps"),
        (none, "ModuleNotFoundError: No module named 'simulator'; expected the Skipstone that this process has"),
    ):
        worker = alone.start_worker(PYTHONPATH=str(path))
        with pytest.raises(InputError, match=r"^worker tcp://\S+: its code: found " + told):
            list(run_on_cluster([1, 2, 3], operator.neg, alone.address))
        alone.kill(worker)


def test_a_file_that_a_worker_does_not_see_is_told_with_both(cluster: Cluster, space: Space, tmp_path: Path) -> None:
    def hide(done: int, total: int) -> None:
        if not done:
            (tmp_path / "space" / "a.npz").unlink()

    with pytest.raises(InputError, match=r"worker tcp://\S+: .*/space/a\.npz: found no such file"):
        run_sweep(space, tmp_path / "out", None, hide, scheduler=cluster.address)
    assert list((tmp_path / "out").iterdir()) == []  # nothing is taken for invalid


def test_an_energy_table_that_a_worker_does_not_have_is_told(cluster: Cluster, space: Space, tmp_path: Path) -> None:
    home = tmp_path / "space"
    shutil.copy(ROOT / "arch_configs" / "energy" / "cmos_45nm.yaml", home / "mine.yaml")
    for file in (ROOT / "arch_configs" / "energy").glob("*.csv"):
        shutil.copy(file, home)
    data = {"name": "x", "archs": ["small.yaml"], "traces": ["a.npz"], "axes": {"energy_table": ["mine.yaml"]}}

    def edit(done: int, total: int) -> None:
        text = (home / "mine.yaml").read_text(encoding="utf-8")
        (home / "mine.yaml").write_text(text.replace("name: ", "name: edited_", 1), encoding="utf-8")

    with pytest.raises(InputError, match=r"worker tcp://\S+: mine\.yaml: found an energy table that changed"):
        run_sweep(Space.parse(data, home), None, None, edit, scheduler=cluster.address)


# --- TLS ---------------------------------------------------------------------------------------------------


@pytest.fixture
def certified(short_waits: None, workers_cache: Path, tmp_path: Path) -> Iterator[tuple[Cluster, dict[str, str]]]:
    """A cluster that talks to those alone who have its certificate, and Dask's configuration for them."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    home = tmp_path / "tls"
    home.mkdir()
    for line in CERTIFICATE.format(home, LOOPBACK).splitlines():
        subprocess.run(line.split(), check=True, capture_output=True)
    files = {"key": str(home / "key.pem"), "cert": str(home / "cert.pem")}
    tls = {"ca-file": files["cert"], "client.key": files["key"], "client.cert": files["cert"]}
    settings = {"XDG_CACHE_HOME": str(workers_cache), "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True"}
    settings["DASK_DISTRIBUTED__COMM__TLS__CA_FILE"] = files["cert"]
    for role in ("CLIENT", "SCHEDULER", "WORKER"):
        settings[f"DASK_DISTRIBUTED__COMM__TLS__{role}__KEY"] = files["key"]
        settings[f"DASK_DISTRIBUTED__COMM__TLS__{role}__CERT"] = files["cert"]
    with Cluster(home, settings, "--protocol", "tls") as cluster:
        cluster.start_worker()
        yield cluster, {f"distributed.comm.tls.{name}": file for name, file in tls.items()}


def test_a_cluster_with_tls_is_used_with_its_certificate_alone(
    certified: tuple[Cluster, dict[str, str]], space: Space, tmp_path: Path
) -> None:
    import dask

    cluster, configuration = certified
    assert cluster.address.startswith("tls://")
    with dask.config.set(configuration):
        run_sweep(space, tmp_path / "tls_out", scheduler=cluster.address)
    run_sweep(space, tmp_path / "out", 1)
    texts = [(tmp_path / out / "results.csv").read_bytes() for out in ("out", "tls_out")]
    assert texts[0] == texts[1]
    with pytest.raises(InputError, match="the address of a Dask scheduler"):
        count_workers(cluster.address)
    with pytest.raises(InputError, match="the address of a Dask scheduler"):
        count_workers(cluster.address.replace("tls", "tcp"))

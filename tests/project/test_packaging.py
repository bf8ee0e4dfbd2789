"""The wheel: complete, and nothing in it that belongs to the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LOOK_AROUND = """
import json
import simulator, traces
from simulator.arch import arch_names, load_arch
from simulator.explore import load_space, space_names
from traces import Trace
spaces = {name: load_space(name) for name in space_names()}
for name in arch_names():
    load_arch(name)
print(json.dumps({
    "simulator": simulator.__file__,
    "traces": traces.__file__,
    "machines": arch_names(),
    "files": {name: [str(trace.path) for trace in space.traces] for name, space in spaces.items()},
    "steps": [len(Trace(trace.path)) for space in spaces.values() for trace in space.traces],
}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def _below(folder: str, suffix: str) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in sorted((ROOT / folder).rglob(f"*{suffix}"))]


def test_wheel_holds_every_module(names: list[str]) -> None:
    sources = _below("simulator", ".py") + _below("traces", ".py")
    assert len(sources) > 20
    assert [name for name in sources if name not in names] == []


def test_wheel_holds_every_machine_table_space_and_schema(names: list[str]) -> None:
    kinds = {".yaml": {"machines", "energy", "sweeps", "dram"}, ".csv": {"energy"}, ".json": {"schema"}}
    for suffix, folders in kinds.items():
        files = _below("arch_configs", suffix)
        assert {Path(file).parent.name for file in files} == folders
        assert [file for file in files if f"simulator/{file}" not in names] == []


def test_wheel_holds_styles_and_scripts_of_pages(names: list[str]) -> None:
    assets = _below("simulator", ".css") + _below("simulator", ".js")
    assert {Path(name).name for name in assets} >= {"page.css", "page.js", "sweep.css", "main.js"}
    assert [name for name in assets if name not in names] == []


def test_wheel_holds_the_samples(names: list[str]) -> None:
    samples = _below("traces/samples", ".npz")
    assert len(samples) >= 2
    assert [name for name in samples if name not in names] == []


def test_wheel_holds_licence_and_console_scripts(wheel: Path, names: list[str]) -> None:
    (licence,) = [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]
    (scripts,) = [name for name in names if name.endswith(".dist-info/entry_points.txt")]
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()
        assert archive.read(scripts).decode().split() == [
            "[console_scripts]",
            *("simulate", "=", "simulator.cli:simulate_main"),
            *("skipstone", "=", "simulator.cli:main"),
        ]


def test_wheel_holds_nothing_else(names: list[str]) -> None:
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"simulator", "traces"}
    foreign = ("__pycache__", ".pyc", ".nbi", ".nbc", ".part", ".state.npz", "/tests/", ".ipynb")
    assert [name for name in names if any(word in name for word in foreign)] == []


def test_wheel_finds_its_own_files_without_a_checkout(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    done = subprocess.run(
        [sys.executable, "-c", LOOK_AROUND],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert Path(seen["simulator"]).is_relative_to(installed)
    assert Path(seen["traces"]).is_relative_to(installed)
    assert {"dense", "zero_skip"} <= set(seen["machines"])
    assert seen["files"]["depth_refill"] == [str(installed / "traces" / "samples" / "charlm_t1e-6.npz")]
    assert all(seen["steps"])

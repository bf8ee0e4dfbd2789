"""Traces by URL, wherever a trace can be named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from plain.url_files import folder_in_memory, put

from simulator.commands.simulate import simulate
from simulator.compiling import store as kernels
from simulator.explore import Space, enumerate_grid, load_space
from simulator.explore import evaluate as evaluation
from traces import InputError, synthetic_trace
from traces.remote import kept_at


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernels._folder()  # stays where it is
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def memory() -> Iterator[str]:
    with folder_in_memory() as folder:
        yield folder


def trace_bytes(tmp_path: Path, seed: int = 1) -> bytes:
    path = tmp_path / "made.npz"
    shape = {"layers": 1, "hidden_size": 6, "input_size": 5, "sequence_length": 3, "batch_size": 4}
    synthetic_trace(path, **shape, sparsity=0.7, steps=[10], seed=seed)
    return path.read_bytes()


def test_simulate_replays_the_trace_of_a_url(tmp_path: Path) -> None:
    trace_bytes(tmp_path)
    words = ["--arch", "dense", "--no-baseline", "--format", "json", "--trace"]
    told = [
        CliRunner().invoke(simulate, [*words, trace], catch_exceptions=False).stdout_bytes
        for trace in (str(tmp_path / "made.npz"), (tmp_path / "made.npz").as_uri())
    ]
    assert told[0] == told[1] != b""


def test_a_space_takes_urls_names_and_patterns(memory: str, tmp_path: Path) -> None:
    digests = [put(f"{memory}/{name}.npz", trace_bytes(tmp_path, seed)) for seed, name in enumerate("ab")]
    for traces in ([f"{memory}/a.npz", f"{memory}/b.npz"], [f"{memory}/*.npz"]):
        points = enumerate_grid(Space.parse({"name": "x", "archs": ["dense"], "traces": traces})).points
        assert [point.recorded.sha256 for point in points] == digests
        assert [point.recorded.name for point in points] == ["a.npz", "b.npz"]
    named = Space.parse({"name": "x", "archs": ["dense"], "traces": {"late": f"{memory}/b.npz"}})
    (point,) = enumerate_grid(named).points
    row = evaluation.evaluate(point)
    assert (row["status"], row["trace"], row["trace_sha256"]) == ("ok", "late", digests[1])
    kept_at(digests[1]).unlink()  # as in a process that has not got it
    evaluation._steps.cache_clear()
    evaluation._figures.cache_clear()
    evaluation._replay.cache_clear()
    assert evaluation.evaluate(point) == row
    assert kept_at(digests[1]).is_file()


def test_a_url_that_leads_nowhere_is_told_with_its_place_in_the_space(memory: str, tmp_path: Path) -> None:
    put(f"{memory}/a.npz", b"x")
    file = tmp_path / "space.yaml"
    for trace, told in ((f"{memory}/c.npz", "nothing that can be read"), (f"{memory}/c*", "which no file matches")):
        file.write_text(f"name: x\narchs: [dense]\ntraces: ['{trace}']\n")
        with pytest.raises(InputError, match=r"space\.yaml:3:10 traces\.0: found .*c.*" + told):
            load_space(file)


def test_a_damaged_step_is_told_by_the_url_on_every_machine(memory: str, tmp_path: Path) -> None:
    raw = bytearray(trace_bytes(tmp_path))
    at = raw.index(b"lstm0") + 120
    raw[at : at + 8] = b"\0" * 8
    put(f"{memory}/a.npz", bytes(raw))
    (point,) = enumerate_grid(Space.parse({"name": "x", "archs": ["dense"], "traces": [f"{memory}/a.npz"]})).points
    row = evaluation.evaluate(point)
    assert row["status"] == "invalid"
    assert str(row["error"]).startswith(f"{memory}/a.npz: ")

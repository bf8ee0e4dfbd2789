"""`skipstone report` and `simulate --html`: the right page beside the results, and one message for each mistake."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from plain.hostile import Page

from simulator.commands.report import report as command
from simulator.commands.simulate import simulate
from simulator.explore import load_space, run_sweep
from simulator.report.html import run_page
from simulator.report.saved import read_report
from traces import InputError, synthetic_trace

SPACE = """\
name: little
archs: [little.yaml]
traces: [run.npz]
axes: {array.rows: [2, 4]}
"""
MACHINE = """\
name: little
clock_mhz: 500
precision: {operand: fp16, accumulator: fp32}
array: {rows: 4, columns: 4}
skipping: {mechanism: lookahead, depth: 8, refill: 4, banks: 2}
memory: {}
energy_table: cmos_45nm
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results of a run in ``run/`` and those of a sweep in ``sweep/``."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "little.yaml").write_text(MACHINE)
    (folder / "space.yaml").write_text(SPACE)
    sizes = {"input_size": 4, "hidden_size": 6, "sequence_length": 2, "batch_size": 3}
    trace = synthetic_trace(folder / "run.npz", **sizes)
    arch = str(folder / "little.yaml")
    words = ["--arch", arch, "--trace", str(trace), "--out", str(folder / "run"), "--quiet"]
    assert CliRunner().invoke(simulate, [*words, "--html", str(folder / "run" / "page.html")]).exit_code == 0
    run_sweep(load_space(folder / "space.yaml"), folder / "sweep", 1)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "made"))


def call(*words: str) -> Result:
    return CliRunner().invoke(command, words, catch_exceptions=False)


def title(path: Path) -> str:
    return Page(path.read_text(encoding="utf-8")).inside("title")[0]


def test_a_sweeps_folder_gets_a_page_beside_its_results(folder: Path) -> None:
    done = call(str(folder / "sweep"))
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"wrote {folder / 'sweep' / 'report.html'}\n"
    assert title(folder / "sweep" / "report.html") == "Sweep sweep · Skipstone"


def test_a_runs_folder_gets_the_runs_page(folder: Path) -> None:
    call(str(folder / "run"))
    page = (folder / "run" / "report.html").read_text(encoding="utf-8")
    assert title(folder / "run" / "report.html") == "little on step 0 · Skipstone"
    # The same sections as the page of simulate --html: only where they come from differs.
    there = (folder / "run" / "page.html").read_text(encoding="utf-8")
    assert page.split('<section id="provenance"')[0] == there.split('<section id="provenance"')[0]
    assert "trace file" in there.split('<section id="provenance"')[1]


def test_a_file_can_be_named_and_the_page_put_elsewhere(folder: Path, tmp_path: Path) -> None:
    call(str(folder / "run" / "report.json"), "--out", str(tmp_path / "x.html"), "--quiet")
    assert title(tmp_path / "x.html").startswith("little")
    assert not (folder / "run" / "report.html").exists()
    expected = Page(run_page(read_report(folder / "run" / "report.json"))).inside("h2")
    assert Page((tmp_path / "x.html").read_text(encoding="utf-8")).inside("h2") == expected


def test_two_kinds_of_results_in_a_folder_must_be_told_apart(folder: Path) -> None:
    shutil.copy(folder / "sweep" / "results.csv", folder / "run")
    with pytest.raises(InputError, match=r"found a folder with results\.csv and report\.json.*name the file"):
        call(str(folder / "run"))


MISTAKES = {
    "nothing": (["nix"], "nix: found nothing of this name"),
    "empty": (["empty"], "empty: found a folder without results"),
    "text": (["text.json"], "text.json: found no JSON"),
    "no table": (["little.yaml"], "little.yaml"),
    "no folder": (["run", "--out", "nix/x.html"], "nix/x.html: found no folder"),
    "over a folder": (["run", "--out", "sweep"], "sweep: found a folder; expected a file that can be written"),
    "nul": (["a\0b"], "found a name with a NUL"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_told_in_one_message(case: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "empty").mkdir()
    (folder / "text.json").write_text("no")
    words, message = MISTAKES[case]
    with pytest.raises(InputError) as raised:
        call(*words)
    assert message in str(raised.value)
    assert len(raised.value.problems) == 1


def test_a_mistake_exits_with_2_and_without_a_traceback(folder: Path) -> None:
    script = "from simulator.cli import main; main()"
    words = [sys.executable, "-c", script, "report", "nix"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=folder, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: nix: found nothing of this name")


def test_a_page_that_cannot_be_written_is_told_before_the_run(folder: Path) -> None:
    words = ["--arch", str(folder / "little.yaml"), "--trace", str(folder / "run.npz"), "--html", str(folder / "sweep")]
    with pytest.raises(InputError, match="found a folder; expected a file that can be written"):
        CliRunner().invoke(simulate, words, catch_exceptions=False)

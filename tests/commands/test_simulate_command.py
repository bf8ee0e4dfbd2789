"""The command `simulate`: its forms, its files, and one clear message for each of the user's mistakes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from simulator.commands.simulate import simulate as command
from simulator.report.terminal import render
from simulator.run import simulate
from traces import InputError, synthetic_trace

SIMULATE = [sys.executable, "-c", "from simulator.cli import simulate_main; simulate_main()"]

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
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a machine file, a trace and a text file."""
    place = tmp_path_factory.mktemp("simulate")
    (place / "little.yaml").write_text(MACHINE)
    (place / "text.npz").write_text("no trace at all")
    synthetic_trace(
        place / "run.npz",
        layers=2,
        input_size=6,
        hidden_size=8,
        sequence_length=3,
        batch_size=5,
        steps=[3, 7],
    )
    return place


@pytest.fixture
def words(folder: Path) -> list[str]:
    return ["--arch", str(folder / "little.yaml"), "--trace", str(folder / "run.npz")]


def call(*words: str) -> Result:
    """Run the command in this process; an `InputError` is raised."""
    return CliRunner().invoke(command, words, catch_exceptions=False)


def run(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    return subprocess.run([*SIMULATE, *words], capture_output=True, text=True, cwd=cwd, check=False)


# --- what goes to stdout ---------------------------------------------------------------------------------


def test_json_is_one_object_and_nothing_else(words: list[str], folder: Path) -> None:
    done = run(*words, "--format", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == simulate(folder / "little.yaml", folder / "run.npz").to_dict()


def test_the_same_command_gives_the_same_bytes(words: list[str]) -> None:
    first, second = (run(*words, "--format", "json").stdout for _ in range(2))
    assert first == second
    assert call(*words, "--format", "json").stdout == first


def test_table_is_the_default_and_plain_where_stdout_is_no_terminal(words: list[str], folder: Path) -> None:
    expected = render(simulate(folder / "little.yaml", folder / "run.npz"), width=80, color=False)
    assert call(*words).stdout == expected
    assert max(map(len, expected.splitlines())) <= 80


def test_csv_is_the_product_frame(words: list[str], folder: Path) -> None:
    frame = pd.read_csv(io.StringIO(call(*words, "--format", "csv").stdout), dtype={"time": "Int64"})
    expected = simulate(folder / "little.yaml", folder / "run.npz").frame()
    pd.testing.assert_frame_equal(frame, expected, check_dtype=False)


def test_output_is_utf8_in_every_locale(folder: Path) -> None:
    words = ["--arch", "little.yaml", "--trace", "run.npz", "--set", "name=Übermaß", "--no-baseline"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    for form in ("table", "json"):
        done = subprocess.run(
            [*SIMULATE, *words, "--format", form],
            capture_output=True,
            cwd=folder,
            env=environment,
            check=True,
        )
        assert "Übermaß" in done.stdout.decode()


# --- options ---------------------------------------------------------------------------------------------


def test_set_changes_the_machine(words: list[str]) -> None:
    plain, changed = (
        json.loads(call(*words, "--format", "json", *more).stdout)
        for more in ((), ("--set", "array.rows=8", "--set", "skipping.depth=4"))
    )
    assert plain["architecture"]["digest"] != changed["architecture"]["digest"]
    assert changed["cycles"]["total"] < plain["cycles"]["total"]


@pytest.mark.parametrize(("text", "steps"), [("3:7", [3]), ("4:", [7]), (":4", [3]), (":", [3, 7]), ("0:100", [3, 7])])
def test_steps_choose_recorded_steps(words: list[str], text: str, steps: list[int]) -> None:
    data = json.loads(call(*words, "--format", "json", "--no-baseline", "--steps", text).stdout)
    assert data["trace"]["steps"] == steps
    assert {row["step"] for row in data["products"]} == set(steps)


def test_plots_are_written_and_named_on_stderr(words: list[str], tmp_path: Path) -> None:
    done = call(*words, "--plots", str(tmp_path / "plots"), "--plots-format", "png", "--steps", "3:4")
    files = sorted((tmp_path / "plots").iterdir())
    assert {"energy.png", "cycles.png", "roofline.png", "sparsity_by_time.png"} <= {path.name for path in files}
    assert all(f"wrote {path}\n" in done.stderr for path in files)
    assert done.stdout == call(*words, "--steps", "3:4").stdout


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--plots", "x", "--plots-format", "gif"), "--plots-format: found 'gif'; expected one of svg, pdf, png"),
        (("--plots-format", "pdf"), "--plots-format: found no --plots"),
        (("--plots", "text.npz"), "text.npz: found a file"),
    ],
)
def test_wrong_plots_are_told_before_the_run(words: list[str], folder: Path, wrong: tuple[str, ...], said: str) -> None:
    done = run(*words, *wrong, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert not (folder / "x").exists()


def test_no_baseline_leaves_the_comparisons_out(words: list[str]) -> None:
    data = json.loads(call(*words, "--format", "json", "--no-baseline").stdout)
    with_baseline = json.loads(call(*words, "--format", "json").stdout)
    compared = ("baseline", "speedup", "energy_saving", "energy_delay_ratio", "bound_speedup")
    assert [data[key] for key in compared] == [None] * 5
    assert all(with_baseline[key] is not None for key in compared)
    within = ("baseline", "speedup", "energy_saving")
    assert [data["training"][key] for key in within] == [None] * 3
    for training in (data["training"], with_baseline["training"]):
        for stretch in (training, *training["phases"]):
            for key in within:
                del stretch[key]
    same = [key for key in data if key not in (*compared, "explanation")]
    assert {key: data[key] for key in same} == {key: with_baseline[key] for key in same}


def test_out_writes_every_form(words: list[str], folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "results"
    done = call(*words, "--out", str(out), "--format", "json")
    report = simulate(folder / "little.yaml", folder / "run.npz")
    assert {p.name for p in out.iterdir()} == {"report.json", "products.csv", "energy.csv", "report.txt"}
    assert (out / "report.json").read_text() == report.to_json() == done.stdout
    assert (out / "products.csv").read_text() == call(*words, "--format", "csv").stdout
    assert (out / "report.txt").read_text() == render(report, width=80, color=False)
    assert pd.read_csv(out / "energy.csv").columns.tolist() == report.energy_frame().columns.tolist()
    for name in ("report.json", "products.csv", "energy.csv", "report.txt"):
        assert f"wrote {out / name}" in done.stderr


def test_timeline_is_written(words: list[str], tmp_path: Path) -> None:
    path = tmp_path / "timeline.json"
    call(*words, "--timeline", str(path))
    names = {event.get("args", {}).get("name") for event in json.loads(path.read_text())["traceEvents"]}
    assert {"little", "array", "dram"} <= names


def test_a_part_of_the_timeline_is_written(words: list[str], tmp_path: Path) -> None:
    path = tmp_path / "timeline.json"
    whole = call(*words, "--format", "json", "--timeline", str(path), "--timeline-cycles", "100:200")
    assert whole.stdout == call(*words, "--format", "json").stdout
    data = json.loads(path.read_text())
    assert data["otherData"]["cycles"] == "100:200"
    # 500 MHz: a cycle is 2 ns.
    assert {0.2 <= event["ts"] <= 0.4 for event in data["traceEvents"] if "ts" in event} == {True}
    call(*words, "--timeline", str(path), "--timeline-cycles", "1,000:")
    assert json.loads(path.read_text())["otherData"]["cycles"].startswith("1000:")


def test_waves_are_written_of_the_first_step(words: list[str], tmp_path: Path) -> None:
    pytest.importorskip("vcd", reason="pyvcd not found; pip install 'skipstone[waves]'")
    path = tmp_path / "pass.vcd"
    done = call(*words, "--format", "json", "--waves", str(path), "--waves-pass", "lstm1 dh t=2:1")
    assert done.stdout == call(*words, "--format", "json").stdout
    assert "note: waves of pass 'lstm1 dh t=2:1' of step 3" in done.stderr
    assert f"wrote {path}" in done.stderr
    assert path.read_text().startswith("$comment lstm1 dh t=2:1 on little, 1 lanes, 32 positions $end")
    quiet = call(*words, "--format", "json", "--waves", str(path), "--steps", "7:", "--quiet")
    assert quiet.stderr == ""


def test_recording_a_timeline_changes_no_figure(words: list[str], tmp_path: Path) -> None:
    with_timeline = call(*words, "--format", "json", "--timeline", str(tmp_path / "timeline.json"))
    assert with_timeline.stdout == call(*words, "--format", "json").stdout


def test_notes_go_to_stderr_unless_quiet(words: list[str], tmp_path: Path) -> None:
    ideal = [*words, "--set", "memory=ideal", "--format", "json", "--out", str(tmp_path)]
    loud, quiet = call(*ideal), call(*ideal, "--quiet")
    assert "note: memory: ideal leaves out" in loud.stderr
    assert quiet.stderr == ""
    assert quiet.stdout == loud.stdout


def test_a_pipe_gets_no_progress(words: list[str]) -> None:
    assert run(*words, "--set", "memory=ideal", "--format", "table").stderr == ""


# --- mistakes --------------------------------------------------------------------------------------------

A, T = "--arch", "--trace"


@pytest.mark.parametrize(
    ("mistaken", "said"),
    [
        (["zero_skp", "run.npz"], ["zero_skp", "did you mean 'zero_skip'?"]),
        (["missing.yaml", "run.npz"], ["missing.yaml: found no such file"]),
        (["little.yaml", "missing.npz"], ["missing.npz: found no such file"]),
        (["little.yaml", "text.npz"], ["text.npz", "not a zip archive"]),
        (["little.yaml", "run.npz", "--set", "array.rws=3"], ["--set array.rws=3", "did you mean 'rows'?"]),
        (["little.yaml", "run.npz", "--set", "array.rows=many"], ["--set array.rows=many"]),
        (["little.yaml", "run.npz", "--set", "nothing"], ["--set nothing"]),
        (["little.yaml", "run.npz", "--steps", "3-7"], ["--steps", "A:B"]),
        (["little.yaml", "run.npz", "--steps", "100:"], ["--steps 100:", "3 to 7"]),
        (["little.yaml", "run.npz", "--engine", "evnt"], ["--engine", "did you mean 'event'?"]),
        (["little.yaml", "run.npz", "--out", "text.npz"], ["text.npz: found a file", "a folder"]),
        (["little.yaml", "run.npz", "--timeline", "no/t.json"], ["no/t.json", "no folder"]),
        (["little.yaml", "run.npz", "--timeline", "t.json", "--timeline-cycles", "5"], ["--timeline-cycles", "A:B"]),
        (["little.yaml", "run.npz", "--timeline", "t.json", "--timeline-cycles", "5:5"], ["--timeline-cycles", "A:B"]),
        (["little.yaml", "run.npz", "--timeline", "t.json", "--timeline-cycles", "999999:"], ["a run of", "cycles"]),
        (["little.yaml", "run.npz", "--timeline-cycles", "5:6"], ["--timeline-cycles: found no --timeline"]),
        (["little.yaml", "run.npz", "--waves", "no/w.vcd"], ["no/w.vcd", "no folder"]),
        (["little.yaml", "run.npz", "--waves-pass", "lstm0 dh t=0"], ["--waves-pass: found no --waves"]),
        (["little.yaml", "run.npz", "--set", "energy_table=free"], ["free"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_is_told_in_one_message(mistaken: list[str], said: list[str], folder: Path) -> None:
    machine, trace, *more = mistaken
    done = run(A, machine, T, trace, *more, cwd=folder)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    for words in said:
        assert words in done.stderr
    assert {p.name for p in folder.iterdir()} == {"little.yaml", "text.npz", "run.npz"}


@pytest.mark.parametrize(
    "words",
    [[], [A, "zero_skip"], [A, "zero_skip", T, "run.npz", "--format", "xml"], ["--nonsense"]],
    ids=" ".join,
)
def test_a_wrong_command_line_exits_with_2(words: list[str]) -> None:
    done = call(*words)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "Error: " in done.stderr


def test_all_mistakes_are_told_at_once(folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        call(A, "zero_skp", T, str(folder / "text.npz"), "--steps", "x")
    assert len(caught.value.problems) == 3


def test_a_mistake_makes_no_folder(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        call(A, "zero_skp", T, str(folder / "run.npz"), "--out", str(tmp_path / "results"))
    assert list(tmp_path.iterdir()) == []


# --- outputs that end early ------------------------------------------------------------------------------


def test_a_reader_who_has_seen_enough_is_no_error(words: list[str]) -> None:
    # The reader is gone before the first byte comes, which is the worst case of `| head`.
    with subprocess.Popen(
        [*SIMULATE, *words, "--format", "csv"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_is_told_without_a_traceback(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*SIMULATE, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: stdout: found No space left on device")
    assert done.stderr.count("\n") == 1


def test_a_closed_stdout_is_no_error(words: list[str], tmp_path: Path) -> None:
    script = 'exec "$@" >&-'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *SIMULATE, *words, "--quiet", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "report.json").stat().st_size > 0

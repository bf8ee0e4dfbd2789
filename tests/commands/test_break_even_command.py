"""The command `break-even`, and `simulate --break-even`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from simulator.commands.break_even import break_even as command
from simulator.commands.simulate import simulate as simulate_command
from simulator.explore import find_break_even
from simulator.report import numbers
from simulator.run import simulate
from traces import InputError, Trace, synthetic_trace

MACHINE = """\
name: little
clock_mhz: 500
precision: {operand: fp16, accumulator: fp32}
array: {rows: 4, columns: 4}
skipping: {mechanism: lookahead, depth: 8, refill: 4, banks: 2}
memory: {formats: {skip: bitmap}}
energy_table: cmos_45nm
"""


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("break_even")
    (folder / "little.yaml").write_text(MACHINE)
    shapes: dict[str, Any] = {"input_size": 6, "hidden_size": 8, "sequence_length": 3, "batch_size": 5}
    synthetic_trace(folder / "run.npz", layers=2, steps=[3, 7], sparsity=0.6, **shapes)
    return ["--arch", str(folder / "little.yaml"), "--trace", str(folder / "run.npz")]


def call(*words: str) -> Result:
    return CliRunner().invoke(command, words, catch_exceptions=False)


def test_json_is_one_object_and_what_python_gives(words: list[str]) -> None:
    done = call(*words, "--format", "json", "--points", "3", "--seed", "4")
    assert done.stderr == ""
    data = json.loads(done.stdout)
    report = simulate(words[1], words[3], steps=(7, None))
    with Trace(words[3]) as trace:
        found = find_break_even(report.arch, trace, report=report, points=3, seed=4)
    assert data == {
        "schema_version": 1,
        "architecture": {"name": "little", "digest": report.arch.digest},
        "trace": {"sha256": report.trace_sha256},
        **found.to_dict(),
    }
    assert [row["step"] for row in data["recorded"]] == [7]
    assert len(data["points"]) == 3
    assert call(*words, "--format", "json", "--points", "3", "--seed", "4").stdout == done.stdout


def test_the_table_tells_the_same_in_80_columns(words: list[str]) -> None:
    text = call(*words, "--points", "3", "--steps", ":").stdout
    data = json.loads(call(*words, "--points", "3", "--steps", ":", "--format", "json").stdout)
    assert max(map(len, text.splitlines())) <= 80
    said = " ".join(text.split())
    assert data["energy"]["kind"] == "at"
    assert f"In energy, it saves from {numbers.percent(data['energy']['sparsity'])} zeros on" in said
    for point in data["points"]:
        saving = re.escape(numbers.percent(point["energy_saving"]))
        row = rf"^synthetic +{numbers.percent(point['sparsity'])} +{numbers.times(point['speedup'])} +{saving}$"
        assert re.search(row, text, re.M)
    assert "recorded, step 3" in text
    assert "recorded, step 7" in text
    assert "independent zeros in dG" in said


def test_set_and_time_steps_change_what_is_replayed(words: list[str]) -> None:
    data = json.loads(call(*words, "--points", "2", "--time-steps", "2", "--format", "json").stdout)
    assert (data["time_steps"], data["recorded_time_steps"]) == (2, 3)
    changes = ["--set", "skipping={mechanism: dense}", "--set", "memory.formats.skip=dense"]
    dense = json.loads(call(*words, "--points", "2", *changes, "--format", "json").stdout)
    assert dense["energy"] == {"kind": "never", "sparsity": None}


@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_the_plot_is_a_file_of_its_kind(words: list[str], tmp_path: Path, suffix: str, magic: bytes) -> None:
    path = tmp_path / f"curve{suffix}"
    done = call(*words, "--points", "2", "--plot", str(path))
    assert path.read_bytes().startswith(magic)
    assert f"wrote {path}" in done.stderr


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--plot", "curve.gif"], "--plot"),
        (["--plot", "no/such/folder/curve.png"], "no folder"),
        (["--points", "1"], "at least 2"),
        (["--steps", "99:"], "no recorded step"),
        (["--set", "skipping={mechanism: structured, n: 2, m: 4}"], "expected"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_a_mistake_is_told_clearly(words: list[str], wrong: list[str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        call(*words, *wrong)
    assert said in str(caught.value)


def test_the_program_has_the_command(words: list[str]) -> None:
    start = [sys.executable, "-c", "from simulator.cli import main; main()", "break-even"]
    done = subprocess.run([*start, *words, "--points", "2"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("little: break-even\n")
    wrong = subprocess.run([*start, *words[:2], "--trace", "nothing.npz"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("error: nothing.npz")


# --- simulate ----------------------------------------------------------------------------------------------


def test_simulate_tells_the_break_even_only_where_asked(words: list[str]) -> None:
    def told(*more: str) -> Result:
        return CliRunner().invoke(simulate_command, [*words, *more], catch_exceptions=False)

    assert json.loads(told("--format", "json").stdout)["break_even"] is None
    assert "break-even" not in told().stdout
    data = json.loads(told("--format", "json", "--break-even").stdout)
    alone = json.loads(call(*words, "--format", "json", "--steps", ":").stdout)
    assert data["break_even"] == {key: alone[key] for key in data["break_even"]}
    assert data["baseline"]["break_even"] is None
    text = told("--break-even").stdout
    assert "break-even  in time, skipping " in text
    assert f"in energy, it saves from {numbers.percent(alone['energy']['sparsity'])} zeros on" in text
    assert max(map(len, text.splitlines())) <= 80


def test_simulate_tells_the_area_where_asked(words: list[str]) -> None:
    def told(*more: str) -> str:
        return CliRunner().invoke(simulate_command, [*words, *more], catch_exceptions=False).stdout

    assert "\nArea " in told("--verbose")
    assert "\nArea " not in told()

"""`simulate --check-values`, end to end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE = Path(__file__).resolve().parents[2] / "traces" / "samples" / "charlm_t1e-6.npz"
WORDS = ["--trace", str(SAMPLE), "--steps", "1000:1001", "--no-baseline", "--format", "json"]
PROGRAM = "from simulator.cli import simulate_main; simulate_main()"


def run(*words: str, before: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"{before}\n{PROGRAM}", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("machine", ["zero_skip", "vector_skip"])
def test_the_sample_is_right_and_the_report_stays_as_it_is(machine: str) -> None:
    done = run("--arch", machine, *WORDS, "--check-values")
    assert done.returncode == 0
    report = json.loads(done.stdout)
    macs = report["macs"]
    assert f"{macs['executed']:,} MACs of {macs['dense']:,} dense ones" in done.stderr
    products = sum(1 for p in report["products"] if p["macs_dense"])
    assert f"note: checked the values of {products} products: " in done.stderr
    plain = run("--arch", machine, *WORDS)
    assert plain.stdout == done.stdout
    assert "checked" not in plain.stderr


def test_quiet_says_nothing() -> None:
    done = run("--arch", "dense", *WORDS, "--check-values", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_bug_of_the_model_exits_with_1_and_names_the_output() -> None:
    before = """
from simulator.skipping import Dense
from simulator.values import SCHEDULES, LaneSchedule
law = SCHEDULES[Dense]
def forgetful(*pass_):
    s = law(*pass_)
    kept = s.lane != 5
    return LaneSchedule(s.cycles, s.cycle[kept], s.lane[kept], s.position[kept])
SCHEDULES[Dense] = forgetful
"""
    done = run("--arch", "dense", *WORDS, "--check-values", before=before)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: the model contradicts itself, which is a bug of Skipstone: step 1000: lstm0 ")
    assert ": row 5, column 0: found 0.0 through the schedule; expected " in done.stderr
    assert "Traceback" not in done.stderr

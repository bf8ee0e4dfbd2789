"""`make compatibility`: a good part of the tests, and the sample, with each Python and the lowest and newest packages.

Each cell is a fresh environment. Warnings are no failures in it: old packages warn of their new neighbours.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from reliability.compatibility import COMPATIBILITY
from reliability.environments import BUILD, Environment, interpreter
from reliability.lock import PYTHONS
from reliability.promises import ROOT, found, keep

RESOLUTIONS = {"lowest": "lowest-direct", "newest": "highest"}
SAMPLE = (
    "simulate",
    "--arch",
    "zero_skip",
    "--trace",
    "traces/samples/charlm_t1e-6.npz",
    "--format",
    "json",
    "--quiet",
)
TESTS = (
    "tests/arch/test_load_arch.py", "tests/arch/test_shipped_machines.py", "tests/commands/test_hostile_words.py",
    "tests/energy/test_energy_table.py", "tests/explore/test_lot.py", "tests/explore/test_parquet_tables.py",
    "tests/explore/test_sampling.py", "tests/explore/test_table.py", "tests/reliability/test_golden_files.py",
    "tests/report/test_plot_files.py", "tests/report/test_report_result.py", "tests/report/test_report_tables.py",
    "tests/report/test_report_terminal.py", "tests/report/test_saved_report.py", "tests/report/test_waves.py",
    "tests/traces/test_bitmask.py", "tests/traces/test_interchange_matrices.py", "tests/traces/test_trace_reading.py",
    "tests/traces/test_trace_refusals.py",
)  # fmt: skip
"""What meets other packages: YAML, pydantic, click, rich, pandas, matplotlib, pyarrow, optuna, scipy, numba, numpy."""
TEST_SECONDS = 3600
SAME, ANOTHER = "the same report", "ANOTHER REPORT"
SHOWN_PACKAGES = ("numpy", "numba", "pandas", "pydantic", "matplotlib", "click", "rich", "simpy", "pyyaml")


def run(names: list[str]) -> int:
    """Try every cell, or those that are named, and write the figures of each; 1 where one is not as it should be."""
    start = time.monotonic()
    before = found(COMPATIBILITY) if names else None
    figures = dict(before.figures) if before else {}
    already = before.seconds if before else 0.0
    own = _sample(Path(sys.executable), BUILD / "own")
    wrong = 0
    for version in PYTHONS:
        base = interpreter(version)
        for name, resolution in RESOLUTIONS.items():
            cell = f"{version} {name}"
            if names and cell not in names:
                continue
            if base is None:
                figures[cell] = "no such Python here"
                continue
            environment = Environment(f"python-{version}-{name}", base)
            chosen = environment.install_resolved("dev", resolution, version)
            passed, failed, which = _tests(environment)
            sample = SAME if _sample(environment.python, environment.folder) == own else ANOTHER
            wrong += failed + (sample == ANOTHER)
            packages = " ".join(f"{package} {chosen[package]}" for package in SHOWN_PACKAGES)
            figures[cell] = f"{passed:,} passed, {failed} failed, {sample} ({packages})"
            print(f"{cell}: {figures[cell]}{which}", flush=True)
            shutil.rmtree(environment.folder)
            keep(COMPATIBILITY, figures, already + time.monotonic() - start)
    return 1 if wrong else 0


def _surroundings(folder: Path) -> dict[str, str]:
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    return {**os.environ, **one_thread, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(folder / "kernels")}


def _tests(environment: Environment) -> tuple[int, int, str]:
    """Run the tests: how many passed, how many did not, and which."""
    words = ["-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", "-W", "default", "--tb=short", *TESTS]
    done = subprocess.run(
        [str(environment.python), *words],
        cwd=ROOT, env=_surroundings(environment.folder), capture_output=True, text=True, check=False,
        timeout=TEST_SECONDS,
    )  # fmt: skip
    (BUILD / f"{environment.folder.name}.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    last = done.stdout.strip().rpartition("\n")[2]
    counts = {kind: int(number) for number, kind in re.findall(r"(\d+) (passed|failed|error)", last)}
    wrong = counts.get("failed", 0) + counts.get("error", 0) + (not counts)
    which = "".join(f"\n  {line}" for line in re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.M))
    return counts.get("passed", 0), wrong, which


def _sample(python: Path, folder: Path) -> bytes:
    """Replay the sample: its report, which says nothing of versions; what went wrong, where there is none."""
    words = [str(python), "-c", "from simulator.cli import main; main()", *SAMPLE]
    done = subprocess.run(words, cwd=ROOT, env=_surroundings(folder), capture_output=True, check=False)
    return done.stdout if done.returncode == 0 and json.loads(done.stdout) else done.stderr


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))

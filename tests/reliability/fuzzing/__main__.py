"""`make fuzz`: try millions of inputs on everything that is read, and write what was found for RELIABILITY.md.

In rounds, each of some inputs of every surface; a round's counts are a line in ``build/fuzz/tally.jsonl``, so that a
run that was ended goes on, and figures are those of all runs. Inputs at which something went wrong stay beside it; at
the end each is tried again, and is mended where it no longer goes wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from reliability.bad_input import FUZZED
from reliability.fuzzing.notebook import Notebook
from reliability.fuzzing.surface import Judge, Surface, Verdict
from reliability.fuzzing.surfaces import SURFACES
from reliability.fuzzing.trying import MOST_MIB, bounded, by_grammar, keep_fault
from reliability.promises import ROOT, keep

HOME = ROOT / "build" / "fuzz"
TALLY, FAULTS, CORPUS = HOME / "tally.jsonl", HOME / "faults", HOME / "corpus"
MENDED = FAULTS / "mended"
"""Where inputs go that no longer go wrong: one of a kind that is mended must not stand for others."""
ROUNDS = 12
QUICK_ROUNDS, QUICK_INPUTS = 5, 1_000_000
"""Surfaces of so many inputs are quick ones, and done first, in fewer rounds."""
COVERAGE_ROUND, COVERAGE_INPUTS = 0, 10_000
"""The round after which the coverage-guided engine has its turn."""
OURS = 70
"""Exit code of a process in which something else than reading failed."""
STILL_SECONDS = 300.0
"""Without a further input, a process hangs: where Python's own alarm does not reach it."""


def main() -> None:
    """Run the rounds that are left, replay the faults, and write the figures."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="times the inputs of each surface")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing after so long")
    parser.add_argument("--only", default="", help="surfaces with this in their name")
    given = parser.parse_args()
    HOME.mkdir(parents=True, exist_ok=True)
    _set_mended_aside()
    end = time.monotonic() + 60 * given.minutes
    chosen = [surface for surface in SURFACES if given.only in surface.name]
    for surface, engine, inputs, number in _slices(chosen, given.scale):
        if time.monotonic() > end:
            break
        line = _tried(surface, engine, inputs, number)
        with TALLY.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)
    _finish()


def _slices(surfaces: list[Surface], scale: float) -> Iterator[tuple[Surface, str, int, int]]:
    """Give what is left to do: surface, engine, inputs, and a number that is the slice's seed."""
    done = Counter((line["surface"], line["engine"], line["slice"]) for line in _lines())
    guided = find_spec("atheris") is not None
    if not guided:
        print("no atheris here (pip install 'skipstone[fuzz]'): grammars alone", flush=True)
    quick = [surface for surface in surfaces if surface.inputs >= QUICK_INPUTS]
    for some, rounds in ((quick, QUICK_ROUNDS), ([s for s in surfaces if s not in quick], ROUNDS)):
        for number in range(rounds):
            for surface in some:
                if not done[surface.name, "grammar", number]:
                    yield surface, "grammar", max(1, int(scale * surface.inputs / rounds)), number
                if (
                    guided
                    and surface.guided
                    and number == COVERAGE_ROUND
                    and not done[surface.name, "coverage", number]
                ):
                    share = min(COVERAGE_INPUTS, surface.inputs // 10)
                    yield surface, "coverage", max(1, int(scale * share)), number


def _tried(surface: Surface, engine: str, inputs: int, number: int) -> dict[str, Any]:
    """Try a slice in processes of its own, another one where one dies; give its counts."""
    start = time.monotonic()
    total: Counter[str] = Counter()
    grown_mib, deaths = 0.0, 0
    while total["tried"] < inputs and deaths < 20:
        notebook = Notebook(HOME / f"notebook-{os.getpid()}.bin")
        left = inputs - total["tried"]
        pid = _begun(surface, engine, left, number + 1000 * deaths, notebook)
        told = _waited(pid, notebook)
        at_hand = notebook.read()
        total.update(tried=notebook.tried, accepted=notebook.accepted, faults=notebook.faults)
        grown_mib = max(grown_mib, notebook.grown_mib)
        notebook.path.unlink()
        if told in ("SIGTERM", "SIGINT", f"exit {OURS}"):
            sys.exit(f"ended from outside, or by a mistake of the fuzzing itself: {told}")
        if notebook.done:
            break
        deaths += 1
        if at_hand or told != "exit 0":
            total.update(tried=1, faults=1)
            keep_fault(FAULTS, surface, at_hand, Verdict(False, f"the process ended: {told}", engine))
    return {
        "surface": surface.name, "engine": engine, "slice": number, **total, "grown_mib": round(grown_mib),
        "seconds": round(time.monotonic() - start, 1),
    }  # fmt: skip


def _begun(surface: Surface, engine: str, inputs: int, seed: int, notebook: Notebook) -> int:
    if engine == "coverage":
        corpus = CORPUS / "".join(c if c.isalnum() else "-" for c in surface.name)
        words = [
            surface.name,
            str(inputs),
            str(seed),
            ",".join(surface.guided),
            str(notebook.path),
            str(FAULTS),
            str(corpus),
        ]
        command = [sys.executable, "-m", "reliability.fuzzing.trying", *words]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid
    pid = os.fork()
    if pid:
        return pid
    code = OURS
    try:
        by_grammar(surface, inputs, seed, notebook, FAULTS)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _waited(pid: int, notebook: Notebook) -> str:
    """Wait for a process as long as it goes on; say how it ended."""
    seen, since = -1, time.monotonic()
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return f"exit {code}" if code >= 0 else signal.Signals(-code).name
        notebook.read()
        if notebook.tried != seen:
            seen, since = notebook.tried, time.monotonic()
        if time.monotonic() - since > STILL_SECONDS:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return "a hang"
        time.sleep(0.05)


def _lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in TALLY.read_text(encoding="utf-8").splitlines()] if TALLY.exists() else []


def _still_wrong(surface: Surface, data: bytes) -> bool:
    """Try an input again in a process of its own."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            with Judge(surface) as judge:
                bounded()
                code = judge(data).fault is not None
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0


def _set_mended_aside() -> list[str]:
    """Try the faults again, and keep those apart that are mended; say what is still wrong."""
    by_name = {surface.name: surface for surface in SURFACES}
    wrong = []
    MENDED.mkdir(parents=True, exist_ok=True)
    for told in sorted(FAULTS.glob("*.json")):
        fault, data = json.loads(told.read_text(encoding="utf-8")), told.with_suffix(".bin")
        if _still_wrong(by_name[fault["surface"]], data.read_bytes()):
            wrong.append(f"{fault['surface']}: {fault['fault']} ({told.stem})")
            continue
        digest = hashlib.sha256(data.read_bytes()).hexdigest()[:16]
        for file in (data, told):
            file.replace(MENDED / f"{told.stem}-{digest}{file.suffix}")
    return wrong


def _finish() -> None:
    """Try the faults again, and write what is known of all runs."""
    wrong = _set_mended_aside()
    mended = len({told.stem.partition("-")[0] for told in MENDED.glob("*.json")})
    for one in wrong:
        print(f"still wrong: {one}", flush=True)
    lines = _lines()
    inputs: Counter[str] = Counter()
    engines: Counter[str] = Counter()
    for line in lines:
        inputs[line["surface"]] += line["tried"]
        engines[line["engine"]] += line["tried"]
    figures: dict[str, Any] = {
        "inputs tried": sum(inputs.values()),
        "of them coverage-guided": engines["coverage"],
        "accepted": sum(line["accepted"] for line in lines),
        "surfaces": len(inputs),
        "kinds of faults found": mended + len(wrong),
        "of them mended": mended,
        "left": len(wrong),
        "largest growth of a process in MiB": max(line["grown_mib"] for line in lines),
        "bound on it in MiB": MOST_MIB,
        "inputs by surface": ", ".join(f"{name} {count:,}" for name, count in inputs.most_common()),
    }
    print(json.dumps(figures, indent=2))
    keep(FUZZED, figures, sum(line["seconds"] for line in lines))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()

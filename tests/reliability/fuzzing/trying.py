"""A process that tries inputs: made by a surface's grammar, or by a coverage-guided engine (atheris, libFuzzer)."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import warnings
from pathlib import Path
from random import Random
from typing import Any

from reliability.fuzzing.grammar import damaged_bytes
from reliability.fuzzing.notebook import Notebook
from reliability.fuzzing.surface import Judge, Surface, Verdict, peak_mib

MOST_MIB = 2560
"""By how much a process that reads may grow: a matrix's packed mask, of at most 1 GiB, and what checks it."""


def bounded() -> None:
    """Let this process take no more than `MOST_MIB` beyond what it has; an allocation beyond that fails."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MOST_MIB * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def keep_fault(folder: Path, surface: Surface, data: bytes, verdict: Verdict) -> None:
    """Keep the shortest input of each kind of fault, with how it came about."""
    kind = hashlib.sha256(f"{surface.name}\0{verdict.fault}".encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{kind}.bin"
    if file.exists() and file.stat().st_size <= len(data):
        return
    file.write_bytes(data)
    told = {"surface": surface.name, "fault": verdict.fault, "story": verdict.story}
    (folder / f"{kind}.json").write_text(json.dumps(told, indent=2), encoding="utf-8")


class Tally:
    """Tries inputs on a surface and notes what became of them."""

    def __init__(self, surface: Surface, judge: Judge, notebook: Notebook, faults: Path) -> None:
        self.surface, self.judge, self.notebook, self.faults = surface, judge, notebook, faults
        self.start_mib = peak_mib()

    def __call__(self, data: bytes) -> None:
        """Try one input."""
        notebook = self.notebook
        notebook.begin(data)
        verdict = self.judge(data)
        notebook.tried += 1
        notebook.accepted += verdict.accepted
        if verdict.fault is not None:
            notebook.faults += 1
            keep_fault(self.faults, self.surface, data, verdict)
        if not notebook.tried % 64:
            notebook.grown_mib = peak_mib() - self.start_mib
        notebook.end()


def by_grammar(surface: Surface, inputs: int, seed: int, notebook: Notebook, faults: Path) -> None:
    """Try inputs that the surface's grammar makes, and a few changed ones of its seeds."""
    warnings.simplefilter("ignore")
    rng = Random(seed)
    seeds = list(surface.seeds())
    with Judge(surface) as judge:
        tally = Tally(surface, judge, notebook, faults)
        bounded()
        for _ in range(inputs):
            if rng.random() < 0.05:
                tally((surface.mutate or damaged_bytes)(rng.choice(seeds), rng))
            else:
                tally(surface.make(rng))
    notebook.grown_mib = peak_mib() - tally.start_mib
    notebook.done = 1
    notebook.end()


def by_coverage(name: str, inputs: int, seed: int, modules: str, notebook_path: str, faults: str, corpus: str) -> None:
    """Try inputs that atheris makes out of those that reached new branches of some modules; never returns."""
    import atheris

    with atheris.instrument_imports(include=modules.split(",")):
        from reliability.fuzzing.surfaces import SURFACES
    warnings.simplefilter("ignore")
    surface = next(one for one in SURFACES if one.name == name)
    folder = Path(corpus)
    folder.mkdir(parents=True, exist_ok=True)
    for data in surface.seeds():
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    notebook = Notebook(Path(notebook_path), fresh=False)
    judge = Judge(surface).__enter__()
    tally = Tally(surface, judge, notebook, Path(faults))
    bounded()

    def one(data: bytes) -> None:
        tally(data)
        if notebook.tried >= inputs:
            notebook.grown_mib, notebook.done = peak_mib() - tally.start_mib, 1
            notebook.end()
            judge.__exit__()
            os._exit(0)

    def change(data: bytes, most: int, seed: int) -> bytes:
        rng = Random(seed)
        if surface.mutate is None or rng.random() < 0.5:
            return bytes(atheris.Mutate(data, most))[:most]
        return surface.mutate(data, rng)[:most]

    options: dict[str, Any] = {"custom_mutator": change} if surface.mutate is not None else {}
    words = [sys.argv[0], corpus, f"-runs={inputs * 2}", f"-seed={seed % 2**31 + 1}", "-max_len=8192",
    "-rss_limit_mb=0",
             "-timeout=120", "-verbosity=0", "-print_final_stats=0", "-handle_int=0", "-handle_term=0"]  # fmt: skip
    atheris.Setup(words, one, **options)
    atheris.Fuzz()


if __name__ == "__main__":
    _, given_name, given_inputs, given_seed, *paths = sys.argv
    by_coverage(given_name, int(given_inputs), int(given_seed), *paths)

"""Tests notice when the model's code is changed: `make mutants`.

Cosmic Ray says what can be changed; its own runner would start Python and pytest anew for each mutant, and would run
kernels that were compiled before the change. So mutants are tried here, in forked processes: see `tried_mutants`.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import math
import shutil
import time
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reliability.changed_modules import module_of, modules_of_kernels, uncompiled_for
from reliability.mutants import Mutant, function_of, sample
from reliability.promises import ROOT, Promise, keep
from reliability.tried_mutants import Outcome, Usual, chosen, tried, usual, warm
from simulator.report.files import write_text_atomically
from simulator.report.reproducer import PREFIX

PROMISE = Promise(
    key="mutants",
    item=3,
    text="A changed operator, number, condition or loop in skipping, engine, energy or workload is noticed by a test, "
    "or is explained in `tests/reliability/surviving_mutants.md`",
    tests=("tests/reliability/test_mutation.py", "tests/contract", "tests/skipping", "tests/engine", "tests/energy"),
    command="make mutants",
)
PROMISES: tuple[Promise, ...] = (PROMISE,)

ROOMS = ("skipping", "engine", "energy", "workload")
FOLDERS = (
    "tests/reliability/test_frozen.py",
    "tests/arch/test_shipped_machines.py",
    *(f"tests/{room}" for room in (*ROOMS, "mapping", "memory", "run")),
)
TESTS_OF_WALK = (
    "tests/reliability/test_frozen.py",
    "tests/engine/test_event_timelines.py",
    "tests/engine/test_event_properties.py",
    "tests/engine/test_engines_agree.py",
)
TESTS_OF_KERNELS = {
    "simulator/engine/kernels.py": TESTS_OF_WALK,
    "simulator/engine/times.py": (*TESTS_OF_WALK, "tests/engine/test_activity_memory.py"),
    "simulator/skipping/broadcast_fifo_kernels.py": ("tests/skipping/test_broadcast_fifo.py",),
    "simulator/skipping/inner_product_kernels.py": ("tests/skipping/test_inner_product.py",),
    "simulator/skipping/kernels.py": ("tests/skipping/test_lookahead.py", "tests/skipping/test_ideal.py"),
    "simulator/skipping/mask_kernels.py": ("tests/skipping/test_masks.py", "tests/skipping/test_row_scan.py"),
    "simulator/skipping/packed_kernels.py": ("tests/skipping/test_packed.py",),
    "simulator/skipping/pair_kernels.py": ("tests/skipping/test_outer_product.py", "tests/skipping/test_ideal.py"),
    "simulator/skipping/row_kernels.py": ("tests/skipping/test_row_scan.py", "tests/skipping/test_masks.py"),
    "simulator/skipping/structured_kernels.py": ("tests/skipping/test_structured.py",),
}
"""Where kernels run uncompiled, so that only tests of small cases can be had."""
EXPLAINED = Path(__file__).parent / "explained_mutants.toml"
SURVIVORS = Path(__file__).parent / "surviving_mutants.md"
KEPT = ROOT / "build" / "mutants"
CONFIDENCE = 1.96


def run(files: list[str], count: int, seed: int) -> tuple[list[tuple[Mutant, Outcome]], int]:
    """Try a sample of the mutants of each file; returns them, and how many places there are."""
    warm()
    results, places, why = [], 0, explained()
    for file in files:
        mutants, here = sample(file, count, seed)
        places += here
        known = _known(file)
        tests = _usual(file)
        for mutant in mutants:
            outcome = known.get(mutant.key)
            if outcome is None or (outcome.noticed_by is None and mutant.key not in why):
                outcome = _try(mutant, tests)
                known[mutant.key] = outcome
                _remember(file, known)
                print(f"{_told(outcome):9} {file}:{mutant.line} {mutant.before}  ->  {mutant.after}", flush=True)
            results.append((mutant, outcome))
    return results, places


def explained() -> dict[tuple[str, str, str, str], str]:
    """Why a mutant that no test notices changes nothing that is promised, by `Mutant.key`."""
    entries = tomllib.loads(EXPLAINED.read_text(encoding="utf-8"))["mutant"]
    return {(e["file"], e["function"], e["before"], e["after"]): e["why"] for e in entries}


def interval(part: int, whole: int) -> tuple[float, float]:
    """Give the 95 % interval of a share by Wilson's score (E. B. Wilson, JASA 22, 1927)."""
    share, z = part / whole, CONFIDENCE
    middle = (share + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z / (1 + z * z / whole) * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole))
    return middle - half, min(1.0, middle + half)


def survivors_page(survivors: list[Mutant], why: Mapping[tuple[str, str, str, str], str]) -> str:
    """List mutants that no test noticed, with why each may stand."""
    lines = [
        "# Mutants that no test noticed",
        "",
        "Written by `make mutants`; the reasons are kept in `explained_mutants.toml`. One without a reason asks for a",
        "test.",
        "",
        "| where | change | why it may stand |",
        "| --- | --- | --- |",
    ]
    for m in sorted(survivors, key=lambda m: (m.file, m.line, m.after)):
        change = f"`{m.before}` → `{m.after}`".replace("|", "\\|")
        lines.append(f"| {m.file}:{m.line} {m.function.strip('<>')} | {change} | {why.get(m.key, '**unexplained**')} |")
    return "\n".join(lines) + "\n"


def _try(mutant: Mutant, tests: Usual) -> Outcome:
    code = compile(mutant.source, str(ROOT / mutant.file), "exec")
    names = chosen(tests, mutant.file, mutant.function)
    return tried(module_of(mutant.file), code, uncompiled_for(mutant.file), names, tests)


def _told(outcome: Outcome) -> str:
    return "SURVIVED" if outcome.noticed_by is None else outcome.how.partition(" ")[0]


def _usual(file: str) -> Usual:
    """What the tests of a file do; kept, a file of tests at a time, until that or what it imports of ours changes."""
    uncompiled = uncompiled_for(file)
    watched = {
        name: code for name, code in _watched().items() if name in uncompiled or name not in modules_of_kernels()
    }
    kept = {path: _kept_usual(path, uncompiled) for path in _test_files(TESTS_OF_KERNELS.get(file, FOLDERS))}
    missing = [path for path, place in kept.items() if not place.exists()]
    if missing:
        print(f"against {file} as it is: {' '.join(missing)}", flush=True)
        found = usual(missing, watched, uncompiled)
        for path in missing:
            mine = [test for test in found.seconds if test.partition("::")[0] == path]
            ran = {test: found.functions[test] for test in mine}
            write_text_atomically(kept[path], json.dumps(asdict(Usual({t: found.seconds[t] for t in mine}, ran))))
    parts = [json.loads(place.read_text(encoding="utf-8")) for place in kept.values()]
    return Usual(
        {test: seconds for part in parts for test, seconds in part["seconds"].items()},
        {test: functions for part in parts for test, functions in part["functions"].items()},
    )


def _test_files(folders: Iterable[str]) -> list[str]:
    paths = (path for folder in folders for path in (sorted((ROOT / folder).glob("test_*.py")) or [ROOT / folder]))
    return [path.relative_to(ROOT).as_posix() for path in paths]


def _kept_usual(path: str, uncompiled: Collection[str]) -> Path:
    source = (ROOT / path).read_bytes()
    imported = (node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom) and node.module)
    helpers = sorted({ROOT / "tests" / f"{name.replace('.', '/')}.py" for name in imported})
    parts = [repr(sorted(uncompiled)).encode(), source, *(file.read_bytes() for file in helpers if file.exists())]
    told = b"\0".join(parts)
    return KEPT / f"usual-{Path(path).stem}-{hashlib.sha256(told).hexdigest()[:16]}.json"


def _watched() -> dict[str, Any]:
    """Code of all modules that mutants are made of; each function says when it runs."""
    return {module_of(file): compile(_saying(file), str(ROOT / file), "exec") for file in _files()}


def _saying(file: str) -> ast.Module:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    for node in list(ast.walk(tree)):
        if isinstance(node, ast.FunctionDef):
            said = ast.parse(f"ran_by_a_test({f'{file}:{function_of(tree, node.lineno)}'!r})").body
            after = 1 if ast.get_docstring(node, clean=False) is not None else 0
            for part in ast.walk(said[0]):
                ast.copy_location(part, node.body[0])
            node.body[after:after] = said
    return ast.fix_missing_locations(tree)


def _files() -> list[str]:
    paths = (path for room in ROOMS for path in sorted((ROOT / "simulator" / room).glob("*.py")))
    return [path.relative_to(ROOT).as_posix() for path in paths]


def _known(file: str) -> dict[tuple[str, str, str, str], Outcome]:
    """Outcomes from before, of the same source."""
    path = _path_of(file)
    entries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return {tuple(e["key"]): Outcome(**e["outcome"]) for e in entries}


def _remember(file: str, known: Mapping[tuple[str, str, str, str], Outcome]) -> None:
    entries = [{"key": key, "outcome": asdict(outcome)} for key, outcome in known.items()]
    write_text_atomically(_path_of(file), json.dumps(entries, indent=1))


def _path_of(file: str) -> Path:
    digest = hashlib.sha256((ROOT / file).read_bytes()).hexdigest()[:16]
    return KEPT / f"{module_of(file)}-{digest}.json"


@contextmanager
def _no_bundle_left() -> Iterator[None]:
    """Remove what wrong mutants leave for a report of a bug."""
    before = set(Path().glob(f"{PREFIX}*"))
    yield
    for folder in set(Path().glob(f"{PREFIX}*")) - before:
        shutil.rmtree(folder)


def main() -> None:
    """Try mutants; with all files, write the figures and the list of survivors."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--count", type=int, default=6, help="mutants of each file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("files", nargs="*", help="source files, instead of all")
    options = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    with _no_bundle_left():
        results, places = run(options.files or _files(), options.count, options.seed)
    why = explained()
    survivors = [mutant for mutant, outcome in results if outcome.noticed_by is None]
    bare = [mutant for mutant in survivors if mutant.key not in why]
    noticed, counted = len(results) - len(survivors), len(results) - len(survivors) + len(bare)
    low, high = interval(noticed, counted)
    score = f"{noticed / counted:.1%} (95 % interval {low:.1%} to {high:.1%})".replace("%", " %").replace("  ", " ")
    figures = {
        "mutants tried": len(results),
        "sample": f"up to {options.count} of each file, seed {options.seed}, of {places:,} places",
        "noticed": noticed,
        "explained": len(survivors) - len(bare),
        "unexplained": len(bare),
        "score, noticed of those not explained": score,
    }
    print(survivors_page(survivors, why), figures, sep="\n")
    if not options.files:
        keep(PROMISE, figures, sum(outcome.seconds for _, outcome in results))
        write_text_atomically(SURVIVORS, survivors_page(survivors, why))


if __name__ == "__main__":
    start = time.monotonic()
    main()
    print(f"{time.monotonic() - start:,.0f} s")

"""Every kind of output of the program, made in the working folder by one process: none may depend on where it runs.

Started by `test_determinism` with ``python -m reliability.outputs`` in environments of all kinds. With
``SKIPSTONE_HOST=foreign`` the process is the host that a notebook or another program may be: it has set its locale, and
its file system lists folders backwards.
"""

from __future__ import annotations

import hashlib
import locale
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulator.cli import skipstone
from traces import synthetic_trace

MACHINE = """\
name: Iı machine
clock_mhz: 500
precision: {operand: fp16, accumulator: fp32}
array: {rows: 4, columns: 4}
skipping: {mechanism: lookahead, depth: 4, refill: 2, banks: null}
memory: {}
energy_table: cmos_45nm
"""
SPACE = """\
name: s
archs: [machine.yaml]
traces: ["*.npz"]
axes:
  array.columns: [2, 4]
  skipping.depth: [2, 4]
"""
TEXT = "".join(f"{number} lines of text, {number * number} letters. " for number in range(400))
SIZES = ["--layers", "1", "--hidden", "16", "--sequence", "8", "--batch", "4"]
RECORDING = [*SIZES, "--steps", "6", "--record-every", "2", "--quiet"]
INPUTS = ["--arch", "machine.yaml", "--trace", "b.npz"]
COMMANDS: dict[str, Sequence[Sequence[str]]] = {
    "simulate": [
        ["simulate", *INPUTS, "--out", "run", "--html", "run.html", "--timeline", "run.json", "--quiet"],
        ["explain", *INPUTS],
    ],
    "plots": [
        ["simulate", *INPUTS, "--plots", "plots", "--plots-format", form, "--quiet"] for form in ("svg", "png", "pdf")
    ],
    "sweep": [
        ["sweep", "space.yaml", "--out", "sweep", "--workers", "2", "--quiet"],
        ["sweep", "space.yaml", "--out", "sweep", "--format", "parquet", "--workers", "1", "--quiet"],
        ["report", "sweep/results.csv", "--out", "sweep.html"],
    ],
    "search": [["search", "space.yaml", "--out", "search", "--trials", "3", "--workers", "1", "--quiet"]],
    "record": [["record", "char-lm", "--out", "recorded.npz", "--corpus", "text.txt", *RECORDING]],
}  # fmt: skip
BEYOND = ("sweep/store/", "search/", "recorded.state")
"""Files with a time or a number of a process in their names or lines; what is told of them is compared elsewhere."""


def make(kinds: Sequence[str]) -> None:
    """Write inputs, then everything of some kinds."""
    Path("machine.yaml").write_text(MACHINE, encoding="utf-8")
    Path("space.yaml").write_text(SPACE, encoding="utf-8")
    Path("text.txt").write_text(TEXT, encoding="utf-8")
    for name, seed in (("b", 1), ("a", 2), ("c", 3)):
        sizes = {"hidden_size": 6, "input_size": 6, "sequence_length": 3, "batch_size": 4}
        synthetic_trace(f"{name}.npz", layers=1, steps=[1, 4], seed=seed, **sizes)
    for kind in kinds:
        for words in COMMANDS[kind]:
            sys.argv = ["skipstone", *words]
            skipstone.main(args=list(words), prog_name="skipstone", standalone_mode=False)


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file that was made, by its name from `folder`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in names.items()
        if not name.startswith(BEYOND) or name.endswith("results.csv")
    }


def _be_a_foreign_host() -> None:
    locale.setlocale(locale.LC_ALL, "")
    listed, scanned = os.listdir, os.scandir

    def backwards(*arguments: Any) -> list[Any]:
        return sorted(listed(*arguments), reverse=True)

    class Backwards:
        """What `os.scandir` gives, the other way round."""

        def __init__(self, *arguments: Any) -> None:
            with scanned(*arguments) as entries:
                self._entries = iter(sorted(entries, key=lambda entry: os.fsdecode(entry.name), reverse=True))

        def __iter__(self) -> Any:
            return self._entries

        def __next__(self) -> Any:
            return next(self._entries)

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

        def close(self) -> None:
            """Nothing is open any more."""

    os.listdir, os.scandir = backwards, Backwards  # type: ignore[assignment,misc]


if __name__ == "__main__":
    if os.environ.get("SKIPSTONE_HOST") == "foreign":
        _be_a_foreign_host()
    make(sys.argv[1:])

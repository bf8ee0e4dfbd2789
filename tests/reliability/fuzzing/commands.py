"""The surface of command lines: every subcommand, called in this process in a folder of small files."""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random

import click
import numpy as np
from plain.small_inputs import MACHINE

from reliability.fuzzing.archives import MARKET, npy
from reliability.fuzzing.files import QUALITY, RESULTS, SETTINGS, _report
from reliability.fuzzing.grammar import ODD_TEXTS, damaged_text
from reliability.fuzzing.surface import Surface
from simulator.cli import COMMANDS, skipstone
from traces import DenseLayer, synthetic_trace
from traces.errors import InputError
from traces.program import impossible_names_told

SEPARATOR = b"\0"
"""Between the words of a command line: no program can be given one inside a word."""

SPACE = {"name": "s", "archs": ["m.yaml"], "traces": ["t.npz"], "axes": {"skipping.depth": [2, 4]}}

QUICK = (
    "simulate --arch zero_skip --trace t.npz --format json --no-baseline",
    "simulate --arch m.yaml --trace t.npz --steps 1:2 --engine event --set array.rows=2 --format csv --no-baseline",
    "explain --arch zero_skip --trace t.npz", "explain --arch m.yaml --trace t.npz --step 2 --product dx",
    "inspect t.npz",
    "inspect t.npz --json", "policies", "policies --json", "validate m.yaml", "frontier results.csv",
    "sensitivity results.csv",
    "frontier results.csv --objective speedup:max --per trace --tolerance 0.1 --format json", "completion bash",
    "--version",
    "compare run/report.json run/report.json", "compare results.csv:a1 results.csv:a2 --format json",
    "report results.csv --out o.html", "import m.npy --out o.npz", "import m.mtx --out o.npz --columns 8", "--help",
    "export t.npz --step 1 --layer lstm0 --product dx --to o.npy",
    "export t.npz --step 1 --layer lstm0 --product dh --to o.mtx",
)  # fmt: skip
SLOW = (
    "simulate --arch m.yaml --trace t.npz", "simulate --arch m.yaml --trace t.npz --out out --no-baseline",
    "simulate --arch dense --trace t.npz --html o.html",
    "simulate --arch m.yaml --trace t.npz --waves o.vcd --no-baseline",
    "simulate --arch m.yaml --trace t.npz --timeline o.json --timeline-cycles 1:20 --no-baseline",
    "simulate --arch m.yaml --trace t.npz --check-values --no-baseline", "archs", "mechanisms",
    "report run --out o.html",
    "sweep space.yaml --dry-run", "sweep space.yaml --out out --quiet", "break-even --arch m.yaml --trace t.npz",
    "record char-lm --out o.npz --corpus text.txt --layers 1 --hidden 4 --sequence 4 --batch 2 --steps 2 --quiet",
    "record char-lm --out o.npz --corpus text.txt --policy kind=off --steps 1 --hidden 2 --layers 1 --batch 1",
    "search space.yaml --out out --trials 2 --sampler random --objective cycles --constraint area_mm2<=4",
    "study paper --out out --list", "sram --help", "validate m.yaml m.yaml",
)  # fmt: skip
"""Ten times as long as the others, and so a tenth as often."""
WORDS = (
    "m.yaml", "t.npz", "e.yaml", "damaged.npz", "empty", "text.txt", "run", "run/report.json", "results.csv",
    "space.yaml", "m.npy",
    "m.mtx", "policy.json", "q.csv", "missing/o.html", "out", "o.npz", "o.svg", "run/o.html", "missing", ".",
    "zero_skip",
    "dense", "1:", ":2", "0:1000", "5:1", "1", "2", "0", "-1", "3.5", "nan", "inf", "1e400", "999999999999", "json",
    "table", "csv",
    "compiled", "event", "cycles_total", "cycles_total:min", "lstm0", "classifier", "dx", "kind=fixed,threshold=nan",
    "sample:charlm_t0", "results.csv:zz", "results.csv:", "weights.npz", *SETTINGS,
)  # fmt: skip


@cache
def _options(name: str) -> tuple[tuple[str, bool], ...]:
    """Options of a command, each with whether it takes a value."""
    command = skipstone.get_command(click.Context(skipstone), name)
    if isinstance(command, click.Group):
        command = command.commands["char-lm" if name == "record" else "paper"]
    assert command is not None
    return tuple((one, not p.is_flag) for p in command.params if isinstance(p, click.Option) for one in p.opts)


def _line(rng: Random) -> bytes:
    line = rng.choice(SLOW if rng.random() < 0.05 else QUICK)
    words = line.split()
    name = words[0] if words[0] in COMMANDS else "simulate"
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        at = rng.randrange(len(words) + 1)
        way = rng.randrange(8)
        if way < 3 and _options(name):
            option, takes = rng.choice(_options(name))
            words[at if at > 1 else len(words) :] = [
                option,
                *([_word(rng)] if takes else []),
                *words[at if at > 1 else len(words) :],
            ]
        elif way < 5 and at < len(words):
            words[at] = _word(rng)
        elif way == 5 and at < len(words) and len(words) > 1:
            del words[at]
        elif way == 6:
            words.insert(at, rng.choice(words))
        elif at < len(words):
            words[at] = damaged_text(words[at], rng)
    return SEPARATOR.join(word.encode("utf-8", "surrogateescape") for word in _tame(words))


def _word(rng: Random) -> str:
    return rng.choice(ODD_TEXTS) if rng.random() < 0.2 else rng.choice(WORDS)


def _tame(words: list[str]) -> list[str]:
    """Keep a line from writing outside its folder, from other machines, and from taking hours or all processors."""
    kept = [
        w for w in words if not ("/" in w.partition("=")[2][:1] or w.startswith(("/", "~")) or ".." in w or "://" in w)
    ]
    kept = [word.replace("\0", "") for word in kept]
    if {"study", "paper"} & set(kept):
        kept.append("--list")
    if {"sweep", "search"} & set(kept):
        kept = [word for word in kept if not word.startswith("--w") and word != "--scheduler"] + ["--workers", "1"]
    if "record" in kept:  # its sizes are what a training takes: none of the odd ones is small
        kept = [word for word in kept if not (word.isdecimal() and (len(word) > 1 or int(word) > 4))]
    return kept


class Folder:
    """Small files that command lines read, and what they were at first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "run").mkdir()
        synthetic_trace(path / "t.npz", layers=1, hidden_size=4, input_size=3, sequence_length=2, batch_size=2,
        steps=[1, 2],
                        sparsity=0.6, dense_layers=[DenseLayer("classifier", 4, 3)])  # fmt: skip
        raw = (path / "t.npz").read_bytes()
        texts = {
            "m.yaml": MACHINE.encode(), "e.yaml": MACHINE.replace("500", "-1").encode(),
            "damaged.npz": raw[:300] + b"x" + raw[301:],
            "empty": b"", "text.txt": b"the quick brown fox jumps over the lazy dog. " * 40,
            "run/report.json": _report().encode(),
            "results.csv": RESULTS[0], "space.yaml": json.dumps(SPACE).encode(), "m.npy": npy(np.eye(3, 4)),
            "m.mtx": MARKET[0],
            "policy.json": b'{"kind": "fixed", "threshold": 1e-6}', "q.csv": QUALITY[0],
        }  # fmt: skip
        for name, content in texts.items():
            (path / name).write_bytes(content)
        self.first = {name: (path / name).read_bytes() for name in self.now()}
        self.stamps = self.now()

    def now(self) -> dict[str, int]:
        """Every file and folder, with the time of its last change."""
        found = {}
        todo = [""]
        while todo:
            within = todo.pop()
            with os.scandir(self.path / within) as entries:
                for entry in entries:
                    name = f"{within}{entry.name}"
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(f"{name}/")
                        if name != "run":
                            found[f"{name}/"] = 0
                    else:
                        found[name] = entry.stat(follow_symlinks=False).st_mtime_ns
        return found

    def restore(self) -> None:
        """Make it as it was at first."""
        for name in self.now():
            if name not in self.first and (self.path / name).exists():
                shutil.rmtree(self.path / name) if name.endswith("/") else (self.path / name).unlink()
        for name, content in self.first.items():
            if self.stamps[name] != self.now().get(name):
                (self.path / name).write_bytes(content)
        self.stamps = self.now()


@cache
def _folder() -> Folder:
    home = tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return Folder(Path(home))


@contextlib.contextmanager
def _streams() -> Iterator[None]:
    """Standard output and error as the programs have them."""
    before = sys.stdout, sys.stderr
    sys.stdout = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace")
    sys.stderr = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace")
    try:
        yield
        sys.stdout.flush()
    finally:
        sys.stdout, sys.stderr = before


def _take_line(data: bytes) -> None:
    folder = _folder()
    words = [os.fsdecode(word) for word in data.split(SEPARATOR)]
    refused: BaseException | None = None
    here = os.getcwd()  # noqa: PTH109
    os.chdir(folder.path)
    try:
        with _streams(), impossible_names_told():
            skipstone.main(args=words, prog_name="skipstone", standalone_mode=False)
    except (InputError, click.UsageError) as error:
        refused = error
    except click.exceptions.Exit as end:
        if end.exit_code:
            raise
    finally:
        os.chdir(here)
    now = folder.now()
    if now != folder.stamps:
        changed = sorted(set(now.items()) ^ set(folder.stamps.items()))
        folder.restore()
        # A search holds its folder when it opens its database, and keeps what it evaluated to see what machines tell.
        assert refused is None or any(name.endswith("/search.lock") for name, _ in changed), f"left behind: {changed}"
        assert not [name for name, _ in changed if "partial" in name], f"left behind: {changed}"
    if refused is not None:
        raise refused


COMMAND_LINES = (
    Surface("command lines", _line, _take_line,
    lambda: [SEPARATOR.join(w.encode() for w in _tame(line.split())) for line in (*QUICK, *SLOW)], 100_000,
            refusals=(InputError, click.UsageError)),
)  # fmt: skip

"""What `skipstone` says when it is called without a command: five things that people do with it, ready to paste."""

from __future__ import annotations

import shlex
import textwrap
from pathlib import Path

from traces.completion import sample_files

WIDTH = 80
SAMPLE = "charlm_t1e-6.npz"
"""The trace of the examples."""

INTRODUCTION = (
    "Skipstone records which gate gradients of a training are zero, and replays the record on a model of a machine "
    "that skips zeros: cycles, energy, saved MACs. Five things that people do with it, ready to paste:"
)


def examples() -> list[tuple[str, list[str]]]:
    """Give what people do, each with its command lines; they can be run one after the other, in any folder."""
    (sample,) = [shlex.quote(path) for path in sample_files() if Path(path).name == SAMPLE]
    return [
        (
            "See what skipping zeros brings, on a recorded training that comes along",
            [f"simulate --arch zero_skip --trace {sample}"],
        ),
        (
            "Record a training of your own, here one of some seconds, and replay it",
            [
                "skipstone record char-lm --corpus python-docs --layers 1 --hidden 64 \\",
                "    --steps 100 --record-every 50 --out run.npz",
                "simulate --arch edge --trace run.npz --out report",
            ],
        ),
        (
            "Change the machine: a key at a time, or in a file of your own",
            [
                "skipstone archs",
                "simulate --arch zero_skip --set array.rows=64 --trace run.npz",
            ],
        ),
        (
            "Ask from which share of zeros on skipping pays",
            ["skipstone break-even --arch edge --trace run.npz"],
        ),
        (
            "Sweep a space of machines, and find those that no other one beats",
            [
                "skipstone sweep depth_refill --out results",
                "skipstone frontier results/results.csv",
            ],
        ),
    ]


def welcome() -> str:
    """Lay the page out, 80 columns wide but where a path is longer."""
    lines = [*textwrap.wrap(INTRODUCTION, WIDTH)]
    for number, (what, commands) in enumerate(examples(), start=1):
        lines += ["", f"{number}. {what}:", "", *(f"    {command}" for command in commands)]
    lines += ["", "skipstone --help lists all commands, skipstone COMMAND --help tells of one, and"]
    lines += ["skipstone completion --help says how Tab completes them."]
    return "\n".join(lines) + "\n"

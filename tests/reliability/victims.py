"""Commands that `make faults` kills: what each is, on what, and how a user goes on after it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from plain.small_inputs import MACHINE, TEXT, small_trace

from simulator import load_arch, simulate
from simulator.explore import evaluate, load_space, run_sweep
from traces import DenseLayer, Trace

SPACE = """\
name: killed
archs: [small.yaml, zero_skip]
traces: [a.npz, b.npz]
axes:
  array.rows: [4, 8, 16]
  array.columns: [8, 16]
  energy_table: [cmos_45nm, cmos_7nm]
"""
SMALLER = SPACE.replace("[4, 8, 16]", "[4, 8]").replace("name: killed", "name: smaller")
TRAINED = "--hidden 8 --layers 2 --sequence 10 --batch 3 --record-every 2 --eval-every 5 --eval-windows 2 --quiet"


@dataclass(frozen=True)
class Victim:
    """A command that is killed.

    Attributes
    ----------
    kind : str
        What the figures call it.
    words : str
        Its command line. ``IN`` is the folder of inputs; results go to the folder that it runs in.
    earlier : str
        A command line that leaves other results there, before half of the kills.
    again : tuple of str
        What a user tries in turn to go on; by default the same command line.
    pooled : bool
        Whether it has processes of its own, which may be killed alone or all together.
    """

    kind: str
    words: str
    earlier: str
    again: tuple[str, ...] = ()
    pooled: bool = False


SEARCHED = "search IN/space.yaml --out . --trials 14 --batch 4 --workers 1 --quiet"
SWEPT = "sweep IN/space.yaml --out . --workers 1 --quiet"
RECORDED = f"record char-lm --corpus IN/text.txt --out run.npz --steps 24 {TRAINED}"
WRITTEN = "simulate --arch zero_skip --trace IN/a.npz --out . --timeline t.json --html page.html --quiet"
DRAWN = "simulate --arch zero_skip --trace IN/a.npz --plots plots --waves pass.vcd --quiet --no-baseline"

VICTIMS = (
    Victim(
        "recording",
        f"{RECORDED} --force",
        f"{RECORDED} --seed 7",
        (f"{RECORDED} --resume", f"{RECORDED} --force"),
    ),
    Victim("sweep", SWEPT, SWEPT.replace("space", "smaller")),
    Victim("sweep in a pool", SWEPT.replace("1", "2"), SWEPT.replace("space", "smaller"), pooled=True),
    Victim("sweep to Parquet", f"{SWEPT} --format parquet", f"{SWEPT} --format parquet".replace("space", "smaller")),
    Victim("search by journal", SEARCHED, SEARCHED.replace("14", "6")),
    Victim(
        "search by database",
        f"{SEARCHED} --storage sqlite:///study.db",
        f"{SEARCHED} --storage sqlite:///study.db".replace("14", "6"),
    ),
    Victim("report files", WRITTEN, f"{WRITTEN} --steps 10:15"),
    Victim("plots and waves", DRAWN, f"{DRAWN} --steps 10:15"),
    Victim(
        "page of a sweep", "report IN/swept --out page.html --quiet", "report IN/report.json --out page.html --quiet"
    ),
)


def make_inputs(folder: Path) -> Path:
    """Write what the commands read."""
    folder.mkdir()
    for name, seed, steps in (("a", 1, [10, 20]), ("b", 2, [5])):
        layer = DenseLayer("classifier", 6, 5)
        small_trace(folder / f"{name}.npz", steps=steps, seed=seed, dense_layers=[layer])
    for name, text in (("space", SPACE), ("smaller", SMALLER), ("small", MACHINE)):
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    run_sweep(load_space(folder / "space.yaml"), folder / "swept", 1)
    for cache in (evaluate._figures, evaluate._replay, evaluate._steps):
        cache.cache_clear()  # forked processes have them, too, and shall do their work themselves
    with Trace(folder / "a.npz") as trace:
        report = simulate(load_arch("zero_skip"), trace)
    (folder / "report.json").write_text(report.to_json(), encoding="utf-8")
    return folder

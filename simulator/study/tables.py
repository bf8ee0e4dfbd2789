"""The results of a study as a page of tables: mean and spread over seeds, beside the dense run of the same seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from simulator.study.measuring import MACHINES
from simulator.study.results import Row
from simulator.study.runs import Condition, Group, StudyRun

QUALITIES: dict[str, tuple[str, bool]] = {
    "test_bits_per_character": ("bits per character", False),
    "test_perplexity": ("perplexity", False),
    "test_bleu": ("BLEU", True),
    "test_loss": ("nats per token", False),
}
"""What a run is judged by, the first that it has: name and whether more is better."""
PLACES = ("dead", "column", "row", "scattered")
"""Where a zero lies, see `traces.zero_structure`."""
SPARSE_GROUPS = ("thresholds", "policies", "structures")
"""Tables of the network that smaller dense ones are compared with."""
DASH = "–"
EXPLAINED = (
    "Made by `skipstone study paper`. Each row: mean over seeds, ± the standard deviation of the sample where there "
    "are several. *Loss* is how much worse the test figure is than the dense run's of the same seed (negative: "
    "better). *Zeros* are those of dG in the later half of the recorded steps; *dead*, *column*, *row* and *scattered* "
    "say where these zeros lie (`traces/zero_structure.py`). *Natural* zeros are there before any threshold. *Cosine* "
    "is of the weight gradients with the unthresholded ones, in the layer where it is least. *Norm* is the largest "
    "gradient norm, a mean over a twentieth of the run, of its second half. *MACs saved* are of the recorded layers. "
    "Speed-up and energy saved are of the whole training against the same machine as a dense array, on `{}` / `{}` / "
    "`{}`."
)
EQUAL_QUALITY = (
    "The smallest of these dense networks whose mean test figure is at least as good, and what the sparse network's "
    "whole training takes of the small one's (below 1: the sparse network is cheaper). The small network runs on the "
    "dense twin."
)


@dataclass(frozen=True)
class Measure:
    """Mean and spread of a figure over the runs of a condition.

    Attributes
    ----------
    mean : float
    spread : float or None
        Standard deviation of the sample; None with a single run.
    """

    mean: float
    spread: float | None

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Measure | None:
        """Summarise what is there; None where nothing is."""
        known = [value for value in values if value is not None and math.isfinite(value)]
        return cls(fmean(known), stdev(known) if len(known) > 1 else None) if known else None


def judged_by(row: Row) -> str | None:
    """Name the figure that a run is judged by."""
    return next((name for name in QUALITIES if name in row.get("quality", {})), None)


def loss_of_quality(row: Row, dense: Row) -> float | None:
    """How much worse a run is than its dense one, as a share of the dense figure; negative where it is better."""
    name = judged_by(dense)
    if name is None or name not in row.get("quality", {}) or not dense["quality"][name]:
        return None
    here, there = float(row["quality"][name]), float(dense["quality"][name])
    return (there - here) / there if QUALITIES[name][1] else (here - there) / there


def summary(condition: Condition, rows: Mapping[str, Row]) -> dict[str, Any]:
    """Summarise a condition.

    Returns
    -------
    dict
        ``label``, ``runs`` (with a result), ``diverged``, ``measure`` (of quality) and, as `Measure` or None,
        ``quality``, ``loss`` (of quality, against the dense run of the same seed), ``sparsity`` (late) and ``training``
        (all of it), the shares ``dead``, ``column``, ``row``, ``scattered`` of the zeros, ``natural`` zeros,
        ``cosine``, ``macs_saved``, ``gradient_norm`` (largest of the second half of the curve) and, by machine,
        ``speedup`` and ``energy_saving``.
    """
    found = [rows[run.key] for run in condition.runs if run.key in rows]
    good = [row for row in found if row["status"] == "ok"]
    pairs = [
        (rows[run.key], rows[dense.key])
        for run, dense in zip(condition.runs, condition.dense, strict=True)
        if run.key in rows and dense.key in rows and rows[run.key]["status"] == rows[dense.key]["status"] == "ok"
    ]
    name = next((judged_by(row) for row in good), None)

    def measure(get: Callable[[Row], float | None]) -> Measure | None:
        return Measure.of([get(row) for row in good])

    told: dict[str, Any] = {
        "label": condition.label,
        "runs": len(found),
        "diverged": len(found) - len(good),
        "measure": name,
        "quality": None if name is None else measure(lambda row: row["quality"].get(name)),
        "loss": Measure.of([loss_of_quality(row, dense) for row, dense in pairs]),
        "sparsity": measure(lambda row: row["sparsity"]["late"]),
        "training": measure(lambda row: row["sparsity"]["training"]),
        "natural": measure(_natural),
        "cosine": measure(lambda row: row["cosine"]),
        "gradient_norm": measure(_largest_norm),
        "macs_saved": measure(lambda row: row["machines"][MACHINES[0]]["macs_saved"]["layers"]),
    }
    for place in PLACES:
        told[place] = Measure.of([row["structure"][place] for row in good if row["sparsity"]["late"]])
    for machine in MACHINES:
        costs = [row["machines"][machine] for row in good]
        told[machine] = {key: Measure.of([cost[key] for cost in costs]) for key in ("speedup", "energy_saving")}
    return told


def report(groups: Sequence[Group], rows: Mapping[str, Row], scale: str, figures: Sequence[str] = ()) -> str:
    """Write all tables as a Markdown page; a run without a result yet is missing from its row.

    Parameters
    ----------
    groups : sequence of Group
    rows : mapping
        Results by key.
    scale : str
    figures : sequence of str
        Names of image files that stand beside the page.
    """
    lines = [
        f"# The study, scale {scale}",
        "",
        EXPLAINED.format(*MACHINES),
        "",
        *(f"![{name.partition('.')[0].replace('_', ' ')}]({name})" for name in figures),
        "",
    ]
    for group in groups:
        lines += [f"## {group.title}", "", *_table(group, rows), ""]
        if group.name == "dense-sizes":
            lines += [*_equal_quality(groups, group, rows), ""]
    return "\n".join(lines)


def _table(group: Group, rows: Mapping[str, Row]) -> list[str]:
    head = ["", "test", "loss", "zeros", "training", "natural", " / ".join(PLACES), "cosine", "norm"]
    head += ["MACs saved", "speed-up", "energy saved", "runs"]
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    for condition in group.conditions:
        told = summary(condition, rows)
        unit = "" if told["measure"] is None else " " + QUALITIES[told["measure"]][0]
        places = [_percent(told[p], 0) for p in PLACES]
        cells = [
            told["label"],
            _number(told["quality"], 3) + (unit if told["quality"] else ""),
            _percent(told["loss"], 2, sign=True),
            _percent(told["sparsity"], 1),
            _percent(told["training"], 1),
            _percent(told["natural"], 1),
            DASH if all(place == DASH for place in places) else " / ".join(places),
            _number(told["cosine"], 3),
            _number(told["gradient_norm"], 3, spread=False),
            _percent(told["macs_saved"], 1),
            " / ".join(_number(told[m]["speedup"], 2, spread=False) for m in MACHINES),
            " / ".join(_percent(told[m]["energy_saving"], 1, spread=False) for m in MACHINES),
            str(told["runs"]) + (f", {told['diverged']} diverged" if told["diverged"] else ""),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _equal_quality(groups: Sequence[Group], dense: Group, rows: Mapping[str, Row]) -> list[str]:
    """Set beside each sparse network of `SPARSE_GROUPS` the smallest dense one that is at least as good."""
    head = ["sparse network", "its test figure", "smallest dense network as good", "its test figure"]
    head += [
        "MACs, sparse / small dense",
        f"cycles on `{MACHINES[0]}`",
        "energy",
        f"cycles on `{MACHINES[1]}`",
        "energy",
    ]
    lines = [
        EQUAL_QUALITY,
        "",
        "| " + " | ".join(head) + " |",
        "| --- " * len(head) + "|",
    ]
    small = [(c, summary(c, rows)) for c in dense.conditions]
    for condition in (c for group in groups if group.name in SPARSE_GROUPS for c in group.conditions):
        told = summary(condition, rows)
        quality = told["quality"]
        if quality is None:
            continue
        as_good = [(c, t) for c, t in small if t["quality"] is not None and t["quality"].mean <= quality.mean]
        if not as_good:
            lines.append(f"| {told['label']} | {_number(quality, 3)} | none | " + " | ".join([DASH] * 6) + " |")
            continue
        other, other_told = as_good[0]
        ratios = [_ratio(condition.runs, other.runs, rows, *keys) for keys in _COSTS]
        cells = [told["label"], _number(quality, 3), other.label, _number(other_told["quality"], 3)]
        lines.append("| " + " | ".join(cells + [DASH if r is None else f"{r:.2f}" for r in ratios]) + " |")
    return lines


_COSTS = [
    (MACHINES[0], "macs_executed", "macs_dense"),
    *(
        (machine, *keys)
        for machine in MACHINES[:2]
        for keys in (("cycles", "dense_cycles"), ("joules", "dense_joules"))
    ),
]
"""Machine, what the sparse run takes, and what the small dense one takes."""


def _ratio(
    runs: Sequence[StudyRun], others: Sequence[StudyRun], rows: Mapping[str, Row], machine: str, here: str, there: str
) -> float | None:
    costs = []
    for one, key in ((runs, here), (others, there)):
        found = [rows[r.key]["machines"][machine][key] for r in one if rows.get(r.key, {}).get("status") == "ok"]
        if not found:
            return None
        costs.append(fmean(found))
    return costs[0] / costs[1]


def _natural(row: Row) -> float | None:
    """Share of natural zeros; padding is absent work and none."""
    causes = row["natural_zeros"]
    return sum(share for cause, share in causes.items() if cause != "padding") if causes else None


def _largest_norm(row: Row) -> float | None:
    norms = (row.get("curve") or {}).get("gradient_norm") or []
    return max((n for n in norms[len(norms) // 2 :] if n is not None), default=None)


def _number(measure: Measure | None, digits: int, spread: bool = True) -> str:
    if measure is None:
        return DASH
    beside = f" ± {measure.spread:.{digits}f}" if spread and measure.spread is not None else ""
    return f"{measure.mean:.{digits}f}{beside}"


def _percent(measure: Measure | None, digits: int, spread: bool = True, sign: bool = False) -> str:
    if measure is None:
        return DASH
    beside = f" ± {100 * measure.spread:.{digits}f}" if spread and measure.spread is not None and digits else ""
    return f"{100 * measure.mean:{'+' if sign else ''}.{digits}f}{beside} %"

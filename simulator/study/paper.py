"""The study of the paper (ICLR 2017 submission HJWzXsKxx), and of what it left out, at sizes that one machine bears."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from simulator.study.runs import Condition, Group, StudyRun

OFF: dict[str, Any] = {"kind": "off"}
THRESHOLD = 1e-6
"""The paper's choice."""
THRESHOLDS = (1e-8, 1e-7, 1e-6, 1e-5)
"""The paper's; its loss was averaged, over what it does not say."""


PAPERS_TOKENS = 100 * 32
"""Tokens of a step in its char-level model; the batch of 32 is ours, for it states none."""


def fixed(threshold: float) -> dict[str, Any]:
    """The paper's rule as a trace's header has it."""
    return {"kind": "fixed", "threshold": threshold}


@dataclass(frozen=True)
class Scale:
    """Sizes of a study.

    Attributes
    ----------
    base : mapping
        Settings of the character language model that all else is a variation of.
    layers, hidden, sequence, batch, corpora, learning_rate : tuple
        Variations, one at a time.
    small_hidden : tuple of int
        Cells of the smaller dense networks that stand beside the sparse ones.
    seeds, seeds_elsewhere : int
        Of the tables of thresholds, policies, structures, applications and dense sizes, and of the others.
    application_scale : str
        Of the applications that PyTorch trains.
    papers_steps : int
        Optimiser steps of the runs of the paper's own sizes; 0 where all runs have them.
    """

    base: Mapping[str, Any]
    layers: tuple[int, ...]
    hidden: tuple[int, ...]
    sequence: tuple[int, ...]
    batch: tuple[int, ...]
    corpora: tuple[str, ...]
    learning_rate: tuple[float, ...]
    small_hidden: tuple[int, ...]
    seeds: int
    seeds_elsewhere: int
    application_scale: str
    papers_steps: int = 0


_COMMON: dict[str, Any] = {
    "corpus": "shakespeare", "clip": 5.0, "loss_normalisation": "mean", "output_bias": "log-frequency",
}  # fmt: skip

_PAPERS = {**_COMMON, "layers": 3, "hidden": 256, "sequence": 100, "batch": 32, "learning_rate": 0.002}

SCALES = {
    "small": Scale(
        base={**_COMMON, "layers": 3, "hidden": 96, "sequence": 50, "batch": 16, "steps": 1000, "learning_rate": 0.003},
        layers=(2, 6, 9),
        hidden=(48, 192),
        sequence=(25, 100),
        batch=(4, 64),
        corpora=("python-docs",),
        learning_rate=(0.0005, 0.01),
        small_hidden=(32, 48, 64, 80),
        seeds=3,
        seeds_elsewhere=1,
        application_scale="small",
        papers_steps=600,
    ),
    "medium": Scale(
        base={
            **_COMMON,
            "layers": 3,
            "hidden": 256,
            "sequence": 100,
            "batch": 32,
            "steps": 4000,
            "learning_rate": 0.002,
        },
        layers=(2, 6, 9),
        hidden=(128, 512),
        sequence=(25, 50),
        batch=(8, 128),
        corpora=("python-docs",),
        learning_rate=(0.0005, 0.008),
        small_hidden=(96, 128, 160, 192),
        seeds=3,
        seeds_elsewhere=2,
        application_scale="medium",
    ),
}
SCALES["paper"] = replace(
    SCALES["medium"],
    base={**_PAPERS, "steps": 30_000},
    small_hidden=(96, 128, 160, 192, 224),
    seeds=5,
    seeds_elsewhere=3,
    application_scale="paper",
)

POLICIES: dict[str, dict[str, Any]] = {
    "target 80 %": {"kind": "target", "sparsity": 0.8},
    "target 80 % of each gate": {"kind": "target", "sparsity": 0.8, "per": "gate"},
    "target 90 %": {"kind": "target", "sparsity": 0.9},
    "0.1 of the RMS": {"kind": "relative", "of": "rms", "factor": 0.1},
    "top 20 % of each sequence (meProp)": {"kind": "top_k", "sparsity": 0.8, "per": "row"},
    "unbiased, 80 % (SparseTrain)": {"kind": "stochastic", "sparsity": 0.8},
    "80 % with error feedback": {"kind": "error_feedback", "policy": {"kind": "target", "sparsity": 0.8}},
    "1e-6 after 200 dense steps": {"kind": "warm_up", "steps": 200, "policy": fixed(1e-6)},
    "1e-6, every fourth step dense": {"kind": "mixed", "period": 4, "dense": 1, "policy": fixed(1e-6)},
}
"""Dynamic thresholds, pruning of other papers, schedules."""

STRUCTURES: dict[str, dict[str, Any]] = {
    "1:4 along the gates (75 %)": {"kind": "n_m", "n": 1, "m": 4, "axis": "gate"},
    "columns of the batch, largest, 80 %": {
        "kind": "columns", "criterion": "max", "rule": {"kind": "target", "sparsity": 0.8},
    },
    "columns of the batch, L2, 80 %": {
        "kind": "columns", "criterion": "l2", "rule": {"kind": "target", "sparsity": 0.8},
    },
    "blocks of 8 cells, L2, 80 %": {
        "kind": "blocks", "shape": [8, 1], "criterion": "l2", "rule": {"kind": "target", "sparsity": 0.8},
    },
    "blocks of 8 sequences, L2, 80 %": {
        "kind": "blocks", "shape": [1, 8], "criterion": "l2", "rule": {"kind": "target", "sparsity": 0.8},
    },
}  # fmt: skip
"""Zeros in the shapes that hardware likes."""

APPLICATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "GRU, characters": ("torch-char-lm", {"cell": "gru"}),
    "LSTM, words": ("word-lm", {}),
    "LSTM, words and their case (two heads)": ("word-lm", {"case_task": True}),
    "LSTM with attention, translation": ("translate", {}),
    "GRU with attention, translation": ("translate", {"cell": "gru"}),
    "LSTM decoder, captions": ("caption", {}),
    "Transformer, characters": ("transformer-lm", {"unit": "char"}),
}
"""Label, command and options."""


PRECISIONS: dict[str, dict[str, Any]] = {
    "float32": {},
    "bfloat16": {"precision": "bfloat16"},
    "float16 with loss scale": {"precision": "float16"},
    "dG of 8 bits, fixed point": {"quantize_bits": 8},
    "dG of 4 bits, powers of two": {"quantize_bits": 4, "quantize_kind": "log"},
}
"""Label and options of `torch-char-lm`; the quantised ones follow Hubara et al. (arXiv 1609.07061) for dG alone."""


def paper_study(scale: str = "small") -> tuple[Group, ...]:
    """List the tables of a study, and so its runs, at one of `SCALES`."""
    sizes = SCALES[scale]
    groups = (Group(name, title, tuple(make(sizes))) for name, (title, make) in _GROUPS.items())
    return tuple(group for group in groups if group.conditions)


def _runs(sizes: Scale, changes: Mapping[str, Any], policy: Mapping[str, Any], seeds: int) -> tuple[StudyRun, ...]:
    return tuple(StudyRun("char-lm", {**sizes.base, **changes}, policy, seed) for seed in range(seeds))


def _condition(
    sizes: Scale, label: str, changes: Mapping[str, Any], policy: Mapping[str, Any], seeds: int | None = None
) -> Condition:
    count = sizes.seeds_elsewhere if seeds is None else seeds
    return Condition(label, _runs(sizes, changes, policy, count), _runs(sizes, changes, OFF, count))


def _thresholds(sizes: Scale) -> list[Condition]:
    # A loss that is averaged over fewer tokens has larger gradients: 1e-6 at T 100, B 32 is more here.
    tokens = sizes.base["sequence"] * sizes.base["batch"]
    scaled = THRESHOLD * PAPERS_TOKENS / tokens
    every = {"0": OFF, **{f"{t:g}": fixed(t) for t in sorted({*THRESHOLDS, scaled})}}
    return [_condition(sizes, f"threshold {label}", {}, policy, sizes.seeds) for label, policy in every.items()]


def _papers_size(sizes: Scale) -> list[Condition]:
    """The paper's own sizes, for as many steps as this scale can bear."""
    if not sizes.papers_steps:
        return []
    changes = {**_PAPERS, "steps": sizes.papers_steps}
    every = {"0": OFF, **{f"{t:g}": fixed(t) for t in (1e-7, 1e-6, 1e-5)}}
    steps = f"{sizes.papers_steps} steps"
    return [_condition(sizes, f"threshold {label}, {steps}", changes, policy, 1) for label, policy in every.items()]


def _varied(key: str, name: str, plural: str) -> Callable[[Scale], list[Condition]]:
    def conditions(sizes: Scale) -> list[Condition]:
        values: Sequence[Any] = sorted({*getattr(sizes, name), sizes.base[key]}, key=float)
        return [_condition(sizes, f"{value} {plural}", {key: value}, fixed(THRESHOLD)) for value in values]

    return conditions


def _corpora(sizes: Scale) -> list[Condition]:
    return [_condition(sizes, name, {"corpus": name}, fixed(THRESHOLD)) for name in ("shakespeare", *sizes.corpora)]


def _normalisations(sizes: Scale) -> list[Condition]:
    """The same threshold under each normalisation, and one that is scaled with the loss."""
    T, B = sizes.base["sequence"], sizes.base["batch"]
    found = []
    for name, factor in {"mean": 1, "batch": T, "sum": T * B}.items():
        # Adam does not see the scale of the loss; the clipping does, so it is scaled, too.
        changes = {"loss_normalisation": name, "clip": 5.0 * factor}
        for threshold in dict.fromkeys((THRESHOLD, THRESHOLD * factor)):
            found.append(_condition(sizes, f"{name}, threshold {threshold:.3g}", changes, fixed(threshold)))
    return found


def _policies(policies: Mapping[str, Mapping[str, Any]]) -> Callable[[Scale], list[Condition]]:
    return lambda sizes: [_condition(sizes, label, {}, policy, sizes.seeds) for label, policy in policies.items()]


def _health(sizes: Scale) -> list[Condition]:
    """Careful training beside one without clipping, from a classifier that knows no frequencies."""
    careless = {"clip": 0.0, "output_bias": "zero"}
    trainings: dict[str, dict[str, Any]] = {
        "careful": {},
        "careless": careless,
        "careless, rate 0.01": {**careless, "learning_rate": 0.01},
    }
    found = []
    for label, changes in trainings.items():
        found += [
            _condition(sizes, f"{label}, threshold {name}", changes, policy)
            for name, policy in {"0": OFF, "1e-07": fixed(1e-7), "1e-06": fixed(1e-6)}.items()
        ]
    return found


def _dense_sizes(sizes: Scale) -> list[Condition]:
    """Smaller dense networks; the sparse ones to compare them with are in the first table."""
    base = sizes.base["hidden"]
    return [
        _condition(sizes, f"{hidden} cells, dense", {"hidden": hidden}, OFF, sizes.seeds)
        for hidden in (*sizes.small_hidden, base)
    ]


def _applications(sizes: Scale) -> list[Condition]:
    found = []
    for label, (application, options) in APPLICATIONS.items():
        settings = {"scale": sizes.application_scale, **options}
        seeds = range(sizes.seeds)
        dense = tuple(StudyRun(application, settings, OFF, seed) for seed in seeds)
        for name, policy in {"0": OFF, "1e-06": fixed(THRESHOLD), "target 80 %": POLICIES["target 80 %"]}.items():
            runs = tuple(StudyRun(application, settings, policy, seed) for seed in seeds)
            found.append(Condition(f"{label}: {name}", runs, dense))
    return found


def _precisions(sizes: Scale) -> list[Condition]:
    """The same LSTM by PyTorch in low precision and with quantised gradients, each against float32 without a threshold.

    So natural zeros stand in the rows without a threshold, those that it adds in the others.
    """
    found = []
    for label, changes in PRECISIONS.items():
        for name, policy in {"no threshold": OFF, "1e-06": fixed(THRESHOLD)}.items():
            settings = {"scale": sizes.application_scale, **changes}
            seeds = range(sizes.seeds_elsewhere)
            runs = tuple(StudyRun("torch-char-lm", settings, policy, seed) for seed in seeds)
            dense = tuple(StudyRun("torch-char-lm", {"scale": sizes.application_scale}, OFF, seed) for seed in seeds)
            found.append(Condition(f"{label}, {name}", runs, dense))
    return found


_GROUPS: dict[str, tuple[str, Callable[[Scale], list[Condition]]]] = {
    "thresholds": ("Thresholds (the paper's main table)", _thresholds),
    "papers-size": ("The paper's sizes (3 x 256 cells, T 100, B 32), cut short", _papers_size),
    "dense-sizes": ("Smaller dense networks", _dense_sizes),
    "layers": ("Layers, threshold 1e-6", _varied("layers", "layers", "layers")),
    "cells": ("Cells of a layer, threshold 1e-6", _varied("hidden", "hidden", "cells")),
    "sequence": ("Sequence length, threshold 1e-6", _varied("sequence", "sequence", "time steps")),
    "corpora": ("Corpora, threshold 1e-6", _corpora),
    "batch": ("Batch size, threshold 1e-6", _varied("batch", "batch", "sequences")),
    "learning-rate": ("Learning rate, threshold 1e-6", _varied("learning_rate", "learning_rate", "learning rate")),
    "normalisation": ("Normalisation of the loss", _normalisations),
    "policies": ("Dynamic thresholds and other pruning", _policies(POLICIES)),
    "structures": ("Structured zeros", _policies(STRUCTURES)),
    "health": ("Careful and careless training", _health),
    "precision": ("Low precision: natural zeros and the threshold's", _precisions),
    "applications": ("Other cells, tasks and models", _applications),
}
GROUPS = tuple(_GROUPS)
"""Names of the tables, in their order."""

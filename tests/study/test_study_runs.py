"""The plan of a study: which runs it has, which of them tables share, and what each is compared with."""

from __future__ import annotations

import json

import pytest

from simulator.study import GROUPS, SCALES, StudyRun, paper_study
from simulator.study.paper import OFF, fixed
from traces.thresholds import from_mapping

CHAR_LM = "char-lm"


@pytest.mark.parametrize("scale", SCALES)
def test_every_run_is_compared_with_a_dense_run_that_differs_in_its_policy_or_precision_alone(scale: str) -> None:
    for group in paper_study(scale):
        for condition in group.conditions:
            assert len(condition.runs) == len(condition.dense) >= 1
            for run, dense in zip(condition.runs, condition.dense, strict=True):
                assert dict(dense.policy) == OFF
                same = (run.application, run.options, run.seed) == (dense.application, dense.options, dense.seed)
                assert same != (group.name == "precision" and "float32" not in condition.label)


@pytest.mark.parametrize("scale", SCALES)
def test_labels_are_unique_and_policies_are_known(scale: str) -> None:
    groups = paper_study(scale)
    names = tuple(group.name for group in groups)
    assert names == tuple(name for name in GROUPS if name != "papers-size" or scale == "small")
    for group in groups:
        labels = [condition.label for condition in group.conditions]
        assert len(set(labels)) == len(labels)
        for run in group.runs:
            assert from_mapping(run.policy).to_mapping()["kind"] == run.policy["kind"]


def test_headline_rows_have_three_seeds_and_the_papers_thresholds() -> None:
    for scale in SCALES:
        thresholds = paper_study(scale)[0]
        assert all(len({run.seed for run in c.runs}) >= 3 for c in thresholds.conditions)
        found = [dict(c.runs[0].policy) for c in thresholds.conditions]
        assert all(fixed(t) in found for t in (1e-8, 1e-7, 1e-6, 1e-5))
        assert OFF in found


def test_sizes_of_the_papers_sensitivity_study_are_all_there_at_its_scale() -> None:
    groups = {group.name: group for group in paper_study("paper")}

    def values(name: str, key: str) -> set[object]:
        return {run.options[key] for run in groups[name].runs}

    assert values("layers", "layers") == {2, 3, 6, 9}
    assert values("cells", "hidden") == {128, 256, 512}
    assert values("sequence", "sequence") == {25, 50, 100}


def test_tables_share_the_base_runs() -> None:
    groups = paper_study("small")
    base = {run.key for run in groups[0].runs}
    for group in groups:
        if group.name in (
            "layers",
            "cells",
            "sequence",
            "batch",
            "learning-rate",
            "corpora",
            "dense-sizes",
            "policies",
        ):
            assert base & {run.key for run in group.runs}, group.name


def test_a_key_depends_on_all_that_decides_a_run_and_not_on_the_order_of_settings() -> None:
    run = StudyRun(CHAR_LM, {"hidden": 8, "layers": 1}, fixed(1e-6), 0)
    others = [
        StudyRun("word-lm", {"hidden": 8, "layers": 1}, fixed(1e-6), 0),
        StudyRun(CHAR_LM, {"hidden": 9, "layers": 1}, fixed(1e-6), 0),
        StudyRun(CHAR_LM, {"hidden": 8, "layers": 1}, fixed(1e-7), 0),
        StudyRun(CHAR_LM, {"hidden": 8, "layers": 1}, fixed(1e-6), 1),
    ]
    assert len({run.key, *(other.key for other in others)}) == 5
    assert StudyRun(CHAR_LM, {"layers": 1, "hidden": 8}, fixed(1e-6), 0).key == run.key
    assert json.loads(json.dumps(run.identity)) == run.identity

"""A study is run, interrupted, gone on with; a run that diverges is a result."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from simulator.commands.study import study
from simulator.study import Results, StudyRun, execution, paper_study, run_study, write_page
from simulator.study.paper import OFF, fixed
from simulator.study.runs import Condition, Group
from simulator.study.training import InterruptedRunError
from traces import Trace
from traces.errors import InputError

TINY = {"corpus": "python-docs", "layers": 1, "hidden": 6, "sequence": 5, "batch": 4, "steps": 10}
SPARSE = StudyRun("char-lm", TINY, fixed(1e-3))
DENSE = StudyRun("char-lm", TINY, OFF)
GROUP = Group("tiny", "Tiny", (Condition("1e-3", (SPARSE,), (DENSE,)),))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    outcome = run_study([GROUP], folder, workers=1, keep_traces=True)
    assert (outcome.wanted, outcome.missing, outcome.signal_number) == (2, 0, 0)
    return folder


def test_a_row_holds_what_its_trace_does(done: Path) -> None:
    row = Results(done).rows[SPARSE.key]
    with Trace(done / "traces" / f"{SPARSE.key}.npz") as trace:
        late = [trace.step(number) for number in trace.steps[len(trace.steps) // 2 :]]
        zeros = [1 - step.layers["lstm0"].gate_gradient.unpack().mean() for step in late]
        assert row["sparsity"]["late"] == pytest.approx(np.mean(zeros))
        assert row["quality"] == trace.header["final"]
    assert row["status"] == "ok"
    assert sum(row["structure"][place] for place in ("dead", "column", "row", "scattered")) == pytest.approx(1)
    assert row["machines"]["zero_skip"]["macs_executed"] < row["machines"]["zero_skip"]["macs_dense"]
    dense = Results(done).rows[DENSE.key]
    assert dense["sparsity"]["late"] < row["sparsity"]["late"]
    assert dense["machines"]["zero_skip"]["dense_cycles"] == row["machines"]["zero_skip"]["dense_cycles"]


def test_what_has_a_result_is_not_run_again(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_again(*_: object) -> None:
        raise AssertionError("a run that has a result was begun")

    monkeypatch.setattr(execution, "train", not_again)
    before = (done / "results.jsonl").read_bytes()
    assert run_study([GROUP], done, workers=1).missing == 0
    assert (done / "results.jsonl").read_bytes() == before


def test_an_interrupted_run_has_no_result_and_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(run: StudyRun, path: Path) -> None:
        raise InterruptedRunError("signal 2")

    with monkeypatch.context() as patch:
        patch.setattr(execution, "train", interrupted)
        assert run_study([GROUP], tmp_path, workers=1).missing == 2
    assert run_study([GROUP], tmp_path, workers=1).missing == 0


def test_divergence_is_a_result_and_a_wrong_setting_an_error(tmp_path: Path) -> None:
    wild = StudyRun("char-lm", {**TINY, "optimizer": "sgd", "learning_rate": 1e39, "clip": 0.0}, OFF)
    group = Group("wild", "Wild", (Condition("wild", (wild,), (wild,)),))
    assert run_study([group], tmp_path, workers=1).missing == 0
    assert Results(tmp_path).rows[wild.key]["status"] == "diverged"
    wrong = StudyRun("char-lm", {**TINY, "corpus": "no such corpus"}, OFF)
    with pytest.raises(InputError, match="no such corpus"):
        run_study([Group("wrong", "Wrong", (Condition("wrong", (wrong,), (wrong,)),))], tmp_path, workers=1)


def test_the_command_lists_what_is_to_do_and_names_an_unknown_table(tmp_path: Path) -> None:
    listed = CliRunner().invoke(study, ["paper", "--out", str(tmp_path), "--list", "--only", "thresholds"])
    assert listed.exit_code == 0
    assert "thresholds" in listed.output
    assert "18 to do" in listed.output
    wrong = CliRunner().invoke(study, ["paper", "--out", str(tmp_path), "--only", "treshold"])
    assert isinstance(wrong.exception, InputError)
    assert "did you mean 'thresholds'" in str(wrong.exception)


def test_rows_are_plain_json(done: Path) -> None:
    for line in (done / "results.jsonl").read_text().splitlines():
        assert json.loads(line)["key"] in {SPARSE.key, DENSE.key}


def test_the_page_has_every_table_and_every_figure_that_lies_beside_it(done: Path) -> None:
    path = write_page([GROUP, *paper_study("small")], Results(done), "small")
    text = path.read_text(encoding="utf-8")
    assert "## Tiny" in text
    named = set(re.findall(r"\]\(([^)]+[.]svg)\)", text))
    assert named == {file.name for file in done.glob("*.svg")}

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from plain import plain_trace

from traces import DenseLayer, InputError, Layer, Trace, TraceWriter, statistics, synthetic_trace
from traces.cli import inspect
from traces.inspection import even_selection


def run(*arguments):
    result = CliRunner().invoke(inspect, [str(a) for a in arguments], catch_exceptions=False, env={"COLUMNS": "80"})
    assert result.exit_code == 0
    return result.stdout


def words(line):
    return line.split()


@pytest.fixture
def path(tmp_path):
    header = {
        "layers": [Layer("lstm0", "lstm", 9, 8, input_needs_gradient=False), Layer("gru1", "gru", 8, 3)],
        "dense_layers": [DenseLayer("classifier", 3, 65)],
        "batch_size": 2,
        "sequence_length": 4,
        "task": "char-lm",
        "corpus": {"name": "shakespeare", "sha256": "ab" * 32},
        "policy": {"kind": "fixed", "threshold": 1e-6},
        "optimizer": {"kind": "adam", "learning_rate": 0.002},
        "loss_normalisation": "mean over batch and time",
        "precision": "float32",
        "seed": 0,
    }
    rng = np.random.default_rng(0)
    with TraceWriter(tmp_path / "run.npz", header) as writer:
        for index in range(20):
            masks = {name: rng.random((4, 2, bits)) < 0.25 for name, bits in (("lstm0", 32), ("gru1", 9))}
            masks["lstm0"][:, :, 8:16] = False  # gate f is dead
            writer.add_step(
                index * 50,
                {
                    "lstm0": {"gate_gradient": masks["lstm0"], "input": rng.random((4, 2, 9)) < 0.5},
                    "gru1": {"gate_gradient": masks["gru1"], "hidden": np.zeros((4, 2, 3), np.bool_)},
                },
                loss=4 - index / 10,
                natural_zeros={"lstm0": {"saturated": 1200, "underflow": 3}, "gru1": {"saturated": 34}},
                weight_gradient_cosine={"lstm0": 0.99984, "gru1": 0.5},
            )
            writer.append_curve(step=index * 50, train_loss=4 - index / 10)
    return tmp_path / "run.npz"


def test_json_is_one_object_that_agrees_with_the_masks(path):
    facts = json.loads(run(path, "--json"))
    with Trace(path) as trace:
        rows = statistics.trace_rows(trace)
        assert facts["sha256"] == trace.sha256
        assert facts["layers"] == [layer.to_dict() for layer in trace.layers]
        density = statistics.density(trace.step(50).layers["lstm0"].input)
    assert facts["sparsity"] == rows
    assert facts["total"] == statistics.total(rows)
    assert [step["step"] for step in facts["steps"]] == list(range(0, 1000, 50))
    assert facts["steps"][1]["loss"] == 3.9
    assert facts["steps"][1]["sparsity"] == statistics.total(r for r in rows if r["step"] == 50)["sparsity"]
    assert {"step": 50, "layer": "lstm0", "tensor": "input", "density": density} in facts["masks"]
    assert {"step": 50, "layer": "gru1", "tensor": "hidden", "density": 0.0} in facts["masks"]
    assert facts["policy"] == {"kind": "fixed", "threshold": 1e-6}
    assert len(facts["curve"]["step"]) == 20


def test_tables_fit_eighty_columns_without_colour(path):
    text = run(path)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text


def test_summary_names_the_run(path):
    text = run(path)
    for expected in (
        "char-lm",
        "shakespeare",
        "kind fixed, threshold 1e-06",
        "learning_rate 0.002",
        "float32",
    ):
        assert expected in text
    assert "mean over batch and time" in text
    with Trace(path) as trace:
        assert trace.sha256 in text


def test_tables_show_an_even_selection_of_steps_and_say_so(path):
    text = run(path)
    assert "12 of 20 steps, evenly chosen" in text
    section = text[text.index("lstm0: zeros") : text.index("gru1: zeros")]
    numbers = [int(words(line)[0]) for line in section.splitlines() if re.match(r" *\d+ +\d", line)]
    assert len(numbers) == 12
    assert (numbers[0], numbers[-1]) == (0, 950)


def test_sparsity_table_shows_gates_whole_columns_and_masks(path):
    text = run(path)
    with Trace(path) as trace:
        rows = statistics.step_rows(trace.step(0), trace.layers)
        density = statistics.density(trace.step(0).layers["lstm0"].input)
    section = text[text.index("lstm0: zeros") : text.index("gru1: zeros")]
    cells = next(words(line) for line in section.splitlines() if re.match(r" *0 +\d", line))
    gates = [f"{100 * row['sparsity']:.1f}" for row in rows[:4]]
    whole = f"{100 * sum(row['zero_columns'] for row in rows[:4]) / 4:.1f}"
    every = f"{100 * statistics.total(rows[:4])['sparsity']:.1f}"
    assert cells == ["0", *gates, every, whole, f"{100 * density:.1f}"]
    assert gates[1] == "100.0"


def test_steps_table_sums_natural_zeros_and_takes_the_least_cosine(path):
    section = run(path)
    section = section[section.index("Steps") : section.index("lstm0: zeros")]
    cells = next(words(line) for line in section.splitlines() if re.match(r" *0 +4", line))
    assert cells[:2] == ["0", "4"]
    assert cells[-1] == "0.5000"
    causes = section[section.index("Natural zeros") :]
    assert next(words(line) for line in causes.splitlines() if re.match(r" *0 ", line)) == ["0", "1,234", "3"]


def test_curve_shows_its_head_and_tail(path):
    section = run(path)
    section = section[section.index("Curve (20 points)") :]
    assert [words(line) for line in section.splitlines() if "." in line or re.match(r" *\d", line)] == [
        *([str(50 * i), f"{4 - i / 10:.4g}"] for i in range(4)),
        ["...", "..."],
        *([str(50 * i), f"{4 - i / 10:.4g}"] for i in range(16, 20)),
    ]


def test_a_short_trace_is_shown_whole_and_the_unknown_is_said_to_be(tmp_path):
    path = synthetic_trace(tmp_path / "x.npz", input_size=2, hidden_size=8, sequence_length=3, batch_size=2, steps=12)
    text = run(path)
    assert "evenly chosen" not in text
    assert "corpus      not stated" in text
    assert "Curve" not in text


def test_padded_steps_show_the_share_of_real_ones(tmp_path):
    path = synthetic_trace(
        tmp_path / "x.npz", input_size=2, hidden_size=8, sequence_length=4, batch_size=2, valid_steps=[4, 1]
    )
    text = run(path)
    assert "real time steps %" in " ".join(text.split())
    assert "62.5" in text
    assert json.loads(run(path, "--json"))["steps"][0]["valid_share"] == 0.625


def test_a_trace_without_steps_is_shown(tmp_path):
    path = synthetic_trace(tmp_path / "x.npz", input_size=2, hidden_size=8, sequence_length=4, batch_size=2, steps=0)
    assert "0 recorded" in run(path)
    assert json.loads(run(path, "--json"))["steps"] == []


def test_text_of_a_hostile_file_cannot_steer_the_terminal(tmp_path):
    header, members = plain_trace.small_trace()
    header["task"] = "\x1b[31mred [bold]markup[/bold]\r\n"
    header["steps"][0]["natural_zeros"] = {"lstm0": {"\x1b[2J": 3, "x": "y"}, "gru0": 5}
    header["curve"] = {"[red]": ["\x1b", None, {"a": 1}], "step": []}
    header["corpus"] = "x" * 500
    text = run(plain_trace.save(tmp_path / "run.npz", header, members))
    assert "\x1b" not in text
    assert "?[31mred [bold]markup[/bold]??" in text
    assert max(map(len, text.splitlines())) <= 80


def test_nearly_all_is_not_shown_as_all(tmp_path):
    sizes = {"input_size": 2, "hidden_size": 64, "sequence_length": 20, "batch_size": 4}
    text = run(synthetic_trace(tmp_path / "x.npz", **sizes, sparsity=0.9999))
    assert ">99.9 % of 20,480 gate gradients are zero" in " ".join(text.split())


@given(st.integers(0, 400), st.integers(2, 40))
def test_an_even_selection_is_ascending_and_keeps_both_ends(count, most):
    chosen = even_selection(count, most)
    assert len(chosen) == min(count, most)
    assert chosen == sorted(set(chosen))
    if count:
        assert (chosen[0], chosen[-1]) == (0, count - 1)
        gaps = [b - a for a, b in itertools.pairwise(chosen)]
        assert not gaps or max(gaps) - min(gaps) <= 1


def test_a_damaged_trace_is_refused_without_output(tmp_path, path):
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="truncated"):
        CliRunner().invoke(inspect, [str(path)], catch_exceptions=False)


def test_the_command_exits_with_2_and_one_line_for_a_missing_file(tmp_path):
    program = "import sys; from simulator.cli import main; sys.argv[0] = 'skipstone'; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "inspect", str(tmp_path / "x.npz"), "--json"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {tmp_path}/x.npz: found no such file")
    assert len(done.stderr.splitlines()) == 1


def test_policies_inside_of_policies_are_shown_in_brackets():
    from traces.inspection import phrase

    gates = [{"kind": "off"}, {"kind": "fixed", "threshold": 1e-6}]
    policy = {"kind": "warm_up", "policy": {"gates": gates, "kind": "by_gate"}, "steps": 2}
    shown = "kind warm_up, policy (gates (kind off) (kind fixed, threshold 1e-06), kind by_gate), steps 2"
    assert phrase(policy) == shown

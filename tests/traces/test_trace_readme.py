"""The worked example of the trace format's README runs, and prints what stands beside it."""

from __future__ import annotations

import re
from pathlib import Path

import traces
from traces.schema import GATE_ORDERS

README = (Path(traces.__file__).parent / "README.md").read_text(encoding="utf-8")


def test_the_example_runs_and_prints_what_the_readme_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (printed,) = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "traces/README.md", "exec"), names)
    assert capsys.readouterr().out == printed
    with traces.Trace("run.npz") as trace:
        assert trace.step(120).layers["lstm0"].values is not None


def test_the_default_gate_orders_are_those_of_the_code():
    stated = " ".join(README.split())
    orders = [f"`{' '.join(GATE_ORDERS[kind])}`" for kind in ("lstm", "gru", "rnn", "linear")]
    assert f"`gate_order` defaults to {orders[0]}, {orders[1]}, {orders[2]} and {orders[3]}." in stated

"""Replaying a recorded step against executing it in numpy, and one dh step against the fastest cycle-level peer."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.rows import Row, median_seconds
from simulator.arch import Architecture, load_arch
from simulator.engine import run
from simulator.mapping import PassCache, plan
from simulator.workload import Epilogue, OperandMask, Product, Structure, Workload, lower
from traces import Step, Trace
from traces.synthetic import synthetic_trace

PEER_DH_SECONDS = 12.0
"""CPU seconds of DNNsim's Bit-Tactical on the same dh step (design notes, performance.md; not run here)."""


def measure(hidden: int = 650, T: int = 35, B: int = 20, times: int = 9) -> list[Row]:
    """Measure all; smaller sizes only for a quick check that it works."""
    return [*_whole_step(hidden, T, B, times), _dh_step(hidden, times)]


class Replayed:
    """Replays recorded steps one after the other, as `simulate` does: what they have in common is kept."""

    def __init__(self, arch: Architecture, trace: Trace) -> None:
        self.arch, self.trace = arch, trace
        self._known: Structure | None = None

    def next(self, step: Step) -> int:
        """Replay a step that was read: lower, count, plan, walk; total cycles."""
        workload = lower(self.trace, step, self._known)
        self._known = workload.structure
        return run(plan(self.arch, workload, PassCache()), "compiled").total_cycles


def _whole_step(hidden: int, T: int, B: int, times: int) -> list[Row]:
    arch = load_arch("staged_window")
    sizes = {"layers": 2, "hidden_size": hidden, "input_size": hidden, "sequence_length": T, "batch_size": B}
    with (
        tempfile.TemporaryDirectory() as folder,
        Trace(synthetic_trace(Path(folder) / "t.npz", steps=times, **sizes)) as trace,
    ):
        # Each time another step, so that no result is known.
        steps = [trace.step(number) for number in trace.steps]
        replay, turn = Replayed(arch, trace), itertools.cycle(steps)
        ours = median_seconds(lambda: replay.next(next(turn)), times)
        first = median_seconds(lambda: Replayed(arch, trace).next(next(turn)), times)
        numbers = itertools.cycle(trace.steps)
        with_reading = median_seconds(lambda: replay.next(trace.step(next(numbers))), times)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((T * B, hidden), dtype=np.float32)
    W = rng.standard_normal((hidden, 4 * hidden), dtype=np.float32)
    dG = rng.standard_normal((T, B, 4 * hidden), dtype=np.float32)

    def executed() -> None:
        for _ in range(2):
            x @ W
            for t in range(T):
                x[:B] @ W
                dG[t] @ W.T
            whole = dG.reshape(T * B, -1)
            whole @ W.T
            whole.T @ x
            whole.T @ x

    work = f"2 x {hidden} LSTM, B {B}, T {T}, 80 % zeros, `staged_window`; rival: its products in numpy float32"
    rival = median_seconds(executed, times)
    return [
        Row("step", ours, rival, 50, 20, f"{work}; both from memory: from the step's masks to its times"),
        Row("step, the first of a trace", first, rival, None, None, f"{work}; its products are not known yet"),
        Row("step, with reading", with_reading, rival, 50, 20, f"{work}; ours from the compressed file"),
    ]


def _dh_step(hidden: int, times: int) -> Row:
    gates, rows = 4 * hidden, 128
    arch = load_arch("staged_window", ["array.rows=16", "array.columns=16"])
    mask = np.random.default_rng(1).random((rows, gates)) < 0.2
    operand = OperandMask(np.packbits(mask, axis=-1, bitorder="little"), gates, "rows", ("dG",))
    product = Product(
        "lstm0", "dh", "backward", None, rows, gates, hidden, operand, True, (), "lstm0.U'",
        Epilogue(store_operand_values=rows * hidden),
    )  # fmt: skip
    workload = Workload(0, (product,))
    ours = median_seconds(lambda: run(plan(arch, workload, PassCache()), "compiled"), times)
    note = f"dh of {rows} x {gates} x {hidden}, 80 % zeros, 256 MACs, memory system; rival: DNNsim, 12 CPU s as noted"
    return Row("dh", ours, PEER_DH_SECONDS, 1200, 240, note)

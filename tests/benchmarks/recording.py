"""What recording adds to a training step, and the numpy layers against ``torch.nn.LSTM``, in turns.

Turns, because a machine is seldom idle: ours, the rival's, and so on, so that noise meets both; told is the turn with
the median ratio. PyTorch is no dependency of ours; an interpreter that has it is named by the environment variable
SKIPSTONE_TORCH_PYTHON, and computes in a process of its own, only when asked to.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.rows import Row
from traces import corpora
from traces.char_lm import SAMPLED_STEPS, CharLMSettings, _CharLMRun
from traces.numpy_frontend.blas_threads import get_threads
from traces.numpy_frontend.language_model import Shape, initial_parameters
from traces.numpy_frontend.lstm import LSTMLayer, Weights
from traces.thresholds import Fixed
from traces.writer import TraceWriter

TORCH_PYTHON = "SKIPSTONE_TORCH_PYTHON"

SHAPES = ((3, 256, 100, 32), (2, 650, 35, 20))
"""Layers, cells of each, time steps T, batch B: the paper's, and Zaremba et al.'s medium model (arXiv 1409.2329)."""

SAME_INSTRUCTIONS = {"haswell": "AVX2", "zen": "AVX2", "sandybridge": "AVX"}
"""What oneDNN, which computes PyTorch's LSTM, must be held to where OPENBLAS_CORETYPE holds ours to older kernels.
Otherwise two instruction sets are compared: kernels for AVX-512 took half the time of those for AVX2."""

NEVER = 2**31 - 1
"""Record every so manyth step: none but the first, which is not measured."""


def measure(times: int = 9, shapes: Sequence[tuple[int, int, int, int]] = SHAPES) -> list[Row]:
    """Measure both for every shape; other shapes only for a quick check that it works."""
    rows = [_recording(*shape, 2 * times) for shape in shapes]
    python = os.environ.get(TORCH_PYTHON)
    if not python:
        print(f"numpy against torch.nn.LSTM is left out: {TORCH_PYTHON} names no interpreter (`make bench` sets it)")
        return rows
    return rows + [_layers(*shape, times, python) for shape in shapes]


def _recording(layers: int, hidden: int, T: int, B: int, times: int) -> Row:
    """Compare steps of one run: of four, the two in the middle are not recorded, so that both meet the same drifts."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "words.txt"
        corpus.write_text(_words(4 * (T * B + 1000)), encoding="utf-8")
        recorded = CharLMSettings(
            corpus=str(corpus), layers=layers, hidden=hidden, sequence=T, batch=B, record_every=1, eval_every=0
        )
        run = _CharLMRun(recorded, corpora.load(recorded.corpus))
        turns = []
        with TraceWriter(Path(folder) / "run.npz", run.header(), checkpoint_every_seconds=None) as writer:
            for turn in range(times + 1):
                spent = {True: 0.0, False: 0.0}
                for step in range(2 * SAMPLED_STEPS):  # one in so many, of those recorded, has all statistics
                    is_recorded = step % 4 in (0, 3)
                    run.settings = recorded if is_recorded else replace(recorded, record_every=NEVER)
                    spent[is_recorded] += _seconds(run.take_step, writer) / SAMPLED_STEPS
                writer.checkpoint()
                if turn:  # the first warms caches
                    turns.append((spent[True], spent[False]))
    note = f"training step of {layers} x {hidden} cells, T {T}, B {B}, every step recorded; rival: none recorded"
    return Row(f"recording {layers} x {hidden}", *_median_turn(turns), 1, 1 / 1.05, note)


def _layers(layers: int, hidden: int, T: int, B: int, times: int, python: str) -> Row:
    step = _numpy_step(layers, hidden, T, B)
    threads = get_threads() or 1
    environment, held = _torch_environment()
    arguments = [python, str(Path(__file__).with_name("torch_steps.py")), *map(str, (layers, hidden, T, B, threads))]
    turns = []
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        version = child.stdout.readline().strip()
        if not version:
            raise RuntimeError(f"{TORCH_PYTHON} is {python}, which cannot run {arguments[1]}")
        for turn in range(times + 1):
            spent = _seconds(step)
            child.stdin.write("step\n")
            child.stdin.flush()
            answer = child.stdout.readline()
            if turn:  # the first warms caches
                turns.append((spent, float(answer)))
        child.stdin.close()
    note = (
        f"forward and backward of {layers} x {hidden} cells, T {T}, B {B}, threshold 1e-6, dx of the first layer too, "
        f"{threads} thread(s); rival: torch.nn.LSTM, {version}{held}"
    )
    return Row(f"lstm {layers} x {hidden}", *_median_turn(turns), 1, 1 / 1.5, note)


def _median_turn(turns: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return ours and the rival's of the turn whose ratio is the median one (of two, the worse)."""
    return sorted(turns, key=lambda turn: turn[1] / turn[0])[(len(turns) - 1) // 2]


def _numpy_step(layers: int, hidden: int, T: int, B: int) -> Callable[[], object]:
    # A stack above an embedding of its own size: the vocabulary stands for the input, which is dense here.
    parameters = initial_parameters(Shape(hidden, hidden, layers), seed=0)
    values, gradients = parameters.values, parameters.gradients
    stack = [
        LSTMLayer(
            Weights(*(values[f"lstm{k}.{part}"] for part in "WUb")),
            Weights(*(gradients[f"lstm{k}.{part}"] for part in "WUb")),
            T,
            B,
        )
        for k in range(layers)
    ]
    generator = np.random.default_rng(0)
    x, d_hidden = (generator.standard_normal((hidden, T, B), dtype=np.float32) for _ in range(2))
    zeros = np.zeros((hidden, B), np.float32)
    policy = Fixed(1e-6)

    def step() -> None:
        y, gradient = x, d_hidden
        for layer in stack:
            y, _ = layer.forward(y, (zeros, zeros))
        for layer in reversed(stack):
            gradient = layer.backward(gradient, policy)

    return step


def _torch_environment() -> tuple[dict[str, str], str]:
    """Return the environment of PyTorch's process, and what the note must say of it."""
    environment = dict(os.environ)
    kernels = environment.get("OPENBLAS_CORETYPE", "")
    instructions = SAME_INSTRUCTIONS.get(kernels.lower())
    if instructions is None:
        return environment, ""
    instructions = environment.setdefault("ONEDNN_MAX_CPU_ISA", instructions)
    return environment, f", held to {instructions} as OPENBLAS_CORETYPE={kernels} holds numpy"


def _words(characters: int) -> str:
    generator = np.random.default_rng(0)
    words = ["".join(map(chr, 97 + generator.integers(0, 26, length))) for length in generator.integers(2, 9, 300)]
    chosen = np.minimum(generator.geometric(0.02, characters // 2), len(words)) - 1
    return " ".join(words[k] for k in chosen.tolist())


def _seconds(call: Callable[..., object], *arguments: object) -> float:
    begin = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - begin

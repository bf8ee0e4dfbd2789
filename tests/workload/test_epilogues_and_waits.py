"""What the vector unit and DRAM do for each product, and what each waits for, against tables written by hand.

The values are those of MODEL.md ("Per value of output"), with the rows of each time step.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simulator.workload import lower
from simulator.workload.product import VALUES, After, Product
from traces import Trace, synthetic_trace
from traces.trace import DenseLayer, Layer

T, B, D, H = 4, 3, 5, 7
VALID = [4, 2, 1]
ROWS = [3, 2, 1, 1]  # of each time step
TOKENS = 7
GATES = {"lstm": 4, "gru": 3, "rnn": 1}
SAVED = {"lstm": ("h", "c"), "gru": ("h",), "rnn": ()}  # an rnn's gate is its h


def lowered(path: Path, **options: object) -> tuple[Product, ...]:
    usual = {"sequence_length": T, "batch_size": B, "sparsity": 0.7, "valid_steps": VALID}
    with Trace(synthetic_trace(path / "t.npz", **{**usual, **options})) as trace:
        return lower(trace, trace.step(trace.steps[0])).products


def values(product: Product) -> dict[str, int]:
    told = {name: getattr(product.epilogue, name) for name in VALUES}
    return {name: value for name, value in told.items() if value}


@pytest.mark.parametrize("kind", GATES)
def test_epilogues_of_a_recurrent_layer_are_those_of_the_model(tmp_path, kind):
    products = lowered(tmp_path, layers=[Layer("l", kind, D, H)])
    gates = GATES[kind]
    kept = gates + len(SAVED[kind])

    def forward(t):
        m = ROWS[t] * H
        return {
            "load_accumulator_values": m * gates,
            "gate_forward_values": m * gates,
            "store_operand_values": m * kept,
        }

    def gradient(t):
        return {"load_operand_values": ROWS[t] * H * (kept + 1), "gate_backward_values": ROWS[t] * H * gates}

    assert [(p.name, p.time, values(p)) for p in products] == [
        ("gates_x", None, {"store_accumulator_values": TOKENS * gates * H}),
        *[("gates_h", t, forward(t)) for t in range(T)],
        ("gates_backward", 3, gradient(3)),
        ("dh", 3, gradient(2)),
        ("dh", 2, gradient(1)),
        ("dh", 1, gradient(0)),
        ("dh", 0, {}),
        ("dx", None, {"store_operand_values": TOKENS * D}),
        ("dW", None, {"store_accumulator_values": gates * H * D}),
        ("dU", None, {"store_accumulator_values": gates * H * H}),
    ]
    stored = [p.epilogue.store_skip for p in products if p.epilogue.store_skip is not None]
    assert [mask.shape for mask in stored] == [(ROWS[t], gates * H) for t in (3, 2, 1, 0)]


def test_epilogues_of_linear_and_dense_layers_are_those_of_the_model(tmp_path):
    dense = [DenseLayer("classifier", H, 11), DenseLayer("head", 9, 2, per="sequence")]
    products = lowered(tmp_path, layers=[Layer("l", "linear", D, H)], dense_layers=dense)
    store, add = "store_operand_values", "store_accumulator_values"
    made = {"load_operand_values": TOKENS * H * 2, "gate_backward_values": TOKENS * H}
    assert [(p.layer, p.name, p.phase, p.recorded, values(p)) for p in products] == [
        ("l", "y", "forward", True, {store: TOKENS * H}),
        ("classifier", "y", "forward", False, {store: TOKENS * 11}),
        ("head", "y", "forward", False, {store: B * 2}),
        ("head", "dx", "backward", False, {store: B * 9}),
        ("head", "dW", "backward", False, {add: 2 * 9}),
        ("classifier", "dx", "backward", False, {store: TOKENS * H}),
        ("classifier", "dW", "backward", False, {add: 11 * H}),
        ("l", "gates_backward", "backward", True, made),
        ("l", "dx", "backward", True, {store: TOKENS * D}),
        ("l", "dW", "backward", True, {add: H * D}),
    ]


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_products_of_two_layers_and_a_classifier_wait_for_what_they_read(tmp_path, direction):
    layers = [Layer("low", "lstm", D, H), Layer("high", "lstm", H, H, direction=direction)]
    products = lowered(tmp_path, layers=layers, dense_layers=[DenseLayer("classifier", H, 11)])
    starts = np.cumsum([0, *ROWS]).tolist()
    rows = [(starts[t], starts[t + 1]) for t in range(T)]
    order = list(range(T)) if direction == "forward" else list(range(T))[::-1]
    back = order[::-1]
    expected: list[tuple[str, str, int | None, list[After], list[int] | None]] = []
    made: list[int] | None = None

    def each_token(makers: dict[int, int]) -> list[int]:
        return [makers[t] for t in range(T) for _ in range(ROWS[t])]

    def forward(layer, times, awaited, made):
        first = len(expected)
        expected.append((layer, "gates_x", None, awaited, made))
        for i, t in enumerate(times):
            chain = [After(first + i, True)] if i else []
            expected.append((layer, "gates_h", t, [*chain, After(first, False, rows[t])], None))
        return [After(first + T, False)], each_token({t: first + 1 + i for i, t in enumerate(times)})

    def backward(layer, times, above):
        first = len(expected)
        expected.append((layer, "gates_backward", times[0], [After(above, False, rows[times[0]])], None))
        for i, t in enumerate(times):
            needed = [After(above, False, rows[times[i + 1]])] if i + 1 < T else []
            expected.append((layer, "dh", t, [After(first + i, True), *needed], None))
        last = [After(first + T - 1, False)]
        expected.append((layer, "dx", None, last, each_token({t: first + i for i, t in enumerate(times)})))
        expected.extend([(layer, "dW", None, last, None), (layer, "dU", None, last, None)])
        return len(expected) - 3

    awaited, made = forward("low", list(range(T)), [], None)
    awaited, made = forward("high", order, awaited, made)
    expected.append(("classifier", "y", None, awaited, made))
    output = len(expected) - 1
    expected.append(("classifier", "dx", None, [After(output, False)], None))
    expected.append(("classifier", "dW", None, [After(output, False)], None))
    above = backward("high", back, output + 1)
    backward("low", list(range(T))[::-1], above)
    for p, (layer, name, time, after, made_by) in zip(products, expected, strict=True):
        assert (p.layer, p.name, p.time, list(p.after)) == (layer, name, time, after)
        assert (None if p.made_by is None else p.made_by.tolist()) == made_by, (layer, name)


def test_shared_operands_are_named_by_layer_and_letter(tmp_path):
    products = lowered(tmp_path, layers=[Layer("l", "lstm", D, H)], dense_layers=[DenseLayer("c", H, 3)])
    named = {(p.layer, p.name): p.shared_operand for p in products}
    assert named == {
        ("l", "gates_x"): "l.W",
        ("l", "gates_h"): "l.U",
        ("c", "y"): "c.W",
        ("c", "dx"): "c.W'",
        ("c", "dW"): "c.x",
        ("l", "gates_backward"): "l.",
        ("l", "dh"): "l.U'",
        ("l", "dx"): "l.W'",
        ("l", "dW"): "l.x",
        ("l", "dU"): "l.h",
    }

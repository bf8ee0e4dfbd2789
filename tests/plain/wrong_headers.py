"""Headers of a trace with one thing wrong each, and what the message says of it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from plain import plain_trace

HEADER, _ = plain_trace.small_trace()


def changed(**changes: Any) -> dict[str, Any]:
    """Replace keys of the header."""
    return HEADER | changes


def layer(index: int, **changes: Any) -> dict[str, Any]:
    """Replace keys of one layer."""
    header = deepcopy(HEADER)
    header["layers"][index].update(changes)
    return header


def entry(index: int, **changes: Any) -> dict[str, Any]:
    """Replace keys of one step's entry."""
    header = deepcopy(HEADER)
    header["steps"][index].update(changes)
    return header


WRONG_HEADERS = [
    (changed(format="something"), "'something'"),
    (changed(batch_size=True), "batch_size: found True"),
    (changed(batch_size=0), "batch_size: found 0"),
    (changed(batch_size=-3), "found -3"),
    (changed(batch_size=3.0), "found 3.0"),
    (changed(batch_size="3"), "found '3'"),
    (changed(sequence_length=2**31), "sequence_length"),
    (changed(layers={}), "layers: found an object; expected a list"),
    (changed(layers=[]), "at least one layer"),
    (changed(layers=[3]), "layers[0]: found a number"),
    (changed(dense_layers=None), "dense_layers: found null"),
    (changed(dense_layers=[{"name": "d", "input_size": 1}]), "dense_layers[0].output_size"),
    (changed(dense_layers=[{"name": "d", "input_size": 1, "output_size": 1, "per": "word"}]), "'word'"),
    (changed(dense_layers=[{"name": "top", "input_size": 1, "output_size": 1}]), "'top' a second time"),
    (changed(steps=None), "steps: found null"),
    (changed(steps=[3]), "steps[0]: found a number"),
    (changed(steps=[{}]), "steps[0].step: found nothing"),
    (changed(policy="fixed"), "policy: found a string"),
    (changed(curve=[1]), "curve: found a list"),
    (changed(curve={"step": 3}), "curve.step: found a number"),
    (changed(training=[200]), "training: found a list"),
    (changed(training={"total_steps": 0}), "training.total_steps: found 0"),
    (changed(training={"total_steps": True}), "training.total_steps: found True"),
    (changed(training={"total_steps": 2000.0}), "training.total_steps: found 2000.0"),
    (changed(training={"steps_per_epoch": "61"}), "training.steps_per_epoch: found '61'"),
    (entry(1, layer_valid_steps=[4, 2, 0]), "layer_valid_steps: found a list"),
    (entry(1, layer_valid_steps={"lstm0": [4, 2]}), "layer_valid_steps.lstm0: found a list of 2"),
    (entry(1, layer_valid_steps={"top": [4, 5, 0]}), "layer_valid_steps.top[1]: found 5"),
    (entry(1, layer_valid_steps={"lstmO": [4, 2, 0]}), "did you mean 'lstm0'?"),
    (layer(0, kind="lstmm"), "did you mean 'lstm'?"),
    (layer(0, kind=["lstm"]), "kind"),
    (layer(0, kind="linear", gate_order=["i", "f", "o", "g"]), "1 different names"),
    (layer(0, gate_order=["i", "f", "o"]), "4 different names"),
    (layer(0, gate_order=["i", "f", "o", "o"]), "4 different names"),
    (layer(0, gate_order="ifog"), "4 different names"),
    (layer(0, name="gru0"), "'gru0' a second time"),
    (layer(0, name=""), "a name of 1 to 200"),
    (layer(0, name="a/b"), "without slashes"),
    (layer(0, name="\x1b[31m"), "printable"),
    (layer(0, name=7), "found 7"),
    (layer(0, hidden_size=False), "hidden_size: found False"),
    (layer(0, input_size=-1), "input_size: found -1"),
    (layer(0, direction="sideways"), "'sideways'"),
    (layer(0, direction=["forward"]), "one of forward, backward"),
    (layer(0, input_needs_gradient=1), "true or false"),
    (entry(1, step=3), "step 3 a second time"),
    (entry(1, step=-1), "found -1"),
    (entry(1, step=True), "found True"),
    (entry(1, loss="low"), "loss: found a string"),
    (entry(1, sparsity=[0.5]), "sparsity: found a list"),
    (entry(0, valid_steps=[4, 2]), "a list of 2"),
    (entry(0, valid_steps=[4, 2, 5]), "valid_steps[2]: found 5"),
    (entry(0, valid_steps=[4, 2, -1]), "valid_steps[2]: found -1"),
    (entry(0, valid_steps=[4, 2, True]), "valid_steps[2]: found True"),
    (entry(0, valid_steps=3), "valid_steps: found a number"),
]

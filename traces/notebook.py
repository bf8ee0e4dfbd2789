"""A trace as a notebook shows it: what was trained, its layers, and how sparse its steps are."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from traces import statistics
from traces.html_tables import pairs, side_by_side, table
from traces.inspection import SHOWN_STEPS, even_selection, percent, phrase
from traces.printable import printable

if TYPE_CHECKING:
    from traces.trace import Trace

_FACTS = ("task", "policy", "optimizer", "precision", "loss_normalisation")
_LONGEST = 200


def to_html(trace: Trace) -> str:
    """Lay a trace out as an HTML fragment without scripts; every text in it is escaped.

    Returns
    -------
    str
        One ``<div>``: the run, its layers, and the zeros of at most `SHOWN_STEPS` recorded steps by layer. Of a trace
        that was closed, whose masks cannot be read, the last part is missing.
    """
    facts = [(name.replace("_", " "), trace.header.get(name)) for name in _FACTS]
    lines = [
        ("shape", f"{trace.sequence_length} time steps x batch of {trace.batch_size}"),
        ("steps", f"{len(trace)} recorded" + (f", {trace.steps[0]:,} to {trace.steps[-1]:,}" if trace.steps else "")),
        *((name, _short(phrase(value))) for name, value in facts if value is not None),
    ]
    steps = "" if trace.closed else _steps(trace)
    return (
        f'<div class="skipstone-trace"><h4>{escape(printable(trace.path.name))}</h4>{pairs(lines)}'
        f"{side_by_side(_layers(trace), steps)}</div>"
    )


def _layers(trace: Trace) -> str:
    rows: list[tuple[str, int, list[str]]] = [
        (layer.name, 1, [layer.kind, f"{layer.input_size:,}", f"{layer.hidden_size:,}", " ".join(layer.gate_order)])
        for layer in trace.layers
    ]
    for dense in trace.dense_layers:
        shape = [f"{dense.input_size:,}", f"{dense.output_size:,}"]
        rows.append((dense.name, 1, ["dense, no mask", *shape, f"once per {dense.per}"]))
    return table("Layers", ["kind", "inputs", "units", "gates"], rows, texts=True)


def _steps(trace: Trace) -> str:
    chosen = [trace.steps[index] for index in even_selection(len(trace), SHOWN_STEPS)]
    rows: list[tuple[str, int, list[str]]] = []
    for number in chosen:
        measured = statistics.step_rows(trace.step(number), trace.layers)
        of_layers = [[row for row in measured if row["layer"] == layer.name] for layer in trace.layers]
        cells = [percent(statistics.total(part)["sparsity"]) for part in [measured, *of_layers]]
        rows.append((f"step {number:,}", 1, cells))
    shown = "" if len(chosen) == len(trace) else f" ({len(chosen)} of {len(trace):,} steps)"
    return table(f"Zeros in dG, %{shown}", ["all", *(layer.name for layer in trace.layers)], rows)


def _short(text: Any) -> str:
    said = printable(str(text))
    return said if len(said) <= _LONGEST else said[: _LONGEST - 3] + "..."

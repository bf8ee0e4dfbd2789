"""What `skipstone inspect` says about a trace: gathered as one plain object, shown as tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from traces import statistics
from traces.bitmask import BitMask
from traces.printable import printable
from traces.trace import Step, Trace

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SCHEMA_VERSION = 1
SHOWN_STEPS = 12
"""Tables show at most so many steps, evenly chosen; the object that `gather` returns holds all of them."""
_SHOWN_POINTS = 4  # of the curve, at either end
_SUMMARY_KEYS = (
    "task",
    "corpus",
    "policy",
    "optimizer",
    "precision",
    "loss_normalisation",
    "seed",
    "training",
    "created_by",
)


def gather(trace: Trace, progress: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """Read a whole trace, one step at a time, and say what it holds.

    Parameters
    ----------
    trace : Trace
    progress : callable, optional
        Called with (steps read, all of them).

    Returns
    -------
    dict
        Plain JSON values: ``schema_version``, ``path``, ``sha256``, ``bytes``; the header's ``version``,
        ``batch_size``, ``sequence_length``, ``layers``, ``dense_layers``, ``curve`` and the facts of the run
        (null where unknown); ``steps`` (the header's entry of each step with the measured ``zeros``,
        ``elements`` and ``sparsity``, and ``valid_share``, the share of real time steps, the mean of all layers);
        ``sparsity`` (the rows of `traces.statistics.layer_rows`); ``masks`` (``density`` by step, layer and tensor);
        and ``total``, the sum over all steps.
    """
    steps: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    masks: list[dict[str, Any]] = []
    for step in trace:
        if progress is not None:
            progress(len(steps), len(trace))
        measured = statistics.step_rows(step, trace.layers)
        rows += measured
        masks += _mask_rows(step)
        time_steps = trace.batch_size * trace.sequence_length
        valid = [step.valid_steps_of(layer.name) for layer in trace.layers]
        shares = [1.0 if real is None else int(real.sum()) / time_steps for real in valid]
        noted = {
            key: value
            for key, value in step.info.items()
            if key not in ("valid_steps", "layer_valid_steps", "sparsity")
        }
        steps.append({**noted, **statistics.total(measured), "valid_share": sum(shares) / len(shares)})
    return {
        "schema_version": SCHEMA_VERSION,
        "path": str(trace.path),
        "sha256": trace.sha256,
        "bytes": trace.path.stat().st_size,
        "version": trace.header["version"],
        **{key: trace.header.get(key) for key in _SUMMARY_KEYS},
        "batch_size": trace.batch_size,
        "sequence_length": trace.sequence_length,
        "layers": [layer.to_dict() for layer in trace.layers],
        "dense_layers": [layer.to_dict() for layer in trace.dense_layers],
        "steps": steps,
        "sparsity": rows,
        "masks": masks,
        "total": statistics.total(rows),
        "curve": trace.curve,
    }


def even_selection(count: int, most: int) -> list[int]:
    """Choose at most `most` of the indices 0 to count - 1, evenly, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return [index * (count - 1) // (most - 1) for index in range(most)]


def show(facts: Mapping[str, Any], console: Console) -> None:
    """Print what `gather` returned as tables."""
    _show_summary(facts, console)
    _show_layers(facts, console)
    chosen = [facts["steps"][index] for index in even_selection(len(facts["steps"]), SHOWN_STEPS)]
    if chosen:
        if len(chosen) < len(facts["steps"]):
            console.print(f"Shown below: {len(chosen)} of {len(facts['steps'])} steps, evenly chosen.\n")
        _show_steps(chosen, console)
        for layer in facts["layers"]:
            _show_sparsity(facts, layer, {step["step"] for step in chosen}, console)
    total = facts["total"]
    console.print(
        f"All {len(facts['steps'])} steps and all layers, weighted by elements: "
        f"{percent(total['sparsity'])} % of {total['elements']:,} gate gradients are zero.\n"
    )
    if facts["curve"]:
        _show_curve(facts["curve"], console)


def _mask_rows(step: Step) -> list[dict[str, Any]]:
    return [
        {
            "step": step.number,
            "layer": name,
            "tensor": tensor,
            "density": statistics.density(mask, step.valid_steps_of(name)),
        }
        for name, record in step.layers.items()
        for tensor, mask in record.tensors.items()
        if isinstance(mask, BitMask)
    ]


def _show_summary(facts: Mapping[str, Any], console: Console) -> None:
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    numbers = [step["step"] for step in facts["steps"]]
    span = f", {numbers[0]} to {numbers[-1]}" if numbers else ""
    lines = {
        "trace": facts["path"],
        "size": f"{facts['bytes']:,} bytes, format version {facts['version']}",
        "sha256": facts["sha256"],
        **{_LABELS.get(key, key): facts[key] for key in _SUMMARY_KEYS},
        "shape": f"{facts['sequence_length']} time steps x batch of {facts['batch_size']}",
        "steps": f"{len(numbers)} recorded{span}",
    }
    for label, value in lines.items():
        grid.add_row(label, _cell(phrase(value), console))
    console.print(grid)
    console.print()


_LABELS = {"loss_normalisation": "loss", "created_by": "created by"}


def _show_layers(facts: Mapping[str, Any], console: Console) -> None:
    table = _table("Layers", console)
    for name in ("layer", "kind"):
        table.add_column(name, overflow="fold")
    for name in ("input", "hidden"):
        table.add_column(name, justify="right")
    for name in ("gates", "direction", "dx"):
        table.add_column(name, overflow="fold")
    for layer in facts["layers"]:
        needed = "needed" if layer["input_needs_gradient"] else "not needed"
        cells = [layer["name"], layer["kind"], layer["input_size"], layer["hidden_size"]]
        cells += [" ".join(layer["gate_order"]), layer["direction"], needed]
        table.add_row(*(_cell(str(cell), console) for cell in cells))
    for layer in facts["dense_layers"]:
        cells = [layer["name"], "dense", layer["input_size"], layer["output_size"]]
        cells += [f"no mask, once per {layer['per']}", "", ""]
        table.add_row(*(_cell(str(cell), console) for cell in cells))
    console.print(table)


def _show_steps(steps: Sequence[Mapping[str, Any]], console: Console) -> None:
    numbers = {"step": [str(step["step"]) for step in steps]}
    _show_columns(
        "Steps",
        {
            **numbers,
            "loss": [_number(step.get("loss")) for step in steps],
            "zeros %": [percent(step["sparsity"]) for step in steps],
            "real time steps %": [percent(step["valid_share"]) for step in steps],
            "least cosine of dW": [_least(step.get("weight_gradient_cosine")) for step in steps],
        },
        console,
    )
    causes = [_natural_zeros(step.get("natural_zeros")) for step in steps]
    if names := _keys(causes):
        by_cause = {name: [_count(step.get(name)) for step in causes] for name in names}
        _show_columns("Natural zeros, by cause", {**numbers, **by_cause}, console)


def _show_columns(title: str, columns: Mapping[str, Sequence[str]], console: Console) -> None:
    table = _table(title, console)
    # A column of which nothing was recorded says nothing, nor does one where all time steps are real.
    shown = [name for name, cells in columns.items() if set(cells) not in ({"-"}, {"100.0"}) or name == "zeros %"]
    for name in shown:
        table.add_column(_cell(name.replace("_", " "), console), justify="right", overflow="fold")
    for row in zip(*(columns[name] for name in shown), strict=True):
        table.add_row(*(_cell(cell, console) for cell in row))
    console.print(table)


def _show_sparsity(facts: Mapping[str, Any], layer: Mapping[str, Any], numbers: set[int], console: Console) -> None:
    table = _table(f"{layer['name']}: zeros in the gate gradient, %", console)
    rows: dict[int, list[dict[str, Any]]] = {}
    for row in facts["sparsity"]:
        if row["layer"] == layer["name"] and row["step"] in numbers:
            rows.setdefault(row["step"], []).append(row)
    masks = {(row["step"], row["tensor"]): row["density"] for row in facts["masks"] if row["layer"] == layer["name"]}
    others = [t for t in ("input", "hidden", "gate_gradient_hidden") if any(key[1] == t for key in masks)]
    labels = {"gate_gradient_hidden": "hidden-side dG ones"}
    names = ["step", *layer["gate_order"], "all", "whole columns"]
    for name in [*names, *(labels.get(tensor, f"{tensor} ones") for tensor in others)]:
        table.add_column(_cell(name, console), justify="right", overflow="fold")
    for number, gates in rows.items():
        columns = sum(row["zero_columns"] for row in gates) / len(gates)
        cells = [str(number), *(percent(row["sparsity"]) for row in gates)]
        cells += [percent(statistics.total(gates)["sparsity"]), percent(columns)]
        for tensor in others:
            cells.append(percent(masks[number, tensor]) if (number, tensor) in masks else "-")
        table.add_row(*cells)
    console.print(table)


def _show_curve(curve: Mapping[str, Sequence[Any]], console: Console) -> None:
    names = sorted(curve, key=lambda name: (name != "step", name))
    length = max(map(len, curve.values()))
    table = _table(f"Curve ({length} points)", console)
    for name in names:
        table.add_column(_cell(name, console), justify="right", overflow="fold")
    for point in range(length):
        if length > 2 * _SHOWN_POINTS and _SHOWN_POINTS <= point < length - _SHOWN_POINTS:
            if point == _SHOWN_POINTS:
                table.add_row(*("..." for _ in names))
            continue
        values = (curve[name][point] if point < len(curve[name]) else None for name in names)
        table.add_row(*(_cell(_number(value), console) for value in values))
    console.print(table)


def _table(title: str, console: Console) -> Table:
    from rich import box
    from rich.table import Table

    return Table(
        title=_cell(title, console),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )


def _cell(text: str, console: Console) -> Any:
    """Make text of a file harmless: no markup, no control characters, nothing the terminal cannot encode."""
    from rich.text import Text

    return Text(printable(text).encode(console.encoding, "replace").decode(console.encoding))


def phrase(value: Any) -> str:
    """Say a value of a header in a line."""
    if value is None:
        return "not stated"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_part(item)}" for key, item in value.items())
    if isinstance(value, list):
        return " ".join(map(_part, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _part(value: Any) -> str:
    return f"({phrase(value)})" if isinstance(value, Mapping) else phrase(value)


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def percent(share: float) -> str:
    """Say a share in per cent, without the sign."""
    # Rounding must not make "all" of "nearly all", nor "none" of "hardly any".
    text = f"{100 * share:.1f}"
    if text == "100.0" and share < 1.0:
        return ">99.9"
    return "<0.1" if text == "0.0" and share > 0.0 else text


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _keys(mappings: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for mapping in mappings for key in mapping))


def _natural_zeros(noted: Any) -> dict[str, int]:
    """Sum the natural zeros of all layers by cause."""
    causes: dict[str, int] = {}
    for counts in noted.values() if isinstance(noted, Mapping) else ():
        for cause, count in counts.items() if isinstance(counts, Mapping) else ():
            if isinstance(count, (int, float)):
                causes[cause] = causes.get(cause, 0) + int(count)
    return causes


def _least(noted: Any) -> str:
    numbers = noted.values() if isinstance(noted, Mapping) else ()
    cosines = [number for number in numbers if isinstance(number, (int, float))]
    return f"{min(cosines):.4f}" if cosines else "-"

"""What `skipstone record` says of a trained application: figures, sparsity, the trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from traces.trace import Trace

if TYPE_CHECKING:
    from traces.torch_frontend.training import Training

REASONS = {
    "steps": "all steps were taken",
    "patience": "validation no longer improved",
    "signal": "interrupted",
}


def report(training: Training, token: str) -> str:
    """Write what came of a training: why it ended, losses, figures of merit, sparsity by layer and gate.

    Sparsity is the mean over the recorded steps, without the first: that one saw an untrained model.
    """
    lines = [f"trained {training.step} steps: {REASONS[training.stopped]}"]
    if training.curve["step"]:
        lines.append(f"training loss: {training.curve['train_loss'][-1]:.4f} nats per {token}")
    figures = dict(training.final)
    if figures:
        lines += ["", f"figures of the weights of step {figures.pop('step')}"]
        told = {_name(key, token): _value(value) for key, value in figures.items()}
        width = max(map(len, told), default=0)
        lines += [f"  {name.ljust(width)}  {value}" for name, value in told.items()]
    if training.path is None or not training.path.is_file():
        return "\n".join(lines)
    with Trace(training.path) as trace:
        entries, sha256 = trace.header["steps"], trace.sha256
        gates = {layer.name: layer.gate_order for layer in trace.layers}
    lines += ["", *_sparsity(entries, gates)]
    lines += ["", f"{training.path}  {training.path.stat().st_size:,} bytes", f"sha256 {sha256}"]
    return "\n".join(lines)


def _name(key: str, token: str) -> str:
    words = key.replace("_", " ").replace("valid ", "validation ").replace("bleu", "BLEU")
    return f"{words} (nats per {token})" if words.endswith("loss") else words


def _value(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _sparsity(entries: list[dict[str, Any]], gates: dict[str, tuple[str, ...]]) -> list[str]:
    """Table the mean share of zeros by layer; layers of different kinds have different gates."""
    told = [entry for entry in entries if entry.get("sparsity")]
    told = [entry for entry in told if entry["step"] > 1] or told
    if not told:
        return ["no step was recorded"]
    width = max(map(len, gates))
    lines = [f"zeros in the gate gradients, mean over {len(told)} recorded steps"]
    for layer, order in gates.items():
        # A step in which a layer did not run says nothing of it.
        shares = [entry["sparsity"][layer] for entry in told if layer in entry["sparsity"]]
        if shares:
            means = {gate: sum(share[gate] for share in shares) / len(shares) for gate in order}
            cells = "".join(f"  {gate} {mean:6.1%}" for gate, mean in means.items())
            lines.append(f"{layer.ljust(width)}{cells}  all {sum(means.values()) / len(means):6.1%}")
    return lines

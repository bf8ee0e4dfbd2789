"""What `skipstone record` says: progress on stderr, a report at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import click

from traces.schema import GATE_ORDERS

if TYPE_CHECKING:
    from traces.char_lm import Recording
    from traces.progress import Progress

PLAIN_LINE_EVERY_SECONDS = 10.0


class Observer(Protocol):
    """Is told of every step."""

    def __call__(self, progress: Progress) -> None:
        """Take note of a step."""


@contextmanager
def show_progress(quiet: bool) -> Iterator[Observer | None]:
    """Show progress on stderr: a moving line on a terminal, a plain line now and then elsewhere."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _live_line() as observer:
            yield observer
    else:
        yield PlainLines()


class Pace:
    """Steps per second and the time left, from the steps that this process has taken after its first."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._first = 0

    def describe(self, progress: Progress) -> str:
        """Write a progress as one line: step, loss, sparsity, speed, time left."""
        parts = [f"step {progress.step}/{progress.steps}", f"loss {progress.loss:.4f}"]
        if progress.valid_loss is not None:
            parts.append(f"valid {progress.valid_loss:.4f}")
        if progress.sparsity is not None:
            parts.append(f"sparsity {progress.sparsity:.1%}")
        if self._start is None:
            self._start, self._first = time.monotonic(), progress.step
            return "  ".join(parts)
        rate = (progress.step - self._first) / max(time.monotonic() - self._start, 1e-9)
        left = int((progress.steps - progress.step) / rate)
        speed = f"{rate:.1f} steps/s" if rate >= 1 else f"{1 / rate:.1f} s/step"
        return "  ".join([*parts, speed, f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"])


class PlainLines:
    """Writes a line for the first step, the last, and every ten seconds between."""

    def __init__(self) -> None:
        self._pace = Pace()
        self._due = 0.0

    def __call__(self, progress: Progress) -> None:
        """Write a line if one is due."""
        line = self._pace.describe(progress)
        if time.monotonic() >= self._due or progress.step == progress.steps:
            click.echo(line, err=True)
            self._due = time.monotonic() + PLAIN_LINE_EVERY_SECONDS


@contextmanager
def _live_line() -> Iterator[Observer]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    pace = Pace()
    with Bar(
        BarColumn(bar_width=20),
        TextColumn("{task.description}"),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("")

        def observe(progress: Progress) -> None:
            description = pace.describe(progress)
            bar.update(task, completed=progress.step, total=progress.steps, description=description)

        yield observe


def report(recording: Recording) -> str:
    """Write what was recorded: losses, sparsity by layer and gate, size and digest.

    Sparsity is the mean over the recorded steps, without the first: that one saw an untrained model.
    """
    header, steps = recording.header, recording.header["steps"]
    lines = [f"trained {recording.step} steps, recorded {len(steps)}"]
    if steps:
        last = steps[-1]
        lines.append(f"training loss at step {last['step']}: {last['loss']:.4f} nats per character")
    final = header.get("final")
    if final is not None and final["step"] == recording.step:
        for name, text in (("valid", "validation"), ("test", "test")):
            loss, bits = final[f"{name}_loss"], final[f"{name}_bits_per_character"]
            lines.append(f"{text} loss: {loss:.4f} nats, {bits:.4f} bits per character")
    trained = [entry for entry in steps if entry["step"] > 1] or steps
    if trained:
        lines += [
            "",
            f"zeros in the gate gradients, mean over {len(trained)} recorded steps",
            *_table(trained),
        ]
    lines += ["", f"{recording.path}  {recording.size_bytes:,} bytes", f"sha256 {recording.sha256}"]
    return "\n".join(lines)


def _table(entries: list[dict[str, dict[str, dict[str, float]]]]) -> list[str]:
    layers = entries[0]["sparsity"]
    gates = [gate for gate in GATE_ORDERS["lstm"] if gate in next(iter(layers.values()))]
    width = max(len("layer"), *map(len, layers))
    lines = ["layer".ljust(width) + "".join(f"{gate:>8}" for gate in [*gates, "all"])]
    for layer in layers:
        shares = [sum(entry["sparsity"][layer][gate] for entry in entries) / len(entries) for gate in gates]
        shares.append(sum(shares) / len(shares))
        lines.append(layer.ljust(width) + "".join(f"{share:>8.1%}" for share in shares))
    return lines

"""RELIABILITY.md: every promise, its test, its figures and the command that finds them anew."""

from __future__ import annotations

from collections.abc import Iterator

from reliability import bad_input, compatibility, faults, load, mutation, security, silent_wrongness
from reliability.promises import FIGURES, ROOT, Promise, found

PATH = ROOT / "RELIABILITY.md"
PARTS = {
    1: "Bad input",
    2: "Faults",
    3: "Silent wrongness",
    4: "Security",
    5: "Load",
    6: "Compatibility",
}
PROMISES: tuple[Promise, ...] = (
    *bad_input.PROMISES,
    *faults.PROMISES,
    *silent_wrongness.PROMISES,
    *mutation.PROMISES,
    *security.PROMISES,
    *load.PROMISES,
    *compatibility.PROMISES,
)


def page() -> str:
    """Lay the promises out as a Markdown page, part by part."""
    lines = [
        "# Reliability",
        "",
        "What Skipstone promises, the tests that hold it to that on every change, and what the long commands found",
        "when they last ran. Made by `make reliability` from the figures that the commands write into",
        f"`{FIGURES.relative_to(ROOT)}/`; `make test` fails where this page is not what they found.",
    ]
    for item, title in PARTS.items():
        lines += ["", f"## {title}", "", "| promise | tests | figures | command |", "| --- | --- | --- | --- |"]
        lines += [_row(promise) for promise in PROMISES if promise.item == item]
    return "\n".join(lines) + "\n"


def _row(promise: Promise) -> str:
    tests = "<br>".join(f"`{test}`" for test in promise.tests)
    command = f"`{promise.command}`" if promise.command else "`make test`"
    return f"| {promise.text} | {tests} | {'; '.join(_figures(promise)) or '-'} | {command} |"


def _figures(promise: Promise) -> Iterator[str]:
    was = found(promise)
    if was is None:
        return
    for name, value in was.figures.items():
        yield f"{name}: {value:,}" if isinstance(value, int | float) else f"{name}: {value}"
    yield f"{was.seconds:,.0f} s on {was.machine}, {was.day}, {was.version} at {was.commit}"

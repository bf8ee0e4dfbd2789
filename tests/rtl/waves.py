"""Waves of a pass of the hardware, from Icarus Verilog: the pass begins at time 0, as in `simulate --waves`.

From ``tests``, ``python -m rtl.waves MACHINE TRACE OUT.vcd [PASS [A:B]]`` writes those of a pass of a trace, of the
first step from A up to B, to lie beside those of the model in a viewer.
"""

from __future__ import annotations

import functools
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rtl.verilated import SOURCES, run

from simulator.report.lookahead_tile import LookaheadTile
from simulator.report.waves import hardware_for
from simulator.skipping import Lookahead
from simulator.skipping.inner_product import InnerProduct

Bools = npt.NDArray[np.bool_]
Fault = tuple[str, str, str]

BENCHES = Path(__file__).parent / "bench"
INSTALL = "Debian and Ubuntu: apt-get install iverilog"
TIME_ROW = 16
# Icarus Verilog wakes these blocks again for what they write themselves, without end: what they read is named instead.
BLOCKS = {
    "left = pending;": "pending or depth",
    "inner = '0;": "values or words",
    "advance = '0;": "start or filled or running or depth or drained",
}


def missing_tool() -> str:
    """Say which tool is missing and how to get it; nothing if all are here."""
    return "" if shutil.which("iverilog") and shutil.which("vvp") else f"iverilog not found; {INSTALL}"


def hardware_waves(mechanism: Lookahead | InnerProduct, mask: Bools, path: Path, fault: Fault | None = None) -> None:
    """Run a pass through the smallest hardware that can, and write its waves.

    Parameters
    ----------
    mechanism : Lookahead or InnerProduct
    mask : bool [lanes, positions]
        Non-zeros become ones.
    path : Path
    fault : (file, right, wrong), optional
        A piece of a source and what stands in its place, for tests that must fail.
    """
    lanes, positions = mask.shape
    tile = hardware_for(mechanism, lanes, positions)
    if isinstance(tile, LookaheadTile):
        made = _compiled(
            "lookahead_tile", (("LANES", tile.lanes), ("SLOTS", tile.slots), ("LONGEST", tile.longest)), fault
        )
        settings, lines = {"positions": positions, **tile.settings}, mask.T
    else:
        assert tile is not None, f"no hardware of {mechanism}"
        made = _compiled(
            "inner_product_tile", (("ROWS", tile.rows), ("DEPTH", tile.window), ("LONGEST", tile.longest)), fault
        )
        time_rows = -(-positions // TIME_ROW)
        settings = {"time_rows": time_rows, "depth": tile.mechanism.depth}
        padded = np.zeros((lanes, time_rows * TIME_ROW), np.bool_)
        padded[:, :positions] = mask
        lines = padded.reshape(lanes, time_rows, TIME_ROW).transpose(1, 0, 2).reshape(time_rows, -1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # The first value in the lowest bits: the last two digits of a line.
        texts = ("".join("01" if bit else "00" for bit in reversed(line)) for line in lines.tolist())
        (folder / "values.hex").write_text("\n".join(texts) + "\n", encoding="utf-8")
        run(["vvp", "-n", str(Path(made.name) / "made"), *(f"+{k}={v}" for k, v in settings.items())], folder)
        cut = _from_first_cycle((folder / "waves.vcd").read_text(encoding="utf-8"))
        path.write_text("\n".join(cut) + "\n", encoding="utf-8")


@functools.cache
def _compiled(bench: str, sizes: tuple[tuple[str, int], ...], fault: Fault | None) -> tempfile.TemporaryDirectory[str]:
    """Compile a bench for a build, in a folder that goes with this process."""
    folder = tempfile.TemporaryDirectory()
    place = Path(folder.name)
    for source in SOURCES.glob("*.sv"):
        text = source.read_text(encoding="utf-8")
        for begin, reads in BLOCKS.items():
            text = re.sub(rf"always_comb begin(\s+){re.escape(begin)}", rf"always @({reads}) begin\1{begin}", text)
        if fault and source.name == fault[0]:
            assert text.count(fault[1]) == 1
            text = text.replace(fault[1], fault[2])
        (place / source.name).write_text(text, encoding="utf-8")
    shutil.copy(BENCHES / f"{bench}.sv", place / "skipstone.sv")
    shutil.copy(BENCHES / "pass.svh", place)
    parameters = [f"-Pskipstone.{name}={value}" for name, value in sizes]
    names = sorted(path.name for path in place.glob("*.sv"))
    run(["iverilog", "-g2012", "-Wall", "-s", "skipstone", *parameters, "-o", "made", *names], place)
    return folder


def _from_first_cycle(text: str) -> Iterator[str]:
    """Cut what comes before the first cycle of the pass: what signals are then is told at time 0."""
    header, _, body = text.partition("$enddefinitions $end\n")
    yield header + "$enddefinitions $end"
    running, done = (
        next(line.split()[3] for line in header.splitlines() if f" {name} " in line) for name in ("running", "done")
    )
    before: dict[str, str] = {}
    begin: int | None = None
    moments: list[tuple[int, list[str]]] = [(0, [])]
    for line in body.splitlines():
        if line.startswith("#"):
            moments.append((int(line[1:]), []))
        elif not line.startswith("$"):
            moments[-1][1].append(line)
    for time, changes in moments:
        if begin is None:
            before |= {line.split()[-1] if line[0] == "b" else line[1:]: line for line in changes}
            if f"1{running}" in changes or f"1{done}" in changes:
                begin = time
                yield "#0"
                yield from before.values()
        else:
            yield f"#{time - begin}"
            yield from changes


def main(words: list[str]) -> None:
    """Write the waves of a pass of a trace."""
    from simulator.arch import load_arch
    from simulator.commands.waves import find_pass
    from simulator.report.inner_product_tile import as_inner_product
    from simulator.report.lookahead_tile import as_lookahead
    from simulator.run import step_range
    from traces import Trace

    machine, trace_file, out, *more = words
    name, steps = [*more, None, None][:2]
    skipping = load_arch(machine).skipping
    mechanism = as_lookahead(skipping) or as_inner_product(skipping)
    if mechanism is None or missing_tool():
        sys.exit(missing_tool() or f"there is no hardware of {skipping.mechanism}")
    with Trace(trace_file) as trace:
        chosen, step = find_pass(load_arch(machine), trace, steps and step_range(steps), name)
    hardware_waves(mechanism, chosen.mask, Path(out))
    print(f"wrote {out}: pass '{chosen.name}' of step {step}")


if __name__ == "__main__":
    main(sys.argv[1:])

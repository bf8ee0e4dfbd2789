"""What skipping zeros costs in gates: the hardware that the tests simulate, synthesised by yosys.

    python tests/rtl/synthesis.py --out arch_configs/energy/skip_logic.csv

A lane is synthesised in parts, because its cost is linear in columns and operand width: the selector, the lane's own
values in the window, a MAC, the choice of a word among the window's banks per bit, the window's registers per bit
and the control. The last two are shared by 32 lanes; a lane carries its share.
"""

from __future__ import annotations

import argparse
import functools
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parent / "sv"
INSTALL = "Debian and Ubuntu: apt-get install yosys; elsewhere: https://github.com/YosysHQ/yosys"

LANES = 32
"""Lanes that share a window, as in the shipped machines."""
REFILL = 4
"""Positions by which the window slides at most, as in `zero_skip`; a shallower window slides by its depth."""
POSITION_BITS = 12
"""Bits of a position's number in the control: passes of up to 2,048 positions with a window of 64."""
SUM_BITS = 32
DEPTHS = (1, 4, 8, 16, 32, 64)
BANKS = (4, 8, 16)
WIDTHS = (8, 16)
COLUMNS = (8, 16, 32)

# Transistors of a static CMOS gate, as `stat -tech cmos` of yosys has them (passes/cmds/stat.cc).
TRANSISTORS = {"NOT": 2, "NAND": 4, "NOR": 4, "AND": 6, "OR": 6, "XOR": 12, "XNOR": 12, "MUX": 12}
TRANSISTORS |= {"AOI3": 6, "OAI3": 6, "AOI4": 8, "OAI4": 8, "DFF_P": 16}
# An enabled flip-flop counts as a plain one: a word's enable gates its clock, once for all of its bits.
TRANSISTORS |= {"DFFE_PP": 16}

FIELDS = ("depth", "banks", "refill", "operand_bits", "columns", "selector", "values", "multiplexer", "staging")
FIELDS += ("control", "macs", "dense_lane", "zero_skip_lane", "overhead_percent")


@dataclass(frozen=True)
class Row:
    """Transistors of one lane of a window of `depth` positions in `banks` banks (None: unlimited)."""

    depth: int
    banks: int | None
    refill: int
    operand_bits: int
    columns: int
    selector: int
    values: int
    multiplexer: int
    staging: int
    control: int
    macs: int
    dense_lane: int

    @property
    def zero_skip_lane(self) -> int:
        return self.selector + self.values + self.multiplexer + self.staging + self.control + self.macs

    @property
    def overhead_percent(self) -> float:
        return round(100 * (self.zero_skip_lane / self.dense_lane - 1), 2)

    def text(self) -> str:
        cells = ("" if self.banks is None and name == "banks" else str(getattr(self, name)) for name in FIELDS)
        return ",".join(cells)


def rows(
    depths: tuple[int, ...] = DEPTHS,
    banks: tuple[int | None, ...] = (None, *BANKS),
    widths: tuple[int, ...] = WIDTHS,
    columns: tuple[int, ...] = COLUMNS,
) -> Iterator[Row]:
    """Synthesise; banks that are no fewer than the window's positions are left out, as they limit nothing."""
    for depth in depths:
        for bank in banks:
            if bank is None or bank < depth:
                for width in widths:
                    for column in columns:
                        yield row(depth, bank, width, column)


def row(depth: int, banks: int | None, width: int, columns: int) -> Row:
    """Put a lane together from its parts."""
    register = transistors("dff", {})
    word_bits = columns * width
    macs = columns * transistors("mac_lane", {"COLUMNS": 1, "WIDTH": width, "SUM": SUM_BITS})
    dense = macs + register * width + register * word_bits / LANES
    refill = min(depth, REFILL)
    if depth == 1:
        # Lanes in lockstep: a mask bit that gates the lane's MACs, and whether any lane needs the position.
        parts = {"selector": register, "values": register * width, "multiplexer": 0.0}
        parts |= {"staging": register * word_bits / LANES, "control": transistors("any", {"LANES": LANES}) / LANES}
    else:
        # Two lanes cost one lane's choice more than one lane does; what is left is the window itself. The parts of it
        # that do not grow with the word's bits are spread over 32 of them.
        bits = 32
        window = {"SLOTS": depth, "REFILL": refill, "BANKS": banks or depth, "BITS": bits, "ADDRESS": address(depth)}
        one, two = (transistors("shared_window", window | {"LANES": lanes}) for lanes in (1, 2))
        parts = {
            "selector": transistors("selector", {"SLOTS": depth, "REFILL": refill}),
            "values": transistors(
                "value_window", {"SLOTS": depth, "REFILL": refill, "WIDTH": width, "ADDRESS": address(depth)}
            ),
            "multiplexer": (two - one) / bits * word_bits,
            "staging": (2 * one - two) / bits * word_bits / LANES,
            "control": transistors("control", {"SLOTS": depth, "REFILL": refill, "BANKS": banks or depth}) / LANES,
        }
    counts = {name: round(count) for name, count in parts.items()}
    return Row(depth, banks, refill, width, columns, macs=macs, dense_lane=round(dense), **counts)


def adder() -> int:
    """Count a 32-bit integer adder: what the energy tables' prices of logic are taken relative to."""
    return transistors("adder", {"WIDTH": 32})


def address(depth: int) -> int:
    return (depth - 1).bit_length()


def transistors(part: str, parameters: Mapping[str, int]) -> int:
    """Synthesise a module, or one of the wrappers below, and count."""
    return _counted(part, tuple(sorted(parameters.items())))


@functools.cache
def _counted(part: str, parameters: tuple[tuple[str, int], ...]) -> int:
    top, text = wrapped(part, dict(parameters))
    with tempfile.TemporaryDirectory() as folder:
        wrapper = Path(folder) / "wrapper.sv"
        wrapper.write_text(text, encoding="utf-8")
        sources = " ".join(str(path) for path in [*sorted(SOURCES.glob("*.sv")), wrapper])
        settings = "" if text else "".join(f" -set {name} {value}" for name, value in parameters)
        script = [
            f"read_verilog -sv {sources}",
            f"chparam{settings} {top}" if settings else "",
            f"hierarchy -check -top {top}",
            "synth -flatten -noabc",
            "dfflegalize -cell $_DFF_P_ x -cell $_DFFE_PP_ x",
            "opt_clean",
            "abc -g cmos4,XOR,XNOR,MUX",
            "opt_clean",
            "tee -q -o stat.json stat -json",
        ]
        command = ["yosys", "-q", "-p", "; ".join(step for step in script if step)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"yosys failed on {top}:\n{done.stdout}{done.stderr}")
        statistics = json.loads((Path(folder) / "stat.json").read_text(encoding="utf-8"))
    (module,) = statistics["modules"].values()
    cells: dict[str, int] = module["num_cells_by_type"]
    return sum(TRANSISTORS[name.strip("$_")] * number for name, number in cells.items())


def wrapped(part: str, sizes: dict[str, int]) -> tuple[str, str]:
    """Give a top module's name and, where inputs are tied to what is fixed in silicon, the wrapper's text."""
    slots, refill = sizes.get("SLOTS", 2), sizes.get("REFILL", 2)
    width, count, narrow = address(slots), address(slots) + 1, refill.bit_length()
    if part == "dff":
        return "one", "module one(input logic clock, d, output logic q); always_ff @(posedge clock) q <= d; endmodule"
    if part == "adder":
        ports = f"input logic [{sizes['WIDTH'] - 1}:0] a, b, output logic [{sizes['WIDTH'] - 1}:0] y"
        return "one", f"module one({ports}); assign y = a + b; endmodule"
    if part == "any":
        return "one", f"module one(input logic [{sizes['LANES'] - 1}:0] a, output logic y); assign y = |a; endmodule"
    if part == "selector":
        # The window slides by no more than the refill, so the slide has few bits; all of it is open while it runs.
        return (
            "one",
            f"""module one(input logic clock, running, input logic [{narrow - 1}:0] slide,
  input logic [{refill - 1}:0] incoming, input logic [{width - 1}:0] base_slot, input logic [{slots - 1}:0] granted,
  output logic [{slots - 1}:0] request, remaining, output logic [{width - 1}:0] slot, output logic consumes);
  lane_selector #(.SLOTS({slots}), .REFILL({refill}), .ADDRESS({width}), .SLIDE({narrow})) selector (
    .clock, .slide, .incoming, .open({{{slots}{{running}}}}), .base_slot, .granted, .request, .remaining, .slot,
    .consumes);
endmodule""",
        )
    if part == "control":
        last = POSITION_BITS - 1
        return (
            "one",
            f"""module one(input logic clock, start, input logic [{last}:0] positions,
  input logic [{LANES * slots - 1}:0] requests, remainings, output logic [{last}:0] feed_position,
  output logic [{slots - 1}:0] granted, write, output logic [{count - 1}:0] slide,
  output logic [{width - 1}:0] base_slot, output logic running, done);
  window_control #(.LANES({LANES}), .SLOTS({slots}), .REFILL({refill}), .POSITION({POSITION_BITS}),
    .ADDRESS({width}), .COUNT({count})) control (.clock, .start, .positions, .depth({count}'d{slots}),
    .refill({count}'d{refill}), .banks({count}'d{sizes["BANKS"]}), .unlimited(1'b0), .requests, .remainings,
    .next_needed({POSITION_BITS}'d0), .feed_position, .search_from(), .open(), .granted, .write, .slide, .base_slot,
    .running, .done);
endmodule""",
        )
    return part, ""


def version() -> str:
    return subprocess.run(["yosys", "-V"], capture_output=True, text=True, check=True).stdout.strip()


ABOUT = f"""\
Made by `python tests/rtl/synthesis.py --out arch_configs/energy/skip_logic.csv`, from tests/rtl/sv.
Transistors of one lane, with its share of what {LANES} lanes have in common; integer MACs with {SUM_BITS}-bit sums.
selector: chooses the lane's next non-zero; values: its own operands in the window; multiplexer: chooses its word of
columns x operand_bits; staging: share of the window's registers; control: share of arbitration and sliding.
banks empty: unlimited, which banks no fewer than depth are, too.
multiplexer is what a second lane adds to the first. abc shares gates between lanes otherwise at each depth, so that of
few banks it need not grow with the depth: of 4 banks a second and a third lane add 35.6 and 5.6 transistors a bit at
depth 16, 25.9 and 19.4 at depth 32. So an area may be larger at the lesser depth; that is noise of the synthesis.
yosys: synth -flatten -noabc; dfflegalize; abc -g cmos4,XOR,XNOR,MUX. Weights: those of its stat -tech cmos for
static CMOS; a flip-flop 16, enabled or not. No cell library, timing, wires, SRAM or pipeline registers.
"""


def table() -> str:
    """Make the file: how it was made, the adder, the rows."""
    lines = [f"# {line}" for line in (*ABOUT.splitlines(), version(), f"int32_adder = {adder()}")]
    lines.append(",".join(FIELDS))
    for made in rows():
        lines.append(made.text())
        print(made.text(), file=sys.stderr)
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make the table and write it, whole or not at all."""
    parser = argparse.ArgumentParser(description="Synthesise the skip logic with yosys and count its transistors.")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.csv")
    out: Path = parser.parse_args().out
    if shutil.which("yosys") is None:
        sys.exit(f"yosys not found; {INSTALL}")
    text = table()
    unfinished = out.with_name(out.name + ".unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(out)


if __name__ == "__main__":
    main()

"""Run streams through LiteDRAM's controller, in migen's simulator; started by test_litedram.py in its own environment.

Reads one JSON object from stdin: timings in clocks, the number of bank bits, and streams of (bank, row, column, write).
Writes one JSON object: for each stream, the commands at the DRAM's pins, each with its clock.
"""

from __future__ import annotations

import json
import sys

from litedram.common import GeomSettings, PhySettings, TimingSettings
from litedram.core.controller import ControllerSettings, LiteDRAMController
from migen import passive, run_simulation

NAMES = {(1, 0, 0): "ACT", (1, 0, 1): "PRE", (0, 1, 0): "RD", (0, 1, 1): "WR", (1, 1, 0): "REF"}  # ras, cas, we


def controller(timing: dict[str, int], bank_bits: int) -> LiteDRAMController:
    """One command a clock at the pins: single data rate and one phase."""
    phy = PhySettings("test", "SDR", 16, 16, 1, 0, 0, timing["CL"], timing["CL"] + 1, timing["CWL"], cwl=timing["CWL"])
    clocks = {
        name: timing[name] for name in ("tRP", "tRCD", "tWR", "tWTR", "tRFC", "tFAW", "tCCD", "tRRD", "tRC", "tRAS")
    }
    settings = ControllerSettings(with_refresh=timing["tREFI"] > 0)
    timings = TimingSettings(**clocks, tREFI=timing["tREFI"] or 1 << 20, tZQCS=None)
    return LiteDRAMController(phy, GeomSettings(bank_bits, 14, 10), timings, 100e6, settings)


def run(timing: dict[str, int], bank_bits: int, stream: list[list[int]]) -> list[list[object]]:
    """Feed each bank machine the stream's bursts of its bank, in order; note what comes out."""
    dut = controller(timing, bank_bits)
    commands: list[list[object]] = []
    left = [len(stream)]
    clock = [0]

    def feed(number):
        port = getattr(dut.interface, f"bank{number}")
        for _, row, column, write in (burst for burst in stream if burst[0] == number):
            yield port.addr.eq(row << 10 | column)
            yield port.we.eq(write)
            yield port.valid.eq(1)
            yield
            while not (yield port.ready):
                yield
            yield port.valid.eq(0)

    @passive
    def watch():
        pins = dut.dfi.phases[0]
        while True:
            ras, cas, we = 1 - (yield pins.ras_n), 1 - (yield pins.cas_n), 1 - (yield pins.we_n)
            if (ras, cas, we) in NAMES:
                name, address = NAMES[ras, cas, we], (yield pins.address)
                if name in ("RD", "WR"):
                    left[0] -= 1
                    name += "A" if address >> 10 & 1 else ""
                if name == "PRE" and address >> 10 & 1:
                    name = "PREA"
                commands.append([clock[0], name, (yield pins.bank), address])
            clock[0] += 1
            yield

    def wait():
        while left[0]:
            yield

    run_simulation(dut, [watch(), wait(), *(feed(number) for number in range(1 << bank_bits))])
    return commands


def main() -> None:
    """Read, run, write."""
    job = json.load(sys.stdin)
    json.dump([run(job["timing"], job["bank_bits"], stream) for stream in job["streams"]], sys.stdout)


if __name__ == "__main__":
    main()

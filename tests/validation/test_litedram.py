"""LiteDRAM, a DRAM controller in hardware, in an environment of its own: the same streams take it as long.

It serves each bank in order and the banks in turn, closes a row with the last access that waits for it, and keeps no
read-to-precharge gate. So one row, one bank, and random rows are compared, on pure reads and pure writes.
"""

from __future__ import annotations

import json
import subprocess
import venv
from pathlib import Path

import numpy as np
import pytest
from plain import dram as plain
from plain.dram import Command, Transfer
from plain.dram_cases import commands_of, dram, drive, small_standard

from simulator.arch import DramStandard

WANTED = ["litedram==2024.12", "litex==2024.12", "migen==0.10.0"]  # litex's own dependencies are of no use here
BANK_BITS = 2
# DDR3-1600 or so, in clocks; recalled, and the same on both sides.
TIMING = {
    "CL": 11, "CWL": 8, "tRP": 11, "tRCD": 11, "tWR": 12, "tWTR": 6, "tRFC": 88, "tFAW": 24, "tCCD": 4, "tRRD": 5,
    "tRC": 39, "tRAS": 28,
}  # fmt: skip

random = np.random.default_rng(3)
BURSTS = 160
STREAMS = {
    "one_row": [(0, 0, column, 0) for column in range(BURSTS)],
    "one_row_written": [(0, 0, column, 1) for column in range(BURSTS)],
    "long_row": [(0, 0, column, 0) for column in range(400)],
    "one_bank": [(0, i, 0, 0) for i in range(40)],
    "one_bank_written": [(0, i, 0, 1) for i in range(40)],
    "random": [(int(random.integers(4)), int(random.integers(1 << 14)), 0, 0) for _ in range(BURSTS)],
    "random_written": [(int(random.integers(4)), int(random.integers(1 << 14)), 0, 1) for _ in range(BURSTS)],
}
REFRESHED, T_REFI = ("long_row", "random"), 500
# Of its clocks. Where one gate after the other is waited for there is nothing to choose, and no difference. With random
# rows it takes a clock or two to hand a bank on, and takes the banks in turn and not by age.
ERRORS = {
    "one_row": 0, "one_row_written": 0, "one_bank": 0, "one_bank_written": 0, "random": 0.04, "random_written": 0.08,
}  # fmt: skip


@pytest.fixture(scope="module")
def lite_dram(tmp_path_factory):
    """Commands at LiteDRAM's pins, for each stream without and with refresh."""
    folder = tmp_path_factory.mktemp("litedram")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    installed = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", *WANTED], capture_output=True, text=True, check=False
    )
    if installed.returncode:
        pytest.skip(f"LiteDRAM cannot be installed here: pip install {' '.join(WANTED)} ({installed.stderr[-200:]})")

    def run(names, t_refi):
        streams = [STREAMS[name] for name in names]
        job = {"timing": {**TIMING, "tREFI": t_refi}, "bank_bits": BANK_BITS, "streams": streams}
        script = Path(__file__).parent / "litedram_run.py"
        ran = subprocess.run([python, script], input=json.dumps(job), capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr[-2000:]
        return dict(zip(names, json.loads(ran.stdout), strict=True))

    return run(list(ERRORS), 0), run(list(REFRESHED), T_REFI)


def standard(t_refi: int = 100_000) -> DramStandard:
    organisation = {"bank_groups": 1, "banks_per_group": 4, "rows": 1 << 14, "columns": 8192, "burst_length": 8}
    t = {key: value for key, value in TIMING.items() if key not in ("CL", "CWL")}
    return small_standard(
        organisation, t_cl=TIMING["CL"], t_cwl=TIMING["CWL"], t_rp=t["tRP"], t_rcd_read=t["tRCD"],
        t_rcd_write=t["tRCD"], t_wr=t["tWR"], t_wtr_s=t["tWTR"], t_wtr_l=t["tWTR"], t_rfc=t["tRFC"], t_faw=t["tFAW"],
        t_ccd_s=t["tCCD"], t_ccd_l=t["tCCD"], t_rrd_s=t["tRRD"], t_rrd_l=t["tRRD"], t_rc=t["tRC"], t_ras=t["tRAS"],
        t_rtp=1, t_rtw=20, t_refi=t_refi,
    )  # fmt: skip


def ours(name: str, t_refi: int = 100_000, start: int = 0) -> list[Command]:
    s = standard(t_refi)
    d = dram(s, address_mapping="channel_row_bank_group_column", page="closed", controller_queue=36)
    transfers = []
    for bank, row, column, is_write in STREAMS[name]:
        burst = (row * 4 + bank) * s.bursts_per_row + column
        transfers.append(Transfer(start, bool(is_write), burst * s.burst_bytes, s.burst_bytes))
    state, _ = drive(d, transfers, "afterwards")
    return commands_of(state)


def span(commands: list[Command]) -> int:
    """Clocks from the first column command to the last: its first write is held back by a turn of the bus."""
    columns = [command.clock for command in commands if command.name in plain.COLUMN]
    return max(columns) - min(columns)


def theirs(raw: list[list]) -> list[Command]:
    """LiteDRAM's pins as commands; column commands do not say their row."""
    found, rows = [], {}
    for clock, name, bank, address in raw:
        if name == "ACT":
            rows[bank] = address
        row = {"PRE": -1, "PREA": -1, "REF": -1}.get(name, rows.get(bank, -1))
        found.append(Command(clock, 0, name, bank, row))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ERRORS)
def test_stream_takes_litedram_as_long(lite_dram, name):
    lite, mine = span(theirs(lite_dram[0][name])), span(ours(name))
    assert abs(lite - mine) <= ERRORS[name] * lite, (lite, mine)


@pytest.mark.slow
@pytest.mark.parametrize("name", REFRESHED)
def test_refreshed_stream_takes_litedram_as_long_within_eight_percent(lite_dram, name):
    commands = theirs(lite_dram[1][name])
    refreshes = [command.clock for command in commands if command.name == "REF"]
    assert len(refreshes) >= 2
    # Each refresh takes it some thirty clocks longer, to stop all banks and to let them go on.
    mine = ours(name, T_REFI, start=65)  # its initial wait
    lite = span(commands)
    assert sum(command.name == "REF" for command in mine) == len(refreshes)
    assert abs(lite - span(mine)) <= 0.08 * lite, (lite, span(mine))


@pytest.mark.slow
def test_our_checker_finds_nothing_in_litedrams_commands_and_sees_its_gates_bind(lite_dram):
    bound = set()
    for name, raw in lite_dram[0].items():
        commands = theirs(raw)
        assert plain.violations(standard(), commands) == [], name
        for place in range(len(commands)):
            early = [*commands[:place], commands[place]._replace(clock=commands[place].clock - 1)]
            bound |= {gate for at, gate in plain.violations(standard(), early) if at == place}
    assert {"tRCD read", "tRCD write", "tRC", "tRRD_S", "tCCD_S read", "tCCD_S write", "tWR + tRP"} <= bound

"""`simulate --waves`: one pass of the first replayed step, cycle by cycle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.arch import Architecture
    from simulator.report.chosen_pass import ChosenPass
    from simulator.run import Steps
    from traces import Trace


def find_pass(arch: Architecture, trace: Trace, steps: Steps | None, name: str | None) -> tuple[ChosenPass, int]:
    """Plan the first of the steps and find the pass in it; give it with the step's number.

    Raises
    ------
    InputError
        If pyvcd is not installed, the machine's passes have no waves, or there is no such pass.
    """
    from simulator.mapping import plan
    from simulator.report.chosen_pass import choose_pass, require_lane_schedule
    from simulator.report.waves import require_pyvcd
    from simulator.run import KeptSteps, select_steps

    require_pyvcd()
    require_lane_schedule(arch)
    number = select_steps(trace, steps)[0]
    kept = KeptSteps(trace, most_bytes=0).get(number)
    return choose_pass(plan(arch, kept.workload, kept.cache), name), number


def write_pass(arch: Architecture, chosen: ChosenPass, step: int, waves: str) -> tuple[Path, str]:
    """Write the waves; give the file and a note of what is in it."""
    from simulator.report.waves import write_waves

    path = write_waves(arch, chosen, waves)
    return path, f"waves of pass '{chosen.name}' of step {step}; choose another one with --waves-pass"

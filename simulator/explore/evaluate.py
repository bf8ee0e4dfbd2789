"""One point, one row: a pure function that any process can call."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from simulator.arch import Architecture
from simulator.explore.points import Cell, Point, Refusal, Settings
from simulator.report import Report
from simulator.run import bound_of, dense_twin, simulate
from traces import Trace
from traces.errors import InputError

Row = dict[str, Cell]

KEPT_REPORTS = 64
"""Reports that a process keeps: a sweep over skipping alone has one dense twin and one bound for all its
points."""


def evaluate(point: Point) -> Row:
    """Replay a point.

    Parameters
    ----------
    point : Point

    Returns
    -------
    dict
        A row of the table (see `simulator.explore.table`). Where the machine cannot run the trace, for
        instance because no tile fits its buffers, ``status`` is ``invalid`` and ``error`` says why.
    """
    recorded = point.recorded
    first, last = recorded.steps[0], recorded.steps[-1] + 1
    row: Row = {
        "key": point.key,
        "status": "ok",
        "arch": point.machine.name,
        "arch_digest": point.machine.digest,
        **dict(point.settings),
        "trace": recorded.path.name,
        "trace_sha256": recorded.sha256,
        "steps": f"{first}:{last}",
        "steps_replayed": len(recorded.steps),
    }
    machine = point.machine
    try:
        report, baseline, bound = (
            _replay(m, point.prices_digest, recorded.path, recorded.sha256, first, last)
            for m in (machine, dense_twin(machine), bound_of(machine))
        )
    except InputError as error:
        return {**row, "status": "invalid", "error": "; ".join(map(str, error.problems))}
    return {**row, **measures(report.beside(baseline, bound))}


def refused(refusal: Refusal) -> Row:
    """Give the row of a combination that cannot be evaluated."""
    settings: Settings = refusal.settings
    return {
        "key": None,
        "status": "invalid",
        "arch": refusal.machine,
        **dict(settings),
        "trace": refusal.trace.name,
        "error": refusal.reason,
    }


def measures(report: Report) -> Row:
    """Give a report's headline figures as cells, units in their names.

    Energies by component are columns ``energy_<component>_pj``; what the machine does not have (DRAM with
    ideal memory) has no cell.
    """
    totals = report.activity.totals()
    kinds = ("dense", "executed", "gated", "skipped")
    return {
        "cycles_total": report.total_cycles,
        "time_us": float(report.time_us),
        **{f"macs_{kind}": totals[f"macs_{kind}"] for kind in kinds},
        **{f"saving_{scope}": float(saving) for scope, saving in report.savings.items()},
        "energy_total_pj": float(report.energy.total_pj),
        **{f"energy_{name}_pj": float(pj) for name, pj in report.energy.by_component().items()},
        "dram_read_bytes": totals["dram_read_bytes"],
        "dram_write_bytes": totals["dram_write_bytes"],
        "utilization": float(report.utilization),
        "speedup": report.speedup,
        "energy_saving": report.energy_saving,
        "bound_speedup": report.bound_speedup,
    }


@lru_cache(maxsize=KEPT_REPORTS)
def _replay(machine: Architecture, prices_digest: str, path: Path, sha256: str, first: int, last: int) -> Report:
    """Replay without a baseline; the same replay is done once by a process, whichever points ask for it.

    The digests are there for the cache: what they stand for may change while this process lives.
    """
    return simulate(machine, _open(path, sha256), steps=(first, last), baseline=False)


@lru_cache(maxsize=2)
def _open(path: Path, sha256: str) -> Trace:
    """Open a trace that was seen to have this digest.

    Raises
    ------
    InputError
        If it has another one by now.
    """
    trace = Trace(path)
    if trace.sha256 != sha256:
        raise InputError.of(str(path), "a file that changed during the sweep", f"the file of SHA-256 {sha256}")
    return trace

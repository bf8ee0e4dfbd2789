"""One point, one row: a pure function that any process can call.

A process keeps what its next points may share: the trace and its lowered steps, what was counted of their masks,
replays of machines that differ in their prices or names alone, and the figures of dense twins and bounds. `order` says
which points stand next to each other for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from simulator.arch import Architecture, Weights
from simulator.energy import EnergyTable, load_energy_table
from simulator.engine import InvariantError, check_twins
from simulator.explore.order import hardware_digest
from simulator.explore.points import Cell, Point, Recorded, Refusal, Settings, files_digest, named_files
from simulator.report import Report, ScaleOut, energy_saving, speedup
from simulator.report.reproducer import FailedRun, reproducible
from simulator.run import KeptSteps, Replay, bound_of, dense_twin, priced, replay, select_steps
from traces import Trace
from traces.errors import InputError
from traces.remote import fetch, kept_at

Row = dict[str, Cell]

KEPT_STEP_BYTES = 1 << 28
"""Masks of recorded steps, and what was counted of them, that a process keeps."""
KEPT_REPLAYS = 8
"""Whole replays that a process keeps, for points that differ in their energy table alone."""
KEPT_TABLES = 16
FAILED = "failed"
"""Status of a row whose run contradicts the model, which is a bug."""
NOT_EVALUATED = ("invalid", FAILED)
"""Statuses of rows without measures."""
KEPT_FIGURES = 1 << 12
"""Machines whose figures (some 10 KB each, with the machine) a process keeps: many points may have one dense twin."""


def evaluate(point: Point) -> Row:
    """Replay a point.

    Parameters
    ----------
    point : Point

    Returns
    -------
    dict
        A row of the table (see `simulator.explore.table`): what `told` says of the point, and what came of it. Where
        the machine cannot run the trace, for instance because no tile fits its buffers, ``status`` is ``invalid``
        and ``error`` says why; where a file changed or went meanwhile, there is no key, for the row is not of what it
        names. Where the run contradicts the model, ``status`` is ``failed``, and there is no key either: none of it
        is kept.
    """
    row, machine = told(point), point.machine
    try:
        _check_files(*named_files(machine), machine.folder, point.files_digest)
        own, dense, bound = (
            _figures(Hardware.of(m, point.files_digest), m.energy_table, point.prices_digest, _Span.of(point))
            for m in (machine, dense_twin(machine), bound_of(machine))
        )
        span = _Span.of(point)
        with reproducible(FailedRun(machine, span.kept.trace, point.recorded.steps, baseline=True)):
            check_twins(own, dense, bound)
    except InvariantError as error:
        return {**row, "key": None, "status": FAILED, "error": str(error)}
    except InputError as error:
        reason = "; ".join(map(str, error.problems))
        if point.recorded.url:  # where it is kept differs between machines
            reason = reason.replace(str(kept_at(point.recorded.sha256)), point.recorded.url)
        invalid: Row = {**row, "status": "invalid", "error": reason}
        return {**invalid, "key": None} if _of_changed_files(error, point) else invalid
    return {**row, "status": "ok", **own, **compared(own, dense, bound)}


def evaluate_elsewhere(point: Point) -> Row:
    """Replay a point in a process that may not see the files which the one saw that enumerated it.

    Raises
    ------
    InputError
        If it does not: then it is this process that is at fault, and not the point.
    """
    machine, span = point.machine, _Span.of(point)
    _check_files(*named_files(machine), machine.folder, point.files_digest)
    _table(machine.energy_table, machine.folder, point.prices_digest)
    _steps(span.path, span.sha256, span.url)
    return evaluate(point)


def told(point: Point) -> Row:
    """Give the cells that say what a row is of, before anything is evaluated."""
    return told_of(point.key, point.machine.name, point.machine.digest, point.settings, point.recorded)


def told_of(key: str, name: str, digest: str, settings: Settings, recorded: Recorded) -> Row:
    """Give what `told` does of a point with this key, name and digest of its machine, settings and trace."""
    return {
        "key": key,
        "arch": name,
        "arch_digest": digest,
        **dict(settings),
        "trace": recorded.name,
        "trace_sha256": recorded.sha256,
        "steps": f"{recorded.steps[0]}:{recorded.steps[-1] + 1}",
        "steps_replayed": len(recorded.steps),
    }


def refused(refusal: Refusal) -> Row:
    """Give the row of a combination that cannot be evaluated."""
    settings: Settings = refusal.settings
    return {
        "key": None,
        "status": "invalid",
        "arch": refusal.machine,
        **dict(settings),
        "trace": refusal.trace,
        "error": refusal.reason,
    }


def measures(report: Report) -> Row:
    """Give a report's headline figures, and the parts that they are sums of, as cells, units in their names.

    The array's own cycles are columns ``cycles_<phase>`` and ``cycles_<product>``, stalled ones
    ``stall_<reason>_cycles``; those of all products and reasons sum to ``cycles_total``. Energies by component are
    columns ``energy_<component>_pj``; what the machine does not have (DRAM with ideal memory, links of a single chip)
    has no cell. Nor has the area where a part's is not known: a row has no room to say what is not in it.
    """
    totals, area = report.activity.totals(), report.area
    kinds = ("dense", "executed", "gated", "skipped")
    return {
        "cycles_total": report.total_cycles,
        "time_us": float(report.time_us),
        **{f"cycles_{name}": cycles for by in ("phase", "product") for name, cycles in report.cycles_by(by).items()},
        **{f"stall_{reason}_cycles": cycles for reason, cycles in report.stalls.items()},
        "sparsity": report.sparsity,
        **{f"macs_{kind}": totals[f"macs_{kind}"] for kind in kinds},
        **{f"saving_{scope}": float(saving) for scope, saving in report.savings.items()},
        "energy_total_pj": float(report.energy.total_pj),
        **{f"energy_{name}_pj": float(pj) for name, pj in report.energy.by_component().items()},
        "energy_delay_js": float(report.energy_delay_js),
        "area_mm2": float(area.total_mm2) if area is not None and area.complete else None,
        **_scaled(report.scale_out),
        "dram_read_bytes": totals["dram_read_bytes"],
        "dram_write_bytes": totals["dram_write_bytes"],
        "utilization": float(report.utilization),
    }


def _scaled(scale_out: ScaleOut | None) -> Row:
    """Give what several arrays and chips are good for, and what the links did; nothing of one array on one chip."""
    if scale_out is None:
        return {}
    rate: Row = {"throughput_sequences_per_s": scale_out.sequences_per_s}
    if scale_out.all_reduce is None:
        return rate
    return {
        **rate,
        "link_bytes": scale_out.all_reduce.bytes,
        "all_reduce_cycles": scale_out.all_reduce.cycles,
        "all_reduce_exposed_cycles": scale_out.all_reduce.exposed_cycles,
    }


def compared(own: Row, dense: Row, bound: Row) -> Row:
    """Give the cells that tell a machine's measures against those of its dense twin and of its bound."""
    cycles, least, most = (int(row["cycles_total"] or 0) for row in (own, bound, dense))
    return {
        "speedup": speedup(most, cycles),
        "energy_saving": energy_saving(float(dense["energy_total_pj"] or 0), float(own["energy_total_pj"] or 0)),
        "bound_speedup": speedup(most, least),
    }


class _ChangedError(InputError):
    """A file is not any more what it was when the points were enumerated."""


def _of_changed_files(error: InputError, point: Point) -> bool:
    """Whether an error is of a file that changed since, and not of the point."""
    if isinstance(error, _ChangedError):
        return True
    path = str(kept_at(point.recorded.sha256) if point.recorded.url else point.recorded.path)
    if not any(problem.where.startswith(path) for problem in error.problems):
        return False
    try:
        return _Span.of(point).kept.trace.changed()
    except _ChangedError:
        return True


@contextmanager
def _read_before() -> Iterator[None]:
    """Tell that a file which could be read when the points were enumerated cannot be read any more."""
    try:
        yield
    except InputError as error:
        raise _ChangedError(error.problems) from None


@dataclass(frozen=True)
class Hardware:
    """A machine of which only that is compared on which its counts depend.

    Attributes
    ----------
    machine : Architecture
        One of those that are alike.
    digest : str
        See `hardware_digest`.
    """

    machine: Architecture = field(compare=False)
    digest: str

    @classmethod
    def of(cls, machine: Architecture, digest_of_files: str) -> Hardware:
        """Compare a machine by its digest."""
        return cls(machine, hardware_digest(machine, digest_of_files))


@dataclass(frozen=True)
class _Span:
    """The recorded steps that a point replays."""

    path: Path
    sha256: str
    first: int
    last: int  # not itself replayed
    url: str

    @classmethod
    def of(cls, point: Point) -> _Span:
        recorded = point.recorded
        return cls(recorded.path, recorded.sha256, recorded.steps[0], recorded.steps[-1] + 1, recorded.url)

    @property
    def kept(self) -> KeptSteps:
        return _steps(self.path, self.sha256, self.url)


@lru_cache(maxsize=KEPT_FIGURES)
def _figures(hardware: Hardware, table: str, prices_digest: str, span: _Span) -> Row:
    """Replay a machine, or price again what another one did that differs in its prices alone.

    The digests are there for the cache: what they stand for may change while this process lives.
    """
    machine = hardware.machine
    prices = _table(table, machine.folder, prices_digest)
    return measures(priced(machine, prices, span.kept.trace, _replay(hardware, span)))


@lru_cache(maxsize=KEPT_REPLAYS)
def _replay(hardware: Hardware, span: _Span) -> Replay:
    return replay([hardware.machine], span.kept, select_steps(span.kept.trace, (span.first, span.last)))[0]


@lru_cache(maxsize=KEPT_TABLES)
def _table(name: str, folder: Path | None, digest: str) -> EnergyTable:
    """Read an energy table that was seen to have this digest.

    Raises
    ------
    InputError
        If it cannot be read any more, or has another one by now.
    """
    with _read_before():
        table = load_energy_table(name, relative_to=folder)
    if table.digest != digest:
        raise _ChangedError.of(name, "an energy table that changed during the sweep", f"the table of SHA-256 {digest}")
    return table


@lru_cache(maxsize=KEPT_TABLES)
def _check_files(dram_timing: str | None, weights: Weights | None, folder: Path | None, digest: str) -> None:
    """Look whether the files that a machine names are those that were seen to have this digest.

    Raises
    ------
    InputError
        If they are not there any more, or others.
    """
    with _read_before():
        found = files_digest(dram_timing, weights, folder)
    if found != digest:
        named = " and ".join(n for n in (dram_timing, weights and weights.file) if n)
        raise _ChangedError.of(named, "a file that changed during the sweep", f"what has the digest {digest}")


@lru_cache(maxsize=2)
def _steps(path: Path, sha256: str, url: str) -> KeptSteps:
    """Open a trace that was seen to have this digest; one that has a URL is fetched where it was not yet.

    Raises
    ------
    InputError
        If it cannot be read any more, or has another one by now.
    """
    with _read_before():
        trace = Trace(fetch(url, sha256) if url else path)
    if trace.sha256 != sha256:
        raise _ChangedError.of(str(path), "a file that changed during the sweep", f"the file of SHA-256 {sha256}")
    return KeptSteps(trace, KEPT_STEP_BYTES, threads=1)

"""What several arrays and chips make of a run: the all-reduce, what of it is waited for, and what the chips gain."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from simulator.mapping import Count
from simulator.report import numbers

if TYPE_CHECKING:
    from simulator.report.result import Report

STALL = "all_reduce"


@dataclass(frozen=True)
class AllReduce:
    """The sums of weight gradients over the chips, in all replayed steps.

    Attributes
    ----------
    bytes : int
        Over the links of all chips together.
    bytes_per_chip : float
        What each chip sends, and receives.
    cycles : int
        For which the links were busy.
    exposed_cycles : int
        Those of them after the chips' own last cycle of a step, for which all wait.
    energy_pj : float
        Of the links.
    """

    bytes: int
    bytes_per_chip: float
    cycles: int
    exposed_cycles: int
    energy_pj: float


@dataclass(frozen=True)
class ScaleOut:
    """How a machine is scaled out, and what that costs.

    Attributes
    ----------
    arrays : int
        Of each chip.
    chips : int
    batch : str
        ``per_chip`` or ``divided``.
    all_reduce : AllReduce or None
        None: a single chip.
    throughput_times_one_chip : float or None
        Sequences trained on in the time, over those of one of these chips alone. None where the batch is divided: one
        chip with all of it was not replayed; and of one chip.
    sequences_per_s : float or None
        Sequences trained on in a second, by all chips. None where nothing takes time.
    """

    arrays: int
    chips: int
    batch: str
    all_reduce: AllReduce | None
    throughput_times_one_chip: float | None
    sequences_per_s: float | None

    @classmethod
    def of(cls, report: Report) -> ScaleOut | None:
        """Take it from a report; None where there is one array on one chip."""
        arch, chips = report.arch, report.arch.chips
        if not arch.scaled_out:
            return None
        sequences = (report.batch_size or 0) * len(report.steps) * (chips.count if chips.batch == "per_chip" else 1)
        per_s = sequences / (report.time_us * 1e-6) if sequences and report.time_us else None
        if chips.count == 1:
            return cls(arch.arrays, 1, chips.batch, None, None, per_s)
        crossed = report.activity.totals()[Count.LINK_BYTES.name.lower()]
        exposed, total = report.stalls[STALL], report.total_cycles
        links_pj = report.energy.by_component()["link"]
        reduced = AllReduce(crossed, crossed / chips.count, report.activity.all_reduce_cycles, exposed, links_pj)
        gained = chips.count * (total - exposed) / total if chips.batch == "per_chip" and total else None
        return cls(arch.arrays, chips.count, chips.batch, reduced, gained, per_s)

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data."""
        return asdict(self)

    def __str__(self) -> str:
        each = f" of {self.arrays} arrays" if self.arrays > 1 else ""
        if self.all_reduce is None:
            return f"{numbers.count(self.arrays)} arrays share a chip's buffers and DRAM{self._rate}"
        one, batch = self.all_reduce, "a batch each" if self.batch == "per_chip" else "one batch divided"
        said = (
            f"{numbers.count(self.chips)} chips{each}, {batch}; all-reduce: {numbers.data(one.bytes)} over all links, "
            f"{numbers.count(one.cycles)} cycles, {numbers.count(one.exposed_cycles)} of them waited for"
        )
        if self.throughput_times_one_chip is not None:
            said += f"; {numbers.times(self.throughput_times_one_chip)} the sequences of one chip"
        return said + self._rate

    @property
    def _rate(self) -> str:
        return "" if self.sequences_per_s is None else f"; {self.sequences_per_s:,.0f} sequences a second"

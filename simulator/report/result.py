"""The report of a run: headline figures, and every table behind them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import fsum
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.arch import Architecture
from simulator.energy import AreaReport, EnergyReport, energy_by, energy_delay_js
from simulator.engine import STALLS, Activity
from simulator.mapping import Count
from simulator.report import explanation
from simulator.report.course import Course, GradientZeros
from simulator.report.scale_out import STALL as ALL_REDUCE
from simulator.report.scale_out import ScaleOut
from simulator.report.training import Training, integrate

if TYPE_CHECKING:
    import pandas as pd

    from simulator.report.break_even import BreakEven
    from simulator.report.plots import ReportPlots

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Report:
    """What a machine made of a trace.

    Attributes
    ----------
    arch : Architecture
    trace_sha256 : str
    steps : tuple of int
        Recorded steps that were replayed.
    activity : Activity
        Exact counts.
    energy : EnergyReport
        Their price.
    area : AreaReport or None
        The machine's parts on the chip.
    course : Course or None
        The training that the recorded steps are from.
    gradients : tuple of GradientZeros
        Zeros in the gate gradients of each replayed step.
    baseline, bound : Report or None
        The dense twin and the ideal mechanism on the same machine, if they were replayed.
    break_even : BreakEven or None
        From which share of zeros on the machine gains, if that was asked for.
    batch_size : int or None
        Sequences of a recorded step.
    """

    arch: Architecture
    trace_sha256: str
    steps: tuple[int, ...]
    activity: Activity
    energy: EnergyReport
    area: AreaReport | None = None
    course: Course | None = None
    gradients: tuple[GradientZeros, ...] = ()
    baseline: Report | None = field(default=None, repr=False)
    bound: Report | None = field(default=None, repr=False)
    break_even: BreakEven | None = field(default=None, repr=False)
    batch_size: int | None = None

    def beside(self, baseline: Report, bound: Report) -> Report:
        """Give the same report with its dense twin's and its bound's."""
        return replace(self, baseline=baseline, bound=bound)

    # --- headline ----------------------------------------------------------------------------------------

    @property
    def total_cycles(self) -> int:
        """Cycles of all steps."""
        return self.activity.total_cycles

    @property
    def time_us(self) -> float:
        """Time of all steps in microseconds."""
        return self.arch.cycles_to_us(self.total_cycles)

    @property
    def utilization(self) -> float:
        """Executed MACs over what all multipliers could have done in the time."""
        slots = self.arch.multipliers * self.total_cycles
        return int(self.activity.counts[:, Count.MACS_EXECUTED].sum()) / slots if slots else 0.0

    @property
    def speedup(self) -> float | None:
        """Dense cycles over cycles; None without a baseline."""
        return None if self.baseline is None else speedup(self.baseline.total_cycles, self.total_cycles)

    @property
    def bound_speedup(self) -> float | None:
        """Dense cycles over those of the ideal mechanism on the same machine; None without a baseline."""
        if self.baseline is None or self.bound is None:
            return None
        return speedup(self.baseline.total_cycles, self.bound.total_cycles)

    @property
    def energy_saving(self) -> float | None:
        """1 - energy / dense energy; None without a baseline."""
        if self.baseline is None:
            return None
        return energy_saving(self.baseline.energy.total_pj, self.energy.total_pj)

    @property
    def sparsity(self) -> float:
        """Share of zeros in the gate gradients of the replayed steps."""
        elements = sum(g.elements for g in self.gradients)
        return sum(g.zeros for g in self.gradients) / elements if elements else 0.0

    @property
    def energy_delay_js(self) -> float:
        """Energy times time of all replayed steps, in joule seconds."""
        return energy_delay_js(self.energy, self.activity, self.arch)

    @property
    def energy_delay_ratio(self) -> float | None:
        """Energy-delay product over the dense twin's: below 1 is better; None without a baseline."""
        if self.baseline is None or not self.baseline.energy_delay_js:
            return None
        return self.energy_delay_js / self.baseline.energy_delay_js

    @cached_property
    def training(self) -> Training | None:
        """The whole training that the recorded steps are from; None unless all of them were replayed."""
        return integrate(self)

    @cached_property
    def savings(self) -> dict[str, float]:
        """Shares of dense MACs that were not executed: backward, layers, network."""
        activity = self.activity
        recorded = activity.where(recorded=True)
        backward = activity.where(phase="backward")
        return {
            "backward": activity.saving(recorded & backward),
            "layers": activity.saving(recorded),
            "network": activity.saving(np.ones(len(activity.keys), dtype=bool)),
        }

    def cycles_by(self, field_name: str) -> dict[str, int]:
        """Sum the array's own cycles by ``phase``, ``product`` or ``layer``, in order of appearance."""
        sums: dict[str, int] = {}
        for key, cycles in zip(self.activity.keys, self.activity.array_cycles.tolist(), strict=True):
            name = str(getattr(key, field_name))
            if key.k:
                sums[name] = sums.get(name, 0) + cycles
        return sums

    def energy_by(self, field_name: str) -> dict[str, float]:
        """Sum the energy in pJ by ``phase``, ``product`` or ``layer``, in order of appearance.

        Everything that is counted belongs to a product; leakage is dealt out by the cycles that each takes of the run,
        stalled ones too. Tasks of the vector unit alone (``gates_backward``) are products here.
        """
        groups = energy_by(self.energy, self.activity, self.arch, field_name)
        return {name: fsum(components.values()) for name, components in groups.items()}

    @property
    def stalls(self) -> dict[str, int]:
        """Stalled cycles of the array by reason; with its own cycles they sum to the total.

        A single chip has no reason ``all_reduce``.
        """
        every = dict(zip(STALLS, self.activity.stalls.sum(axis=0).tolist(), strict=True))
        return {name: cycles for name, cycles in every.items() if name != ALL_REDUCE or self.arch.chips.count > 1}

    @property
    def scale_out(self) -> ScaleOut | None:
        """What several arrays and chips make of the run; None where there is one array on one chip."""
        return ScaleOut.of(self)

    def explain(self) -> list[str]:
        """Say in sentences what skipping saves here, because of what, and what limits it."""
        return explanation.explain(self)

    # --- forms -------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Give the report with the fixed key names of README's "JSON report"; plain Python numbers throughout.

        A machine of one array on one chip has no key ``scale_out``.
        """
        from simulator.report import detail

        totals = self.activity.totals()
        area = self.area if self.area is not None and self.area.lines else None
        report: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "architecture": {"name": self.arch.name, "digest": self.arch.digest},
            "trace": {"sha256": self.trace_sha256, "steps": list(self.steps)},
            "sparsity": self.sparsity,
            "macs": {
                **{kind: totals[f"macs_{kind}"] for kind in ("dense", "executed", "gated", "skipped")},
                **{f"saving_{name}": value for name, value in self.savings.items()},
            },
            "cycles": {
                "total": self.total_cycles,
                "by_phase": self.cycles_by("phase"),
                "by_product": self.cycles_by("product"),
                "stalls": self.stalls,
            },
            "time_us": self.time_us,
            "energy_pj": {
                "total": self.energy.total_pj,
                "by_component": self.energy.by_component(),
                **{f"by_{name}": self.energy_by(name) for name in ("phase", "product", "layer")},
                "making_zeros": self.energy.making_zeros_pj,
            },
            "energy_delay_js": self.energy_delay_js,
            "area_mm2": None if area is None else {"total": area.total_mm2, "by_component": area.by_component()},
            "macs_per_mm2": None if area is None else area.macs_per_mm2,
            "dram_bytes": {"read": totals["dram_read_bytes"], "write": totals["dram_write_bytes"]},
            "dram_commands": self.activity.dram_commands or None,
            "utilization": self.utilization,
            **({} if self.scale_out is None else {"scale_out": self.scale_out.to_dict()}),
            "baseline": None if self.baseline is None else self.baseline.to_dict(),
            "speedup": self.speedup,
            "energy_saving": self.energy_saving,
            "energy_delay_ratio": self.energy_delay_ratio,
            "bound_speedup": self.bound_speedup,
            "training": None if self.training is None else self.training.to_dict(),
            "break_even": None if self.break_even is None else self.break_even.to_dict(),
            "explanation": explanation.to_dict(self),
            **detail.to_dict(self),
            "products": self.products(),
        }
        return report

    def products(self) -> list[dict[str, Any]]:
        """List the products with MACs in program order; a serial product has one entry a time step.

        Of a folded run (see `Activity`), an entry's ``step`` is None, and ``steps`` says how many it sums.
        """
        activity, rows = self.activity, []
        columns = (
            activity.steps,
            activity.counts[:, Count.MACS_DENSE],
            activity.counts[:, Count.MACS_EXECUTED],
            activity.array_cycles,
            activity.start,
            activity.end,
        )
        table = zip(activity.keys, *(c.tolist() for c in columns), strict=True)
        for key, steps, dense, executed, cycles, start, end in table:
            if key.k == 0:
                continue
            row = {"step": key.step} | ({"steps": steps} if activity.folded else {})
            row |= {"layer": key.layer, "product": key.product}
            row |= {} if key.time is None else {"time": key.time}
            row |= {"m": key.m, "k": key.k, "n": key.n, "macs_dense": dense, "macs_executed": executed}
            rows.append({**row, "cycles": cycles, "start": start, "end": end})
        return rows

    def to_json(self) -> str:
        """Give `to_dict` as one line-broken JSON object; the same run gives the same bytes."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"

    def frame(self) -> pd.DataFrame:
        """Give a tidy table: one row per product, every count and stall a column with its unit."""
        from simulator.report.tables import product_frame

        return product_frame(self)

    def energy_frame(self) -> pd.DataFrame:
        """Give a tidy table of energies: one row per component."""
        from simulator.report.tables import energy_frame

        return energy_frame(self)

    @property
    def plot(self) -> ReportPlots:
        """Plots of this report, such as ``report.plot.energy()``."""
        from simulator.report.plots import ReportPlots

        return ReportPlots(self)

    def _repr_html_(self) -> str:
        from simulator.report.notebook import to_html

        return to_html(self)


def speedup(dense_cycles: int, cycles: int) -> float | None:
    """Dense cycles over cycles; None where nothing was done."""
    return dense_cycles / cycles if cycles else None


def energy_saving(dense_pj: float, pj: float) -> float | None:
    """1 - energy / dense energy; None where the dense machine takes none."""
    return 1 - pj / dense_pj if dense_pj else None

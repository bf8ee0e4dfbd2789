# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The energy report: what zeros save, and what skipping them costs
#
# A zero that is skipped saves a multiplication. The multiplier is a part of the machine only: words still come from
# buffers and DRAM, results still go back, and skipping itself reads masks, holds windows and packs bits. This page
# takes one replay apart until it is clear where every joule goes, on the zero-skipping machine and on its *dense
# twin*, the same machine without skipping; and it asks from which share of zeros on skipping pays at all.
#
# The trace is a shipped sample, a small character model. Every number in the text is computed in the cell above it: put
# in a trace or a machine of your own and read again.

# %%
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown, display

import traces
from simulator import load_arch, simulate
from simulator.explore import find_break_even
from simulator.report import numbers
from simulator.report.plots import speedup_by_sparsity
from simulator.report.plots.style import BLUE, VERMILLION, plain_frame
from simulator.run import bound_of
from traces import Trace


def tell(text):
    """Show a paragraph that was put together from numbers."""
    display(Markdown(" ".join(text.split())))


percent = numbers.percent
trace = Trace(Path(traces.__file__).parent / "samples" / "charlm_t1e-6.npz")
machine = load_arch("zero_skip")
report = simulate(machine, trace)
report

# %% [markdown]
# The report says its reasons itself, at its end and with `report.explain()`. The rest of this page shows how to find
# them.
#
# ## Components
#
# Exact counts come first (MACs, bits read, bytes moved), and each is multiplied by a price from the energy table. So
# the bars below are sums of counted things, and `report.energy_frame()` has every count with its price and the source
# of the price.

# %%
axes = report.plot.energy()

# %%
energy = report.energy_frame()
by_component = energy.pivot_table(index="component", columns="machine", values="energy_pj", aggfunc="sum", sort=False)
by_component = by_component.fillna(0.0)[by_component.sum(axis=1) > 0]
twin_pj = by_component["dense twin"].sum()
saved = (by_component["dense twin"] - by_component["this machine"]) / twin_pj
(by_component / 1e9).assign(saved_percent_of_twin=100 * saved).rename(
    columns={"this machine": "this machine (mJ)", "dense twin": "dense twin (mJ)"}
).round(3)

# %% [markdown]
# ## Dense against sparse
#
# The same as a picture: what each component gives back, and what skipping adds, in per cent of the dense twin's energy.
# Bars to the left are costs.

# %%
shown = saved[saved.abs() > 0.0005].sort_values()
figure, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
bars = ax.barh(shown.index, 100 * shown, color=[BLUE if value > 0 else VERMILLION for value in shown])
for bar, value in zip(bars, shown):
    bar.set_hatch("" if value > 0 else "///")
    bar.set_edgecolor("white")
ax.bar_label(bars, [f"{100 * value:+.1f}" for value in shown], padding=3, fontsize=8)
ax.axvline(0, color="black", linewidth=0.8)
ax.margins(x=0.12)
ax.set_xlabel("saved (+) or added (-), % of the dense twin's energy")
ax.set_title("What skipping gives back, and what it adds")
plain_frame(ax, "x")

# %%
added = -saved[saved < 0].sum()
given = saved[saved > 0].sum()
mac_share = by_component.loc["mac", "dense twin"] / twin_pj
mac_saved = 1 - by_component.loc["mac", "this machine"] / by_component.loc["mac", "dense twin"]
untouched = [name for name in by_component.index if saved[name] == 0]
tell(
    f"MACs are {percent(mac_share)} of the dense twin's energy, and {percent(mac_saved)} of that goes: "
    f"{percent(saved['mac'])} of the whole. With what else shrinks (fewer words, less waiting) {percent(given)} is given "
    f"back, and {percent(added)} is added: {percent(report.energy_saving)} is left. Not touched at all: "
    f"{', '.join(untouched)}. The making of the zeros, threshold and packing of masks included, takes "
    f"{percent(report.energy.making_zeros_pj / report.energy.total_pj)} of the energy here."
)
assert abs(given - added - report.energy_saving) < 1e-9

# %% [markdown]
# ## Products
#
# Six products make up a training step of a recurrent layer. Those of the forward phase see hardly a zero; those of the
# backward phase all read the gate gradient dG. What a MAC costs differs between them, because they use a word that was
# fetched differently often: `dh` works on a batch only, one time step after the other.

# %%
products = report.frame()
each = products[products["macs_dense"] > 0].groupby("product", sort=False).agg(
    phase=("phase", "first"),
    macs_dense=("macs_dense", "sum"),
    macs_executed=("macs_executed", "sum"),
    array_cycles=("array_cycles", "sum"),
    energy_pj=("energy_pj", "sum"),
)
each["saved_percent"] = 100 * (1 - each["macs_executed"] / each["macs_dense"])
each["pj_per_dense_mac"] = each["energy_pj"] / each["macs_dense"]
each.round(2)

# %%
dearest, cheapest = each["pj_per_dense_mac"].idxmax(), each["pj_per_dense_mac"].idxmin()
forward = each[each["phase"] == "forward"]
tell(
    f"A MAC of the training costs {each.loc[cheapest, 'pj_per_dense_mac']:.1f} pJ in `{cheapest}` and "
    f"{each.loc[dearest, 'pj_per_dense_mac']:.1f} pJ in `{dearest}`. The forward phase is "
    f"{percent(forward['macs_dense'].sum() / each['macs_dense'].sum())} of the MACs and "
    f"{percent(forward['energy_pj'].sum() / each['energy_pj'].sum())} of the energy that is left: the more the backward "
    "phase skips, the more the forward phase is what remains."
)

# %% [markdown]
# ## Cycles, and where the overhead goes
#
# Time splits in the same way. The array's own cycles are the work on each product; in the others it stalls, and the
# report says on what.

# %%
axes = report.plot.cycles()

# %% [markdown]
# While it works, the array does not use all of its slots. Lanes wait for slower lanes (*imbalance*), the window waits for
# new words (*refill*), and a product with fewer rows than the array has lanes leaves lanes empty (*short passes*).

# %%
axes = report.plot.slots()

# %%
axes = report.plot.roofline()

# %%
peak, rate = machine.multipliers, machine.dram_bytes_per_cycle
totals = report.activity.totals()
intensity = totals["macs_executed"] / (totals["dram_read_bytes"] + totals["dram_write_bytes"])
ridge = peak * rate[1] / rate[0]
tell(
    f"The roofline puts both together. The run executes {intensity:.1f} MACs for each byte of DRAM traffic; this machine "
    f"needs {ridge:.1f} to be bound by its array. Skipping takes MACs away and leaves most of the traffic, so every point "
    f"moves to the left: a machine that was {'balanced' if intensity > ridge / 2 else 'bound by its DRAM'} when dense asks "
    "for more bandwidth when sparse."
)
for sentence in report.explain():
    tell(sentence)

# %% [markdown]
# ## Break-even
#
# Reading masks, filling windows and choosing non-zeros costs the same whether or not there are zeros to find. So there is
# a share of zeros below which the dense machine is better. `find_break_even` replays synthetic steps of the trace's
# shapes, from no zeros in dG to nothing but zeros.

# %%
found = find_break_even(machine, trace, report=report)
panels = replace(report, break_even=found).plot.break_even()

# %%
for sentence in found.sentences():
    tell(sentence)

# %% [markdown]
# Real zeros are not independent. They lie in columns and runs, which is bad for lanes that wait for each other; and x and
# h have zeros of their own, which the curve leaves out. So the recorded steps lie beside the curve and not on it. Against
# what the saved MACs alone would give, even ideal skipping on this machine stays far behind: the rest is the DRAM, the
# serial chain and the forward phase.

# %%
ideal = find_break_even(bound_of(machine), trace).points
axes = speedup_by_sparsity(replace(report, break_even=found), ideal=ideal)

# %% [markdown]
# ## Does it depend on the prices?
#
# Counts do not. Prices do, and they are the least certain numbers here, so change them: the shipped tables are for 45 nm
# and 7 nm, and a table of yours is a file away. The machine is the same, its cycles are the same, and only the joules
# differ.

# %%
rows = []
for table in ("cmos_45nm", "cmos_14nm", "cmos_7nm"):
    one = simulate(machine.replaced("energy_table", table), trace)
    assert one.total_cycles == report.total_cycles
    share = one.energy.by_component()
    rows.append(
        {
            "energy table": table,
            "energy (mJ)": one.energy.total_pj / 1e9,
            "MACs (%)": 100 * share["mac"] / one.energy.total_pj,
            "DRAM (%)": 100 * (share["dram_read"] + share["dram_write"]) / one.energy.total_pj,
            "saved (%)": 100 * one.energy_saving,
        }
    )
prices = pd.DataFrame(rows).set_index("energy table")
prices.round(2)

# %%
low, high = prices["saved (%)"].min(), prices["saved (%)"].max()
tell(
    f"Between these tables the saving goes from {low:.1f} % to {high:.1f} %. What dominates it is how much of the energy is "
    "arithmetic: where wires and DRAM take a larger part, a skipped MAC is worth less."
)

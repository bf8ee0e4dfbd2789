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
# # The design space: which machine, and which of its parts matters
#
# One replay answers what one machine makes of a trace. A designer has the other question: of all machines that could be
# built, which ones are worth a look, and which knob decides? This page
#
# 1. describes a small *space* of machines and replays a recorded step on each (a *sweep*),
# 2. keeps the points that no other one beats (the *frontier*),
# 3. asks which axis moves what (the *sensitivity*).
#
# From the command line these are `skipstone sweep`, `skipstone frontier` and `skipstone sensitivity`. In a script, guard a
# sweep with `if __name__ == "__main__":`, for it may start worker processes; here one process is enough.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown, display

from simulator import load_arch
from simulator.explore import Space, run_sweep
from simulator.explore.frontier import Objective, frontier
from simulator.explore.frontier_plot import frontier_of_two
from simulator.explore.rows import read_table
from simulator.explore.sensitivity import sensitivities
from simulator.report import numbers
from simulator.report.plots.style import BLUE, HATCHES, ORANGE, SHARES_MAP, plain_frame


def tell(text):
    """Show a paragraph that was put together from numbers."""
    display(Markdown(" ".join(text.split())))


# %% [markdown]
# ## A space
#
# `zero_skip` lets its lanes run ahead of the slowest one within a window: `depth` positions of the shared operand are held
# for all lanes, and `refill` of them can be replaced in a cycle. Deeper windows find more work and cost more buffer and
# wider selectors; more lanes are quicker and wait more for each other; and whatever the array does, the DRAM must keep up.
# So there are four axes, over any keys that a machine file has; a key is written as in `--set`.
#
# Combinations that are no machine (a refill beyond the depth) become rows that say why.

# %%
space = Space.parse(
    {
        "name": "window-and-bandwidth",
        "archs": ["zero_skip"],
        "traces": ["sample:charlm_t1e-6"],
        "steps": "2000:",
        "axes": {
            "array.rows": [8, 16, 32, 64],
            "skipping.depth": [2, 8, 32],
            "skipping.refill": [2, 8],
            "memory.dram.bandwidth_gb_per_s": [32, 128],
        },
    }
)
folder = tempfile.TemporaryDirectory()  # give a folder of your own, and a sweep that was stopped goes on there
outcome = run_sweep(space, folder.name, workers=1)
outcome

# %% [markdown]
# The sweep is also a tidy table, one row a point, with units in the names of its columns. (`simulator.sweep` is the short
# form that returns the table alone.)

# %%
points = outcome.frame().query("status == 'ok'")
axes_of_space = ["array.rows", "skipping.depth", "skipping.refill", "memory.dram.bandwidth_gb_per_s"]
points[[*axes_of_space, "cycles_total", "time_us", "energy_total_pj", "speedup", "energy_saving", "bound_speedup"]].head()

# %% [markdown]
# ## What a window buys
#
# Speed-up over the dense twin *of the same array and memory*.

# %%
rate_of = "memory.dram.bandwidth_gb_per_s"
windows = ["skipping.depth", "skipping.refill"]
bandwidths = sorted(points[rate_of].unique())
tables = [
    points[points[rate_of] == rate].pivot(index=windows, columns="array.rows", values="speedup") for rate in bandwidths
]
least, most = min(t.min().min() for t in tables), max(t.max().max() for t in tables)
figure, panels = plt.subplots(1, len(tables), figsize=(8.4, 3.0), layout="constrained", sharey=True)
for rate, table, ax in zip(bandwidths, tables, panels):
    image = ax.imshow(table, cmap=SHARES_MAP, vmin=least, vmax=most, aspect="auto", origin="lower")
    for (row, column), value in np.ndenumerate(table):
        ink = "white" if value < (least + most) / 2 else "black"
        ax.annotate(f"{value:.2f}", (column, row), ha="center", va="center", color=ink, fontsize=9)
    ax.set_xticks(range(len(table.columns)), table.columns)
    ax.set_yticks(range(len(table.index)), [f"{depth} / {refill}" for depth, refill in table.index])
    ax.set_xlabel("lanes of the array")
    ax.set_title(f"DRAM of {rate:g} GB/s")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
panels[0].set_ylabel("window: depth / refill")
bar = figure.colorbar(image, ax=panels, label="speed-up over the dense twin")

# %%
slow, quick = tables[0], tables[-1]
few, many = quick.columns[0], quick.columns[-1]
small, large = quick.index[0], quick.index[-1]
tell(
    f"With {bandwidths[-1]:g} GB/s, going from a window of {small[0]} / {small[1]} to one of {large[0]} / {large[1]} takes "
    f"{few} lanes from {quick.loc[small, few]:.2f}x to {quick.loc[large, few]:.2f}x, and {many} lanes from "
    f"{quick.loc[small, many]:.2f}x to {quick.loc[large, many]:.2f}x. With {bandwidths[0]:g} GB/s and {many} lanes it makes "
    f"{slow.loc[large, many] - slow.loc[small, many]:.2f} of difference: an array that waits for its DRAM gains nothing from "
    "a better window."
)

# %% [markdown]
# ## The frontier
#
# A quicker machine is not always the one that takes less energy, and a DRAM with more bandwidth is not free. The frontier
# keeps every point that no other one beats in both objectives. More objectives are possible, and `per` compares only like
# with like: here, points of the same DRAM.

# %%
results = read_table(outcome.path)
objectives = [Objective.parse("time_us"), Objective.parse("energy_total_pj")]
found = frontier(results, objectives, per=["memory.dram.bandwidth_gb_per_s"])
axes = frontier_of_two(found)
legend_title = axes.get_legend().set_title("DRAM, GB/s")
title = axes.set_title("Time against energy of one training step")

# %%
of_rate = {rate: [row for row in found.kept if float(row[rate_of]) == rate] for rate in bandwidths}
best = [min(of_rate[rate], key=lambda row: float(row["time_us"])) for rate in bandwidths]
said = "; ".join(
    f"at {rate:g} GB/s {row['array.rows']} lanes, depth {row['skipping.depth']} and refill {row['skipping.refill']}, "
    f"{numbers.time(float(row['time_us']))} and {numbers.energy(float(row['energy_total_pj']))}"
    for rate, row in zip(bandwidths, best)
)
tell(f"{len(found.kept)} of {len(found.considered)} points are kept. The quickest of each memory: {said}.")

# %% [markdown]
# What a step takes says nothing of what the machine costs. A frontier can be asked of any CSV with a header, so put a column
# of your own beside the measures: here the chip's area, for the parts that the energy table knows.

# %%
from simulator.energy import area, load_energy_table

prices = load_energy_table(load_arch("zero_skip").energy_table)


def area_mm2(point):
    """Area of the machine of a row."""
    machine = load_arch("zero_skip", [f"{name}={point[name]}" for name in axes_of_space])
    return area(machine, prices).total_mm2


with_area = points.assign(area_mm2=points.apply(area_mm2, axis=1))
with_area.to_csv(Path(folder.name) / "with_area.csv", index=False)
objectives = [Objective.parse("time_us"), Objective.parse("area_mm2:min")]
of_area = frontier(read_table(Path(folder.name) / "with_area.csv"), objectives, per=[rate_of])
axes = frontier_of_two(of_area)
legend_title = axes.get_legend().set_title("DRAM, GB/s")
title = axes.set_title("Time of a training step against area")

# %% [markdown]
# ## Sensitivity
#
# Of these knobs, which one matters? For two machines that differ in one axis alone, the *change* is what going from the
# worse to the better saves; the mean is over all such pairs.

# %%
measures = ["cycles_total", "energy_total_pj"]
told = sensitivities(results, measures)
order = list(dict.fromkeys(one.axis for one in told))
figure, ax = plt.subplots(figsize=(6.8, 3.2), layout="constrained")
for index, (measure, color, hatch) in enumerate(zip(measures, (BLUE, ORANGE), (HATCHES[0], HATCHES[1]))):
    by_axis = {one.axis: one for one in told if one.measure == measure}
    places = np.arange(len(order)) + (index - 0.5) * 0.36
    bars = ax.barh(
        places,
        [100 * by_axis[name].mean_change for name in order],
        0.34,
        color=color,
        hatch=hatch,
        edgecolor="white",
        label={"cycles_total": "cycles", "energy_total_pj": "energy"}[measure],
    )
    labels = ax.bar_label(bars, [f"{100 * by_axis[name].mean_change:.1f}" for name in order], padding=3, fontsize=8)
ax.set_yticks(range(len(order)), order)
ax.invert_yaxis()
ax.margins(x=0.1)
ax.set_xlabel("mean change between two levels of the axis (%)")
plain_frame(ax, "x")
legend = ax.legend(frameon=False)

# %%
first = told[0]
of_energy = next(one for one in told if one.measure == "energy_total_pj")
tell(
    f"`{first.axis}` moves the cycles most: {numbers.percent(first.mean_change)} on average, and at most "
    f"{numbers.percent(first.largest_change)}, from {first.largest.worse} to {first.largest.better}. Energy moves with "
    f"`{of_energy.axis}` most, by {numbers.percent(of_energy.mean_change)} on average: a word or a MAC costs what it costs "
    "however long it waits, so what a knob does to time and what it does to energy are two questions."
)

# %% [markdown]
# ## Larger spaces
#
# A space can have conditions (`only_if`), ranges, several traces and a random or Latin hypercube sample of its points; a
# file for `skipstone sweep` holds the same mapping as above. Points are kept as they come, so that a sweep that was
# interrupted goes on where it was, and one that is changed evaluates only what is new.

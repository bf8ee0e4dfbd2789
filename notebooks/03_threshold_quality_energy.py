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
# # Thresholds: quality against energy
#
# Zhu, Rhu, Clemons, Keckler and Xie ("Training LSTM with sparsified SGD", 2016) set gate gradients below a threshold to
# zero while they train. They report more than 80 % of zeros without harm, and conclude that over half of the MACs of
# training are redundant. This page redraws their figures from runs of our own and adds the two questions that a hardware
# designer asks next: where do the zeros lie, and what does a per cent of quality buy in joules?
#
# The runs are those of `skipstone study paper --scale small`: character models of a size that one machine bears, far
# from converged. Their results are kept in the repository under `notebooks/study`; point `study` at a folder of your own
# runs and everything below is drawn from them.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

import traces
from simulator.report import numbers
from simulator.report.plots import gate_activations, sparsity_by_step
from simulator.report.plots.style import BLUE, GREEN, GREYS, HATCHES, ORANGE, SKY, VERMILLION, legend_beside, plain_frame
from simulator.study import Results, paper_study
from simulator.study.codesign import best_within, pictures
from simulator.study.codesign_figure import codesign
from simulator.study.figures import curves, quality_energy
from simulator.study.measuring import MACHINES
from simulator.study.tables import summary
from traces import Trace
from traces.histograms import noted_activations

study = Path(traces.__file__).parents[1] / "notebooks" / "study"  # of a checkout
if not study.is_dir():
    raise FileNotFoundError(f"no results in {study}: take a checkout of Skipstone, or run `skipstone study paper`")
rows = Results(study).rows
groups = {group.name: group for group in paper_study("small")}


def tell(text):
    """Show a paragraph that was put together from numbers."""
    display(Markdown(" ".join(text.split())))


def told(measure, decimals=1):
    """Say a share as per cent, with its spread over seeds where there is one."""
    spread = "" if measure.spread is None else f" ± {100 * measure.spread:.{decimals}f}"
    return f"{100 * measure.mean:.{decimals}f}{spread}"


# %% [markdown]
# ## The paper's table, from our runs
#
# A row is a threshold. *Zeros* are the share of gate gradients that are zero in the later half of the training, *loss* is
# how much worse the figure on held-out text is than that of the dense run from the same seed, and *cosine* says how far
# the thresholded weight gradient still points in the direction of the whole one.

# %%
main = [summary(condition, rows) for condition in groups["thresholds"].conditions]
table = pd.DataFrame(
    {
        "threshold": [one["label"].removeprefix("threshold ") for one in main],
        "seeds": [one["runs"] for one in main],
        "zeros (%)": [told(one["sparsity"]) for one in main],
        "loss (%)": [told(one["loss"], 2) for one in main],
        "cosine of dW": [f"{one['cosine'].mean:.3f}" for one in main],
        "MACs saved, layers (%)": [told(one["macs_saved"]) for one in main],
        "energy saved (%)": [told(one[MACHINES[0]]["energy_saving"]) for one in main],
    }
).set_index("threshold")
table

# %% [markdown]
# The same as curves, for two sizes of the network, beside the zeros that the paper states. A fixed threshold is absolute:
# what it does depends on how large gradients are, and so on how the loss is averaged, on batch and sequence, and on the
# size of the network. The larger network here has the paper's own sizes and is sparser at the same threshold, as the
# paper's is.

# %%
PAPER = {1e-8: 45, 1e-7: 70, 1e-6: 80}  # per cent of zeros, as the paper states them
sets = {
    "3 x 96 cells": (groups["thresholds"], BLUE, "o-"),
    "3 x 256 cells, 600 steps": (groups["papers-size"], ORANGE, "s--"),
}
figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.6), layout="constrained")
for name, (group, color, style) in sets.items():
    found = []
    for condition in group.conditions:
        threshold = condition.runs[0].policy.get("threshold", 0.0)
        one = summary(condition, rows)
        if threshold and one["loss"] is not None:
            found.append((threshold, 100 * one["sparsity"].mean, 100 * (one["sparsity"].spread or 0), 100 * one["loss"].mean))
    found.sort()
    thresholds, zeros, spread, loss = zip(*found)
    left.errorbar(thresholds, zeros, spread, fmt=style, color=color, capsize=3, label=name)
    right.plot(thresholds, loss, style, color=color, label=name)
left.plot(PAPER.keys(), PAPER.values(), "^:", color="black", label="the paper")
right.axhline(0, color=GREYS[2], linewidth=0.8)
right.axhline(1, color=GREYS[2], linewidth=0.8, linestyle="--")
right.set_yscale("symlog", linthresh=2)
right.set_yticks([-1, 0, 1, 2, 5, 10, 20, 50, 100], ["-1", "0", "1", "2", "5", "10", "20", "50", "100"])
right.set_yticks([], minor=True)
for ax, label in ((left, "zeros in dG (%)"), (right, "loss of the test figure (%)")):
    ax.set_xscale("log")
    ax.set_xlabel("threshold")
    ax.set_ylabel(label)
    plain_frame(ax)
left.set_ylim(0, 105)
legend = left.legend(frameon=False, fontsize=8)

# %% [markdown]
# How training goes under each threshold: the mean over seeds, and the range between them.

# %%
axes = curves(groups["thresholds"], rows)

# %%
good = [one for one in main if one["loss"].mean < 0.01]
best, last = max(good, key=lambda one: one["sparsity"].mean), main[-1]
tell(
    f"Here the sparsest network that loses less than a per cent on average has {told(best['sparsity'])} % of zeros "
    f"({best['label']}). At {last['label']} the loss is {told(last['loss'], 1)} %, for not every seed "
    "learns. The largest threshold that still trains is close to the one that does not, so a threshold that is held at a share of "
    "zeros, or at a share of the RMS, is safer than a number; both are drawn below."
)

# %% [markdown]
# ## Why there are zeros: the gates
#
# The paper's explanation is in the activations: a gate at an end of its range has a derivative of nearly zero, and the
# gradient is multiplied by it. The paper finds the gates skewed after half a per cent of the training and steady after a
# tenth. Recorders note histograms of the activations at these points and at the end; the ones below are from the shipped
# trace of a translation model.

# %%
samples = Path(traces.__file__).parent / "samples"
translation = Trace(samples / "translation_s80.npz")
panels = gate_activations(translation)

# %%
def at_ends(path):
    """Share of the activations of sigmoid gates that lie within a tenth of 0 or 1, by layer and step, in per cent."""
    found, trace = {}, Trace(path)
    for number, layer in ((number, layer) for number in trace.steps for layer in trace.layers):
        histograms = noted_activations(trace.entry(number)).get(layer.name, {})
        counts = np.array([counts for gate, counts in histograms.items() if gate in "ifozr"])
        if counts.size:  # twenty bins from -1 to 1
            share = counts[:, [10, -1]].sum() / counts.sum()
            found.setdefault(f"{path.stem}: {layer.name}", {})[number / trace.steps[-1]] = 100 * share
    return found


ends = pd.DataFrame({name: row for path in sorted(samples.glob("*.npz")) for name, row in at_ends(path).items()}).T
ends = ends.rename(columns=lambda share: f"{100 * share:g} % of the training")
ends.round(1)

# %%
early, late = ends.iloc[:, 0], ends.iloc[:, -1]
tell(
    f"The last column is larger than the first in {(late > early).sum()} of {len(ends)} layers: at the first of these points "
    f"at most {early.max():.0f} % of the activations are near an end, and in the end up to {late.max():.0f} %. So the gates of "
    "these small models begin in the middle and move to the ends as they learn, later than the paper says of its own."
)

# %% [markdown]
# The zeros by layer, gate and step, of the character model with a threshold of 1e-6. At the first step nearly all
# gradients are below it; then they grow. The cell gate *g* behaves unlike the others.

# %%
axes = sparsity_by_step(Trace(samples / "charlm_t1e-6.npz"))

# %% [markdown]
# ## Where the zeros lie
#
# A share of zeros says little as long as nobody knows why they are zero. A network that does not learn, or one whose
# units are dead, is sparse, and its sparsity is worth nothing. So each run also says where its zeros lie: in *dead* gates
# (zero for the whole batch at all times), in whole *columns* of the batch, in whole *rows*, or *scattered*. Hardware that
# skips columns can use the first two only.

# %%
chosen = [("thresholds", 3), ("thresholds", 4), ("health", 3), ("health", 4), ("health", 5)]
conditions = [groups[name].conditions[place] for name, place in chosen]
measured = [summary(condition, rows) for condition in conditions]
labels = [f"{one['label']}\n{told(one['sparsity'])} % zeros, {one['quality'].mean:.2f} bits" for one in measured]
looks = {"dead": (VERMILLION, HATCHES[3]), "column": (ORANGE, HATCHES[0]), "row": (GREEN, HATCHES[2]), "scattered": (BLUE, HATCHES[0])}
figure, ax = plt.subplots(figsize=(7.6, 3.2), layout="constrained")
start = np.zeros(len(measured))
for place, (color, hatch) in looks.items():
    shares = np.array([100 * one[place].mean for one in measured])
    ax.barh(labels, shares, left=start, label=place, color=color, hatch=hatch, edgecolor="white", linewidth=0.5)
    start += shares
ax.invert_yaxis()
ax.set_xlim(0, 100)
ax.set_xlabel("share of the zeros (%)")
plain_frame(ax, None)
legend_beside(ax)

# %%
healthy, careless = measured[0], measured[-1]
tell(
    f"In careful training {told(healthy['scattered'])} % of the zeros are scattered: hardly a unit is dead, and a "
    f"machine must find zeros one by one. In careless training (no clipping, a classifier that starts at zero) the same threshold gives "
    f"{told(careless['sparsity'])} % of zeros, of which {told(careless['dead'])} % lie in dead gates, and the text is "
    f"predicted at {careless['quality'].mean:.2f} bits per character instead of {healthy['quality'].mean:.2f}. Sparsity "
    "without quality beside it says nothing."
)

# %% [markdown]
# ## What the zeros are worth
#
# By counting alone: of the three phases of a layer's MACs two read dG, so a share s of zeros removes about two thirds of s.
# One-hot inputs of a character model add to that. Time and energy save less, because not everything is a MAC.

# %%
figure, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
every = [summary(condition, rows) for name in ("thresholds", "policies", "structures") for condition in groups[name].conditions]
zeros = [100 * one["sparsity"].mean for one in every]
ax.plot([0, 100], [0, 200 / 3], color="black", linewidth=1, label="two thirds of the zeros")
ax.plot(zeros, [100 * one["macs_saved"].mean for one in every], "o", color=BLUE, label="MACs of the layers")
ax.plot(zeros, [100 * one[MACHINES[0]]["energy_saving"].mean for one in every], "s", color=ORANGE, label=f"energy, {MACHINES[0]}")
ax.plot(zeros, [100 * one[MACHINES[1]]["energy_saving"].mean for one in every], "^", color=GREEN, label=f"energy, {MACHINES[1]}")
ax.set_xlim(0, 100)
ax.set_ylim(bottom=0)
ax.set_xlabel("zeros in dG, later half of the training (%)")
ax.set_ylabel("saved (%)")
plain_frame(ax, "both")
legend_beside(ax)

# %% [markdown]
# ## Quality against energy
#
# Now both on one picture: what each way of making zeros loses in quality, against what the whole training saves in energy.
# Everything below the dashed line costs less than a per cent.

# %%
axes = quality_energy([groups[name] for name in ("thresholds", "policies", "structures")], rows)

# %% [markdown]
# And as a frontier for each machine. Filled marks are on it; hollow ones are beaten by something that loses less and
# saves more. The numbers are those of `notebooks/study/report.md`, where each has its name.

# %%
picture = max(pictures(tuple(groups.values()), rows)[0], key=lambda one: len(one.points))
figure, panels = plt.subplots(1, 2, figsize=(9.6, 4.4), layout="constrained")
pair = codesign(picture, tuple(panels))

# %%
for machine in MACHINES[:2]:
    found = best_within(picture.points, lambda point: point.energy.get(machine), 0.01)
    if found is not None:
        point, saving = found
        tell(
            f"With at most a per cent of loss, the best on `{machine}` is *{point.label}*: it saves "
            f"{numbers.percent(saving)} of the energy of the training."
        )

# %% [markdown]
# ## What is not claimed
#
# These are small networks, trained for a thousand steps, most with three seeds. The spread over seeds is often as large as
# the loss that is looked for. `skipstone study paper --scale medium` and `--scale paper` are the same study at larger
# sizes, and this page draws their results as it does these.

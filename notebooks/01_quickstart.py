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
# # Quickstart: from a training run to joules
#
# When an LSTM is trained, most of its *gate gradients* are tiny. Set those below a threshold to zero, and all four
# matrix products of the backward pass multiply by zero most of the time. An ordinary MAC array does that work all
# the same. A *zero-skipping* array does not.
#
# Skipstone answers what that is worth, in two steps:
#
# 1. **record** a real training run: which gate gradients were zero, bit by bit;
# 2. **replay** the record on a model of a machine: cycles, stalls, DRAM traffic and energy, from exact counts.
#
# This page does both in less than a minute, on a model far smaller than any that matters.

# %% [markdown]
# ## Record
#
# A character language model learns from text that every Python carries, its own documentation. Gate gradients of at
# most 1e-5 become zero before anything is computed from them, so that training lives with its own approximation: a
# lower threshold leaves fewer zeros and a better model. Every hundredth step is recorded.

# %%
import tempfile
from pathlib import Path

from traces.char_lm import CharLMSettings, record_char_lm
from traces.thresholds import Fixed

folder = tempfile.TemporaryDirectory()  # gone when the kernel ends; give a path of your own to keep the trace
settings = CharLMSettings(
    corpus="python-docs",
    layers=2,
    hidden=64,
    sequence=32,
    batch=32,
    policy=Fixed(1e-5),
    steps=300,
    record_every=100,
)
recording = record_char_lm(settings, Path(folder.name) / "run.npz")
final = recording.header["final"]
quality = f"{final['test_bits_per_character']:.2f} bits per character on unseen text"
print(f"{recording.path.name}: {recording.size_bytes:,} bytes; {quality}")

# %% [markdown]
# ## Inspect
#
# A trace holds one bit per gate gradient. How many are zero depends on the gate (*i*nput, *f*orget, cell *g*, *o*utput),
# on the layer, and on how far training has come.

# %%
import pandas as pd

from traces import Trace
from traces.statistics import trace_rows

trace = Trace(recording.path)
measured = pd.DataFrame(trace_rows(trace))
measured["zeros_percent"] = 100 * measured["sparsity"]
measured.pivot(index=["layer", "step"], columns="gate", values="zeros_percent").round(1)

# %% [markdown]
# ## Replay
#
# `zero_skip` is a machine that could be built: 32 x 32 MACs, a window that lets lanes run ahead by 16 positions, on-chip
# buffers, and DRAM. `simulate` replays every recorded step on it, and also on its *dense twin*, the same machine without
# skipping, and on a *bound*, the same machine if non-zeros could be spread evenly over its lanes.

# %%
from simulator import simulate

report = simulate("zero_skip", trace)
report

# %% [markdown]
# ## Where the energy goes
#
# Skipping saves multiplications. It does not save everything around them, and it adds work of its own: masks are fetched,
# windows are staged. So look at the whole bar and not only at its `mac` part.

# %%
axes = report.plot.energy()

# %% [markdown]
# ## In a sentence

# %%
savings = report.savings
stalled = sum(report.stalls.values()) / report.total_cycles
print(
    f"Of the backward pass's MACs {savings['backward']:.0%} were skipped, which is {savings['layers']:.0%} of the recurrent "
    f"layers and {savings['network']:.0%} of the network; the machine ran {report.speedup:.2f} times as fast as its dense "
    f"twin (the bound is {report.bound_speedup:.2f}), on {report.energy_saving:.0%} less energy, "
    f"and its array stood still {stalled:.0%} of the time."
)

# %% [markdown]
# The forward pass is a third of a layer's work and stays dense, but for the one-hot input: even if every gate
# gradient were zero, about two thirds of the MACs could go and no more. The stalls say what to look at next.
#
# `report.frame()` has every product with its counts, `report.energy_frame()` every price with its source, and
# `simulator.sweep("depth_refill")` asks how deep the window should be. A change to the machine is one argument away:
# `load_arch("zero_skip", overrides=["skipping.depth=4"])`.
#
# Next: `02_energy_report` takes such a report apart, `03_threshold_quality_energy` asks what the zeros cost in quality,
# `04_design_space` compares many machines, `05_your_pytorch_model` records yours, `06_your_own_mechanism` skips zeros in a
# way of your own, and `07_one_product` follows a single product through the machine.

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
# # One product, from its zeros to joules
#
# This page takes one matrix product of a recorded training step by the hand and leads it through the model of a
# machine: what its zeros are worth to the array, how it is cut into tiles, which bytes that moves, when each unit
# works, and what the DRAM makes of it. At the end three whole machines say what skipping is worth to them.
#
# You need to know what a MAC array and a matrix product are. The words of this model are explained where they first
# appear; `MODEL.md` has all of them. Every number in the text is computed in the cell above it, from the shipped
# sample: change the sample, the machine or the product, and the text changes with it.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown, display
from matplotlib.colors import ListedColormap

import traces
from simulator import load_arch, simulate
from simulator.report import numbers
from simulator.report.plots import GREYS, PALETTE
from simulator.workload import lower
from traces import Trace


def tell(text):
    """Show a paragraph that was put together from numbers."""
    display(Markdown(" ".join(text.split())))


percent, count = numbers.percent, numbers.count

# %% [markdown]
# ## The product and its zeros
#
# The sample is a character language model of three LSTM layers. When it was trained, gate gradients below a threshold
# were set to zero, and which ones was recorded. We take the last recorded step, the top layer, and two of the
# products of its backward pass:
#
# * **dh** carries the gradient from one time step to the one before. There is one such product for each time step,
#   each waits for the one after it in time, and so they are called a *serial chain*. We look at one in the middle.
# * **dW** sums up what the whole sequence says about the weights of the layer: one product, and nobody waits for it.
#
# Both multiply the gate gradient dG, here called the *skip operand* because its zeros can be skipped, by a *shared
# operand* that all rows share. A product is M x K x N: M rows and K columns of the skip operand, N columns of the
# shared one.

# %%
trace = Trace(Path(traces.__file__).parent / "samples" / "charlm_t1e-6.npz")
number, layer = trace.steps[-1], trace.layers[-1]
workload = lower(trace, trace.step(number))


def of_layer(name):
    """All products of that name in the layer; of a serial one, one for each time step."""
    return [p for p in workload.products if (p.layer, p.name) == (layer.name, name)]


def nonzeros(product):
    """Where the skip operand of a product is not zero: bool [M, K]."""
    operand = product.mask
    bits = np.unpackbits(operand.packed, axis=1, count=operand.bits, bitorder="little").astype(bool)
    return bits if operand.lanes_hold == "rows" else bits.T


dh = sorted(of_layer("dh"), key=lambda p: p.time)[len(of_layer("dh")) // 2]
(dW,) = of_layer("dW")

figure, panels = plt.subplots(2, 1, figsize=(8, 5.2), layout="constrained", height_ratios=(1, 2.2))
for product, ax in zip((dh, dW), panels):
    zeros = 1 - nonzeros(product).mean()
    ax.imshow(nonzeros(product), aspect="auto", cmap=ListedColormap(["#FFFFFF", PALETTE[0]]), interpolation="nearest")
    time = "" if product.time is None else f", time step {product.time}"
    ax.set_title(f"{layer.name} {product.name}{time}: {percent(zeros)} zeros (white)", loc="left", fontsize=10)
middles = [layer.hidden_size * (i + 0.5) for i in range(len(layer.gate_order))]
panels[0].set_xticks(middles, layer.gate_order)
panels[0].set(xlabel="position: gate and unit", ylabel="row: sequence")
panels[1].set_yticks(middles, layer.gate_order)
panels[1].set(xlabel="position: time step and sequence", ylabel="row: gate and unit")
for gate in range(1, len(layer.gate_order)):
    panels[0].axvline(gate * layer.hidden_size - 0.5, color="black", linewidth=0.8)
    panels[1].axhline(gate * layer.hidden_size - 0.5, color="black", linewidth=0.8)
assert dh.k == dW.m == len(layer.gate_order) * layer.hidden_size

# %%
tell(
    f"In step {count(number)}, dh of time step {dh.time} is a product of {dh.m} x {dh.k} x {dh.n} and dW one of {dW.m} "
    f"x {dW.k} x {dW.n}. The same gradient is read twice: by rows in dh, whose {dh.m} rows are the sequences of the "
    f"batch, and by columns in dW, whose {dW.m} rows are the gates of the {layer.hidden_size} cells and whose "
    f"{count(dW.k)} positions are all time steps of all sequences."
)

# %% [markdown]
# ## What skipping makes of it
#
# `zero_skip` is a machine that could be built. Its array has rows, called *lanes*, and columns. A lane takes one row
# of the skip operand and walks along K, one position a cycle; all columns of the array take the same walk. So many
# rows at a time as there are lanes are one *pass*.
#
# A dense array walks over every position. This one lets each lane go on to its next non-zero, as long as that lies
# within a *window* of positions ahead of the slowest lane: the words of the shared operand in the window are held for
# all lanes, and only a few new words (`refill`) can come in a cycle. The *bound* is what nobody can beat on this
# array: all non-zeros of the pass dealt out evenly to its lanes.
#
# `run_pass` is that law alone, on any mask you like.

# %%
from simulator.skipping import run_pass

machine = load_arch("zero_skip")
rows, columns = machine.array.rows, machine.array.columns
first_pass = nonzeros(dW)[:rows]
laws = {"dense": {"mechanism": "dense"}, "zero_skip": machine.skipping, "bound": {"mechanism": "ideal"}}
one_pass = pd.DataFrame({name: vars(run_pass(first_pass, law)) for name, law in laws.items()})
for name, result in one_pass.items():
    assert rows * result["cycles"] == result["executed"] + result["gated"] + result["idle"], name
one_pass

# %%
skip, bound = one_pass["zero_skip"], one_pass["bound"]
reasons = {name: int(skip[name]) for name in ("imbalance", "conflict", "refill")}
of_lane = first_pass.sum(axis=1)
tell(
    f"This is the first pass of dW: {rows} lanes, {count(dW.k)} positions, counts of one column. The dense array takes "
    f"{count(one_pass['dense']['cycles'])} cycles, the window {count(skip['cycles'])}, the bound "
    f"{count(bound['cycles'])}. In the window's time the lanes had {count(rows * skip['cycles'])} slots and used "
    f"{count(skip['executed'])}. The rest they stood idle: {count(reasons['imbalance'])} slots because a lane waited "
    f"for slower ones or had nothing left, {count(reasons['refill'])} because no new words had come, "
    f"{count(reasons['conflict'])} because two lanes wanted different words of one bank. Real zeros are uneven: the "
    f"fullest lane has {count(int(of_lane.max()))} non-zeros and the emptiest {count(int(of_lane.min()))}, and where "
    "lanes walk together the fullest one sets the pace."
)
assert of_lane.max() <= skip["cycles"]

# %% [markdown]
# Now all passes of both products. A `PassCache` counts them as the planner does: one array of cycles for each K tile.

# %%
from simulator.mapping import PassCache
from simulator.run import bound_of, dense_twin

cache = PassCache()
machines = {"dense": dense_twin(machine), "zero_skip": machine, "bound": bound_of(machine)}
looks = {"dense": GREYS[4], "zero_skip": PALETTE[0], "bound": PALETTE[1]}


def pass_cycles(product, arch):
    """Cycles of every pass of a product on the array's own shape, K in one piece: int64 [P]."""
    return cache.table(arch, product, product.k, (rows, columns)).counts.cycles[0]


chain = sorted(of_layer("dh"), key=lambda p: p.time)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
spent = {}
for index, (name, arch) in enumerate(machines.items()):
    of_chain = [int(pass_cycles(p, arch).sum()) for p in chain]
    of_dW = pass_cycles(dW, arch)
    spent[name] = {"dh": sum(of_chain), "dW": int(of_dW.sum())}
    left.plot([p.time for p in chain], of_chain, color=looks[name], label=name, linewidth=1.6)
    right.bar(np.arange(len(of_dW)) + 0.28 * (index - 1), of_dW, 0.26, color=looks[name], label=name)
left.set(title="dh: one pass a time step", xlabel="time step", ylabel="cycles of the pass", ylim=(0, None))
right.set(title="dW: passes over the gates", xlabel="pass", ylabel="cycles of the pass")
right.set_xticks(range(len(of_dW)))
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    ax.set_axisbelow(True)
right.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
assert int(pass_cycles(dW, machine)[0]) == skip["cycles"], "run_pass and the planner count alike"
for name in ("dh", "dW"):
    assert spent["bound"][name] <= spent["zero_skip"][name] <= spent["dense"][name]

# %%
column_tiles = {p.name: -(-p.n // columns) for p in (dh, dW)}
assert dh.m < rows
tell(
    f"Over the {len(chain)} time steps the window makes dh {spent['dense']['dh'] / spent['zero_skip']['dh']:.2f} times "
    f"as fast as the dense array (the bound: {spent['dense']['dh'] / spent['bound']['dh']:.2f}), and dW "
    f"{spent['dense']['dW'] / spent['zero_skip']['dW']:.2f} times (the bound: "
    f"{spent['dense']['dW'] / spent['bound']['dW']:.2f}). Lanes are the other loss: dh has {dh.m} rows for {rows} "
    f"lanes, so that {percent(1 - dh.m / rows)} of the array has nothing to do, whatever the zeros are. The array is "
    f"{columns} columns wide, so a product of {dW.n} columns takes each of these walks {column_tiles['dW']} times."
)

# %% [markdown]
# ## Mapping: how it is cut
#
# The operands come from DRAM through three buffers: one for the skip operand, one for the shared operand, one for
# outputs. Each is split in two halves, so that one tile is worked on while the next is loaded. A *mapping* says how
# large tiles are, in which *order* the loops over them run, and on which shape of the array. In order `mnk` the loop
# over rows is the outermost, so that a tile of the skip operand stays while columns pass by; in `nmk` a tile of the
# shared operand stays while rows do. `mkn` and `nkm` do the same where K is cut, too.
#
# The planner tries every tile size that fits and every order, and prices each in cycles:
#
# > first load + the busiest of array, DRAM and vector unit + the last tile's way out - what stands in a chain's
# > pauses
#
# `choices` tells what it chose among. The least price is taken; ties go to less traffic.

# %%
from simulator.mapping import busiest_unit, choices, why_not


def choice_of(product, arch, step_cache=cache):
    """What the planner chose among for a product."""
    return next(
        c
        for c in choices(arch, workload, step_cache)
        if (c.product.layer, c.product.name) == (product.layer, product.name)
    )


def as_table(candidates):
    """One row a mapping: what it is, and the parts of its price in cycles."""
    return pd.DataFrame(
        {
            "order": c.tiling.order,
            "tile m x n x k": f"{c.tiling.tile_m} x {c.tiling.tile_n} x {c.tiling.tile_k}",
            "array": f"{c.tiling.rows} x {c.tiling.columns}",
            "price": c.price_cycles,
            "first load": c.first_load_cycles,
            "busiest": c.busiest_cycles,
            "which": busiest_unit(c),
            "last tile": c.last_cycles,
            "in pauses": -c.hidden_cycles,
            "DRAM kB": round(c.dram_bytes / 1e3, 1),
            "jobs": c.jobs,
            "sums to DRAM": not c.tiling.sums_stay,
        }
        for c in candidates
    )


choice = choice_of(dW, machine)
for c in choice.candidates:
    assert c.price_cycles == c.first_load_cycles + c.busiest_cycles + c.last_cycles - c.hidden_cycles
as_table(choice.candidates)

# %%
from simulator.report.mapping_plot import price_by_traffic

axes = price_by_traffic(choice)

# %%
chosen, second = choice.candidates[:2]
least_bytes = min(choice.candidates, key=lambda c: (c.dram_bytes, c.price_cycles))
assert chosen.price_cycles == min(c.price_cycles for c in choice.candidates)
tell(
    f"dW is cut into {chosen.jobs} *jobs*, a job being one output tile and one K tile, in order "
    f"`{chosen.tiling.order}`. The second best would cost {why_not(chosen, second)}. Less traffic is not the aim: the "
    f"mapping with the fewest bytes moves {numbers.data(least_bytes.dram_bytes)} in place of "
    f"{numbers.data(chosen.dram_bytes)}, but is priced {count(least_bytes.price_cycles - chosen.price_cycles)} cycles "
    f"more, because as long as the {busiest_unit(chosen)} is busiest, bytes are free and waiting for a larger first "
    "tile is not."
)
assert least_bytes.dram_bytes < chosen.dram_bytes
assert least_bytes.first_load_cycles > chosen.first_load_cycles
of_dh = choice_of(dh, machine)
tell(
    f"For dh there is less to choose: {len(of_dh.candidates)} mappings fit. What it multiplies by, "
    f"{dh.shared_operand}, stays in its buffer for all {of_dh.times} time steps, and dG of each time step comes from "
    f"the vector unit on chip; so its first load is {count(of_dh.candidates[0].first_load_cycles)} cycles. Its second "
    f"best would cost {why_not(*of_dh.candidates[:2])}: the serial chain waits for the last tile, so smaller tiles win."
)
assert of_dh.candidates[0].tiling.shared_resident and of_dh.candidates[0].tiling.skip_on_chip
assert of_dh.candidates[0].tiling.tile_n < of_dh.candidates[1].tiling.tile_n

# %% [markdown]
# ### Smaller buffers
#
# Now take buffers away. Each row below is the same machine with all three buffers divided, and what dW becomes on it.

# %%
from simulator.engine import run
from simulator.mapping import plan


def with_buffers(divisor):
    """The same machine with buffers of a part of their size."""
    buffers = machine.system.buffers
    sizes = {name: getattr(buffers, name).capacity_kib // divisor for name in ("skip", "shared", "output")}
    return load_arch("zero_skip", [f"memory.buffers.{name}.capacity_kib={size}" for name, size in sizes.items()])


cut, table = {}, []
for divisor in (1, 4, 8, 16):
    small = with_buffers(divisor)
    step_plan = plan(small, workload, cache)
    found = choice_of(dW, small)
    cut[divisor] = found.candidates[0]
    row = as_table([found.candidates[0]])
    row.insert(0, "buffers", "whole" if divisor == 1 else f"1/{divisor}")
    row["mappings that fit"] = len(found.candidates)
    row["cycles of the whole step"] = run(step_plan, "compiled").total_cycles
    table.append(row)
pd.concat(table).set_index("buffers")

# %%
half_bytes = machine.system.buffers.skip.slot_bytes // 4
row_bytes = rows * dW.k * machine.precision.operand_bits // 8
assert cut[4].tiling == cut[1].tiling and row_bytes == half_bytes
assert cut[8].tiling.tile_k < dW.k and cut[8].tiling.sums_stay and cut[8].tiling.order in ("mkn", "nkm")
assert cut[16].tiling.tile_k < dW.k and not cut[16].tiling.sums_stay
k_tiles = -(-dW.k // cut[16].tiling.tile_k)
sums_bytes = (
    2 * (k_tiles - 1) * dW.m * dW.n * machine.precision.accumulator_bits // 8
)  # there and back, for all K tiles but one
assert 0 < sums_bytes < cut[16].dram_bytes
tell(
    f"A quarter changes nothing for dW, and only just: one pass of {rows} rows and {count(dW.k)} positions takes "
    f"{numbers.data(row_bytes)}, which is exactly half of the quartered buffer. At an eighth **K is cut** into tiles "
    f"of {cut[8].tiling.tile_k} positions and the order becomes `{cut[8].tiling.order}`; *partial sums* wait in the "
    f"output buffer for the next K tile. At a sixteenth (`{cut[16].tiling.order}`) they no longer fit there: they **go "
    f"to DRAM and come back** for each K tile. Of the {numbers.data(cut[16].dram_bytes)} that dW then moves, "
    f"{numbers.data(sums_bytes)} are such sums."
)
if cut[8].price_cycles < cut[1].price_cycles:
    tell(
        f"And note an oddity: at an eighth the price is *lower*, {count(cut[8].price_cycles)} in place of "
        f"{count(cut[1].price_cycles)} cycles, because short K tiles arrive sooner ({count(cut[8].first_load_cycles)} "
        f"in place of {count(cut[1].first_load_cycles)} cycles for the first). The planner cuts K only where it must, "
        "since cutting it restarts the window: that costs "
        f"{count(cut[8].cost.array_cycles - cut[1].cost.array_cycles)} array cycles here, less than it gains. A "
        "planner is a heuristic, and `memory.mapping.tile_k` overrules it."
    )

# %% [markdown]
# All mappings of dW at a sixteenth of the buffers: hollow ones send sums to DRAM.

# %%
axes = price_by_traffic(choice_of(dW, with_buffers(16)))

# %% [markdown]
# ### Another shape
#
# An array may also be one that takes another shape: as many MACs with fewer and longer, or more and shorter, lanes
# (`array.shapes`). Few lanes are good for dh, whose rows are few, and few lanes wait less for each other.

# %%
shaped = load_arch("zero_skip", ["array.shapes=[[16, 64], [8, 128]]"])
by_shape = {}
for product in (dh, dW, *of_layer("dx")):
    best = {}
    for c in choice_of(product, shaped).candidates:
        best.setdefault((c.tiling.rows, c.tiling.columns), c)
    by_shape[product.name] = best
pd.concat({name: as_table(best.values()) for name, best in by_shape.items()}, names=["product", "rank"]).drop(
    columns="sums to DRAM"
)

# %%
fewest = {name: min(best.values(), key=lambda c: c.cost.array_cycles) for name, best in by_shape.items()}
taken = {name: next(iter(best.values())) for name, best in by_shape.items()}
totals = {
    name: run(plan(arch, workload, cache), "compiled").total_cycles
    for name, arch in (("fixed", machine), ("shaped", shaped))
}


def shape(candidate):
    """Rows and columns of the array, for people."""
    return f"{candidate.tiling.rows} x {candidate.tiling.columns}"


for name in by_shape:
    if taken[name].tiling == fewest[name].tiling:
        tell(f"{name}: the planner takes {shape(taken[name])}, which also has the fewest array cycles.")
    else:
        tell(
            f"{name}: the planner takes {shape(taken[name])}. Fewest array cycles has {shape(fewest[name])}, "
            f"but it would cost {why_not(taken[name], fewest[name])}."
        )
tell(f"With these shapes the whole step takes {count(totals['shaped'])} cycles in place of {count(totals['fixed'])}.")
for best in by_shape.values():
    prices = [c.price_cycles for c in best.values()]
    assert prices == sorted(prices), "the first shape is the cheapest"

# %% [markdown]
# ## Traffic: which bytes
#
# The *plan* is what the machine will do, before any time passes: a table of jobs and a table of loads. A load is a
# tile of one operand that needs room in its buffer and, mostly, bytes from DRAM. Here are the loads of the first jobs
# of dW.

# %%
from simulator.mapping import BUFFERS, Count

step_plan = plan(machine, workload, cache)
names = np.array([f"{p.product.layer} {p.product.name}" for p in step_plan.products])
loads = pd.DataFrame(
    {
        "job": np.repeat(np.arange(step_plan.jobs), np.diff(step_plan.job_first_load)),
        "buffer": np.array(BUFFERS)[step_plan.load_buffer],
        "room, bytes": step_plan.load_space_bytes,
        "DRAM bytes": step_plan.load_dram_bytes,
        "until job": step_plan.load_last_job,
    }
)
loads["product"] = names[step_plan.job_product[loads["job"]]]
stores = pd.DataFrame({"product": names[step_plan.job_product], "DRAM bytes": step_plan.job_store_bytes})
of_dW = loads[loads["product"] == f"{layer.name} dW"]
of_dW.head(8)

# %%
operands = of_dW.groupby("buffer")["DRAM bytes"].agg(["count", "sum"])
shared_bytes = dW.k * dW.n * machine.precision.operand_bits // 8
assert operands.loc["shared", "sum"] == shared_bytes, "the chosen order brings the shared operand once"
times = operands.loc["skip", "count"] / (dW.m // chosen.tiling.tile_m)
tell(
    f"The shared operand comes once, as {operands.loc['shared', 'count']} tiles and "
    f"{numbers.data(int(operands.loc['shared', 'sum']))}. Tiles of dG come {operands.loc['skip', 'count']} times, "
    f"{numbers.data(int(operands.loc['skip', 'sum']))} in all: each one {times:g} times, once for each tile of "
    f"columns. A dG tile takes {numbers.data(int(of_dW[of_dW['buffer'] == 'skip']['room, bytes'].iloc[0]))} of its "
    "buffer but fewer bytes of DRAM, because there it lies packed. An output tile takes room and no bytes: its sums "
    "begin at zero."
)
assert (of_dW[of_dW["buffer"] == "output"]["DRAM bytes"] == 0).all()

# %%
kinds = ["gates_x", "gates_h", "dh", "dx", "dW", "dU"]
read = loads.pivot_table(index="product", columns="buffer", values="DRAM bytes", aggfunc="sum", fill_value=0)
moved = read.join(stores.groupby("product")["DRAM bytes"].sum().rename("stored"))
counted = sum(p.counts for p in step_plan.products)
assert read.to_numpy().sum() == counted[Count.DRAM_READ_BYTES]
assert moved["stored"].sum() == counted[Count.DRAM_WRITE_BYTES]
mine = moved.loc[[f"{layer.name} {kind}" for kind in kinds]] / 1e3
figure, ax = plt.subplots(figsize=(7.4, 3.4), layout="constrained")
below = np.zeros(len(mine))
labels = {
    "skip": "read: skip operand",
    "shared": "read: shared operand",
    "output": "read: for the output tile",
    "stored": "written",
}
for (part, label), colour in zip(labels.items(), (PALETTE[0], PALETTE[1], PALETTE[4], GREYS[3])):
    ax.bar(kinds, mine[part], 0.62, below, label=label, color=colour, edgecolor="white", linewidth=0.5)
    below += mine[part].to_numpy()
ax.set(ylabel="DRAM traffic (kB)", title=f"{layer.name}: what each product moves in the step")
ax.spines[["top", "right"]].set_visible(False)
ax.grid(axis="y", color="#DDDDDD", linewidth=0.6)
ax.set_axisbelow(True)
ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
mine.round(1)

# %%
largest = mine.sum(axis=1).idxmax().split()[-1]
whole = mine.to_numpy().sum()
share = mine.sum() / whole
readers = [f"{layer.name} {name}" for name in ("dx", "dW", "dU")]
of_dG = (mine.loc[readers, "skip"].sum() + mine.loc[f"{layer.name} dh", "stored"]) / whole
tell(
    f"{largest} moves most. Of all bytes of the layer, {percent(share['skip'])} are skip operands, "
    f"{percent(share['shared'])} shared operands, {percent(share['output'])} what the vector unit needs beside the "
    f"sums (partial sums, saved gates), and {percent(share['stored'])} results. Zeros make "
    f"only dG smaller, which dh writes and dx, dW and dU read. As it lies here, packed, dG is {percent(of_dG)} of all "
    "bytes; nothing else on the bus knows of zeros."
)

# %% [markdown]
# ### Formats
#
# How should dG lie in DRAM? Dense, as a *bitmap* (a bit for each element, and the non-zero values), as *run lengths*
# (each non-zero with the run of zeros before it), or as *coordinates* (each non-zero with its place; CSC). Which is
# smallest depends on how many zeros there are. Lines and filled points are of random masks; the stars are the three
# layers of this step as they were recorded.

# %%
from simulator.memory.formats import FORMATS, StoredMask
from simulator.report.format_plot import NAMES, bits_by_density

value_bits = machine.precision.operand_bits
bits = {}
for product in workload.products:
    if product.name == "dW" and product.recorded:
        operand = product.mask
        density = nonzeros(product).mean()
        for fmt in FORMATS:
            stored = StoredMask(operand.packed, operand.bits, fmt, value_bits)
            bits[product.layer, fmt] = sum(stored.whole_bits()) / nonzeros(product).size
        bits[product.layer, "density"] = density
table = pd.Series(bits).unstack()[["density", *FORMATS]]
axes = bits_by_density(value_bits=value_bits)
for colour, fmt in zip(PALETTE, FORMATS):
    axes.plot(
        table["density"], table[fmt], "*", color=colour, markersize=11, markeredgecolor="black", markeredgewidth=0.7
    )
table.round(2)

# %%
best = table[list(FORMATS)].idxmin(axis=1)
tell(
    "Smallest: "
    + ", ".join(
        f"{NAMES[best[name]]} for {name} ({percent(1 - table.loc[name, 'density'])} zeros)" for name in table.index
    )
    + f". The machine stores dG as {machine.system.formats.skip}. "
    "Coordinates and run lengths pay only where nearly everything is zero; a dense gradient would be larger in them "
    "than without any format."
)
assert (table["bitmap"] < table["dense"])[table["density"] < 1 - 1 / value_bits].all(), (
    "a bitmap pays from 1/16 zeros on"
)

# %% [markdown]
# ## Timeline: who works when
#
# Now let time pass. `simulator.engine.event` walks the plan as processes that read like a block diagram, and can tell
# what each unit did when. The same step runs twice: with the jobs in the order of the products, and with
# `memory.mapping.overlap`, where the plan puts jobs that can wait into the pauses of the serial chain. Numbers in the
# bars are time steps; the backward pass runs from the last to the first.

# %%
from simulator.engine import STALLS, WHOLE, event
from simulator.report.gantt import gantt, kind_of

cases = {"one product after the other": False, "overlap: pauses filled": True}
plans = {}
replays = {}
figure, panels = plt.subplots(2, 1, figsize=(9, 4.9), layout="constrained")
for (title, overlap), ax in zip(cases.items(), panels):
    arch = load_arch("zero_skip", [f"memory.mapping.overlap={str(overlap).lower()}"])
    plans[title] = plan(arch, workload, cache)
    replays[title] = event.run(plans[title], WHOLE)
    start = next(
        int(first) - 20 for planned, first in zip(plans[title].products, replays[title].start) if planned.product is dh
    )
    gantt(replays[title].intervals, ax, start, start + 2_000)
    ax.set_title(title, loc="left", fontsize=10)
before, after = replays.values()
windows = {title: ax.get_xlim() for title, ax in zip(cases, panels)}

# %% [markdown]
# In the upper chart the array stands still after each time step: sums leave through the output port, the vector unit
# makes the next gate gradient, and only then can the next time step begin. In the lower one other jobs stand in these
# pauses. They need nothing from the time step that is on its way: tiles of dx take rows of the gradient that the
# chain made some time steps ago, and weight gradients of a layer that is done can run at any time.


# %%
def in_window(title):
    """Products that the array works on in the window of the chart."""
    low, high = windows[title]
    return {kind_of(i) for i in replays[title].intervals if i.unit == "array" and i.start < high and i.end > low}


assert in_window("one product after the other") == {"dh"}
fillers = sorted(in_window("overlap: pauses filled") - {"dh"})
assert fillers


def by_reason(times):
    """Stalled cycles of the array by reason."""
    return dict(zip(STALLS, times.stalls.sum(axis=0).tolist()))


stalls = pd.DataFrame({title: by_reason(times) for title, times in replays.items()})
stalls.loc["array at work"] = [times.busy["array"] for times in replays.values()]
stalls.loc["total"] = [times.total_cycles for times in replays.values()]
for title, times in replays.items():
    # The identity that every run satisfies: the array either works, or stands still for one reason.
    assert times.busy["array"] + times.stalls.sum() == times.total_cycles
    worked = sum(i.end - i.start for i in times.intervals if i.unit == "array")
    assert worked == times.busy["array"] == plans[title].job_array_cycles.sum()
    assert run(plans[title], "compiled").total_cycles == times.total_cycles, "the fast engine tells the same"
stalls

# %%
worst = max(by_reason(before), key=by_reason(before).get)
tell(
    f"What stands in the pauses here: {', '.join(fillers)}. Of {count(before.total_cycles)} cycles the array was "
    f"stalled for {count(int(before.stalls.sum()))}, mostly by {worst} ({count(by_reason(before)[worst])}). With "
    f"pauses filled {count(by_reason(after)[worst])} of those are left, and the step takes {count(after.total_cycles)} "
    f"cycles, {percent(1 - after.total_cycles / before.total_cycles)} less. Each stalled cycle has one reason, the "
    "first that holds in the order of the table; `dependency` is a wait for the time step before or for a layer's "
    "results, `load_...` a wait for a tile, `drain` the end of the step."
)
assert after.total_cycles < before.total_cycles

# %% [markdown]
# How good could it be? No order of these jobs can beat the work of the busiest unit, or the longest chain of jobs
# that wait for each other. `bounds` gives all of them.

# %%
from simulator.engine.bounds import bounds

limits = pd.DataFrame({title: vars(bounds(p)) for title, p in plans.items()})
name, cycles = bounds(plans["overlap: pauses filled"]).largest
assert after.total_cycles >= cycles
tell(
    f"The largest bound is that of the {name}: {count(cycles)} cycles. The run takes "
    f"{percent(after.total_cycles / cycles - 1)} more, and that is all that a better order of these jobs could win. "
    "Beyond that it takes "
    f"{'a better mechanism or a larger array' if name == 'array' else 'a faster ' + name.replace('_', ' ')}."
)
limits

# %% [markdown]
# The command `skipstone explain --arch zero_skip --trace FILE.npz` prints all of this for every product of a step:
# mapping, price, second best and why, stalls, and what would move the limit.
#
# ## DRAM: a rate, or banks
#
# So far the DRAM was a rate and a latency (`level: bandwidth`). At `level: timing` it is channels, banks and rows
# behind a controller: a burst from an open row is quick, another row must first be closed and opened, every so often
# all is refreshed, and turning the bus from reads to writes takes time. Here are both, with the same peak rate: some
# channels of HBM2, and the rate and the latency that follow from their timings. A controller may also close rows
# early, serve the oldest burst alone (first come first served), or lay addresses along a row before it goes to the
# next channel.

# %%
from simulator.memory import timing_dram

channels = "{level: timing, timing: hbm2_2000, channels: 4, queue: 16"
banks = load_arch("zero_skip", [f"memory.dram={channels}}}"])
memory = timing_dram(banks)
peak_gb_per_s = memory.peak_mb_per_s / 1e3
latency_ns = memory.unloaded.latency_cycles * 1e3 / banks.clock_mhz
rate = load_arch(
    "zero_skip", [f"memory.dram={{bandwidth_gb_per_s: {peak_gb_per_s:g}, latency_ns: {latency_ns:g}, queue: 16}}"]
)
assert rate.dram_bytes_per_cycle == (memory.unloaded.rate_numerator, memory.unloaded.rate_denominator)
drams = {
    "rate and latency": rate,
    "banks": banks,
    "banks, page closed": load_arch("zero_skip", [f"memory.dram={channels}, page: closed}}"]),
    "banks, first come first served": load_arch("zero_skip", [f"memory.dram={channels}, scheduler: fcfs}}"]),
    "banks, channels last": load_arch(
        "zero_skip", [f"memory.dram={channels}, address_mapping: row_bank_group_channel_column}}"]
    ),
}
dram_runs = {name: run(plan(arch, workload, cache), "compiled") for name, arch in drams.items()}
commands = pd.DataFrame({name: times.dram_commands for name, times in dram_runs.items() if times.dram_commands}).T
dram_table = pd.DataFrame(
    {
        "cycles": {name: times.total_cycles for name, times in dram_runs.items()},
        "stalled": {name: int(times.stalls.sum()) for name, times in dram_runs.items()},
    }
).join(commands.astype("Int64"))
dram_table

# %%
hit_share = commands["row_hits"] / (commands["reads"] + commands["writes"])
assert hit_share.between(0, 1).all()
figure, ax = plt.subplots(figsize=(7, 2.6), layout="constrained")
order = list(dram_runs)[::-1]
array_cycles = dram_runs["banks"].busy["array"]
ax.barh(order, [array_cycles] * len(order), 0.62, color=PALETTE[0], label="array at work")
ax.barh(
    order,
    [dram_runs[name].total_cycles - array_cycles for name in order],
    0.62,
    array_cycles,
    color=GREYS[4],
    label="stalled",
)
for name in order:
    hits = "" if name not in commands.index else f"  {percent(hit_share[name])} row hits"
    ax.annotate(
        f"{count(dram_runs[name].total_cycles)}{hits}",
        (dram_runs[name].total_cycles, name),
        (4, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
    )
ax.set(xlabel="cycles of the step", xlim=(0, 1.42 * max(times.total_cycles for times in dram_runs.values())))
ax.xaxis.set_major_formatter("{x:,.0f}")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
for times in dram_runs.values():
    assert times.busy["array"] == array_cycles, "the DRAM changes when, and not what"

# %%
plain, ranked = dram_runs["rate and latency"], sorted(commands.index, key=lambda name: dram_runs[name].total_cycles)
with_banks, slowest = dram_runs["banks"], ranked[-1]
tell(
    f"With the same peak of {peak_gb_per_s:g} GB/s, banks take "
    f"{percent(with_banks.total_cycles / plain.total_cycles - 1)} more cycles than a rate and a latency do, although "
    f"{percent(hit_share['banks'])} of the bursts found their row open. It all falls on the stalls, "
    f"{count(int(with_banks.stalls.sum()))} in place of {count(int(plain.stalls.sum()))}: the array works the same "
    f"cycles. The slowest of these memories is *{slowest}*, with {count(dram_runs[slowest].total_cycles)} cycles, "
    f"though {percent(hit_share[slowest])} of its bursts found their row open: hits alone do not make a DRAM fast."
)
assert with_banks.total_cycles > plain.total_cycles
assert hit_share[slowest] > hit_share.min()

# %% [markdown]
# ## Three machines
#
# Now whole machines, and all recorded steps: a device that learns where it is, a core of a training card, and a core
# that works as GPUs do, whose lanes skip in *lock-step*: a group of positions is left out only where all lanes are
# zero there. Each is set beside its *dense twin*, the same machine without skipping, and beside the *bound*, the same
# machine with ideal skipping. The sentences are the report's own (`report.explain()`): put together from its counts,
# true to them, and also true where skipping loses.

# %%
presets = ("edge", "training_card", "gpu_lockstep")
for name in presets:
    tell(f"`{name}`: {load_arch(name).description}")

# %%
reports = {name: simulate(name, trace) for name in presets}


def as_row(report):
    """A row of the table of machines; everything against the machine's own dense twin."""
    return {
        "zeros in dG": percent(report.sparsity),
        "MACs saved": percent(report.savings["network"]),
        "cycles": count(report.total_cycles),
        "speed-up": f"{report.speedup:.2f}",
        "bound": f"{report.bound_speedup:.2f}",
        "energy": numbers.energy(report.energy.total_pj),
        "energy saved": percent(report.energy_saving),
        "array at work": percent(1 - sum(report.stalls.values()) / report.total_cycles),
        "DRAM busy": percent(report.activity.busy_cycles["dram"] / report.total_cycles),
    }


for name, report in reports.items():
    sentences = report.explain()
    assert percent(report.sparsity) in sentences[0] and sentences[-1].startswith("Largest limit")
    tell(f"**{name}**: {sentences[0]} {sentences[-1]}")
pd.DataFrame({name: as_row(report) for name, report in reports.items()}).T


# %%
def gains(panels, reports, labels):
    """Bars of time and energy saved against the dense twin, and what ideal skipping would save of the time."""
    left, right = panels
    places = range(len(reports))
    time = [100 * (1 - 1 / r.speedup) for r in reports]
    left.bar(places, time, 0.6, color=PALETTE[0], label="this machine")
    left.plot(
        places,
        [100 * (1 - 1 / r.bound_speedup) for r in reports],
        "_",
        color="black",
        markersize=26,
        markeredgewidth=2,
        label="ideal skipping",
    )
    right.bar(places, [100 * r.energy_saving for r in reports], 0.6, color=PALETTE[2])
    for ax, title in ((left, "time saved (%)"), (right, "energy saved (%)")):
        ax.set_title(title, fontsize=10, loc="left")
        ax.set_xticks(places, labels, fontsize=9 if len(labels) < 4 else 7.5)
        ax.axhline(0, color="black", linewidth=0.8)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", color="#DDDDDD", linewidth=0.6)
        ax.set_axisbelow(True)
    left.legend(loc="best", frameon=False, fontsize=8, markerscale=0.5)


figure, panels = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained", sharey=True)
gains(panels, list(reports.values()), presets)

# %%
best = max(presets, key=lambda name: reports[name].speedup)
least = min(presets, key=lambda name: reports[name].speedup)
tell(
    f"The same zeros are worth {percent(1 - 1 / reports[best].speedup)} of the time to {best} and "
    f"{percent(1 - 1 / reports[least].speedup)} to {least}. Energy falls on all of them, by "
    f"{percent(min(r.energy_saving for r in reports.values()))} to "
    f"{percent(max(r.energy_saving for r in reports.values()))}: a MAC that is not done costs nothing even where it "
    "saves no time."
)
assert all(report.energy_saving > 0 for report in reports.values())

# %% [markdown]
# ### Zeros that a lock-step machine can use
#
# A lock-step machine wants zeros that all lanes share. Are there more of those if zeros are *structured*? Synthetic
# traces answer, with the shapes of the sample and exactly its share of zeros: once scattered, and once in whole
# columns, so that a gate of a time step is zero for the whole batch, as saturated cells make them. As the sample's
# layers are small, the same two are drawn at a larger size, too: more cells, a larger batch, and more zeros.

# %%
import tempfile

from traces import synthetic_trace

folder = tempfile.TemporaryDirectory()
sizes = {
    "as the sample": {
        "layers": trace.layers,
        "dense_layers": trace.dense_layers,
        "sequence_length": trace.header["sequence_length"],
        "batch_size": trace.header["batch_size"],
        "sparsity": reports["gpu_lockstep"].sparsity,
    },
    "larger": {
        "layers": 2,
        "hidden_size": 256,
        "input_size": 256,
        "sequence_length": 16,
        "batch_size": 32,
        "sparsity": 0.8,
    },
}
lockstep = {("as the sample", "recorded"): reports["gpu_lockstep"]}
for size, arguments in sizes.items():
    for kind, correlation in (("scattered", "independent"), ("columns", "columns")):
        path = synthetic_trace(Path(folder.name) / f"{size} {kind}.npz", steps=1, correlation=correlation, **arguments)
        lockstep[size, kind] = simulate("gpu_lockstep", path)


def skipped_share(report, product):
    """Share of a product's dense cycles in the array that skipping takes away."""
    return 1 - report.cycles_by("product")[product] / report.baseline.cycles_by("product")[product]


lock_table = pd.DataFrame({key: as_row(report) for key, report in lockstep.items()}).T
for product in ("dh", "dx", "dW"):
    lock_table[f"{product}: cycles less"] = [percent(skipped_share(report, product)) for report in lockstep.values()]
figure, panels = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained", sharey=True)
gains(panels, list(lockstep.values()), [f"{kind}\n{size}" for size, kind in lockstep])
lock_table.drop(columns=["cycles", "energy"])

# %%
for report in lockstep.values():
    assert report.speedup <= report.bound_speedup * 1.01
for size in sizes:
    scattered, structured = lockstep[size, "scattered"], lockstep[size, "columns"]
    for product in ("dh", "dx"):
        assert skipped_share(structured, product) > skipped_share(scattered, product)
    assert abs(skipped_share(structured, "dW")) < 0.01
    tell(
        f"**{size}**, {percent(structured.sparsity)} zeros: scattered ones take "
        f"{percent(skipped_share(scattered, 'dh'))} of dh's cycles away, columns "
        f"{percent(skipped_share(structured, 'dh'))} of dh's and {percent(skipped_share(structured, 'dx'))} of dx's, "
        f"but {percent(skipped_share(structured, 'dW'))} of dW's. {structured.explain()[0]} {structured.explain()[-1]}"
    )
assert lockstep["larger", "columns"].speedup > lockstep["larger", "scattered"].speedup

# %% [markdown]
# Structure has a direction. In dh the lanes are the sequences of a batch, so that a gate that is zero for all of them
# is a position that all lanes share. In dx they are sequences, too, but where the batch is smaller than the array,
# lanes of several time steps stand side by side, and a column must be zero in each. In dW and dU the same zeros lie
# the other way: the lanes are gates, and a zero column empties one lane for a while and leaves the others at work. So
# a lock-step machine gains from columns in two of the four backward products, and only as far as the array was what it
# waited for. Lanes that run ahead of each other gain from scattered zeros, too.
#
# ## What to take along
#
# * Count passes before MACs: lanes that wait for each other and lanes without a row decide what a zero is worth.
# * Skipping makes the array's part smaller, so that the rest comes to the fore: first loads, pauses of the serial
#   chain, the bus. The mapping, the order of jobs and the DRAM decide how much of the gain is left.
# * Ask a machine for its largest limit before you make it skip more: `simulate` and `skipstone explain` both say it.

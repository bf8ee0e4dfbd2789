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
# # Your own mechanism
#
# How zeros are skipped is one part of a machine, its *mechanism*: parameters, and a law that says what a pass of a mask
# costs. `skipstone mechanisms` lists those that ship. This page adds one in a notebook cell, shows that it is right, and
# puts it on a machine beside the others.
#
# A *pass* is what the array takes at a time: a mask of lanes by positions, true where the operand is not zero. The law gives
# exact counts of it: cycles, MACs that were executed, gated or skipped, idle slots, and words fetched. It knows nothing of
# buffers, DRAM or prices; the rest of the model does, and works with any law.

# %%
import tempfile
from pathlib import Path
from typing import ClassVar, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown, display
from pydantic import Field

import traces
from simulator import load_arch, simulate
from simulator.arch import Mechanism
from simulator.arch.mechanism import PassCounts
from simulator.report import numbers
from simulator.report.plots.style import BLUE, GREEN, ORANGE, plain_frame
from simulator.skipping import run_pass
from traces import InputError, Trace


def tell(text):
    """Show a paragraph that was put together from numbers."""
    display(Markdown(" ".join(text.split())))


# %% [markdown]
# ## An idea
#
# Two laws lie at the ends. With `vector_skip` all lanes walk in step: a position is skipped only where it is zero in every
# lane, so scattered zeros are worth nothing, but one word of the shared operand serves all lanes at once. With
# `independent_lanes` each lane walks alone and needs words of its own.
#
# Between them: *groups* of lanes. The lanes of a group walk in step and share their word; groups do not wait for each other
# until the pass ends. A group is cheaper to feed than its lanes would be, and skips more than all lanes together would.
#
# ## The law, plainly
#
# First in the plainest form, a loop that anyone can check by hand. It is not for use, but to test the quick one against.


# %%
def plain_law(mask, group):
    """Counts of one pass of a mask, bool [lanes, positions], with so many lanes in a group."""
    lanes, positions = mask.shape
    walks = []  # slots that each group takes
    executed = gated = 0
    for first in range(0, lanes, group):
        walk = 0
        for position in range(positions):
            column = mask[first : first + group, position]
            if column.any():  # no lane of the group may skip it
                walk += 1
                executed += int(column.sum())
                gated += int((~column).sum())
        walks.append(walk)
    cycles = max(walks)
    return {
        "cycles": cycles,
        "executed": executed,
        "gated": gated,
        "skipped": lanes * positions - executed - gated,
        "imbalance": lanes * cycles - executed - gated,
        "fetches": sum(walks),
    }


example = np.array([[1, 0, 0, 1, 0], [0, 0, 0, 1, 0], [0, 1, 0, 0, 1], [0, 1, 1, 0, 0]], dtype=bool)
pd.DataFrame({f"groups of {group}": plain_law(example, group) for group in (4, 2, 1)})

# %% [markdown]
# ## The law, for use
#
# A mechanism is a class with its parameters as fields; its name is the default of `mechanism`. Defining it registers it, so
# that machine files, `--set` and sweeps may name it. `count` gets many passes at once, packed: bit r of ``words[p, k]`` is
# lane r of pass p at position k. Everything it returns is an exact integer.


# %%
class GroupedLanes(Mechanism):
    """Groups of lanes that walk in step; groups wait for each other at the end of a pass only."""

    summary: ClassVar[str] = "groups of lanes in step; a group skips what is zero in all of its lanes"
    literature: ClassVar[str] = "an exercise: between vector skipping and independent lanes"

    mechanism: Literal["grouped_lanes"] = "grouped_lanes"
    group: int = Field(default=4, ge=1, le=64, description="Lanes of a group.")

    def count(self, masks):
        lanes = int(masks.lanes.max())
        octets = np.ascontiguousarray(masks.words).view(np.uint8)  # little bit order: lane r is bit r
        bits = np.unpackbits(octets, axis=-1, count=lanes, bitorder="little")  # (P, K, lanes)
        firsts = np.arange(0, lanes, self.group)
        nonzeros = np.add.reduceat(bits, firsts, axis=2, dtype=np.int64)  # (P, K, groups)
        # A short last pass has fewer lanes, and so perhaps a short group or none.
        sizes = np.clip(masks.lanes[:, None] - firsts, 0, np.minimum(self.group, lanes - firsts))  # (P, groups)
        walks = (nonzeros > 0).sum(axis=1)  # (P, groups)
        cycles = walks.max(axis=1)
        executed = nonzeros.sum(axis=(1, 2))
        gated = (walks * sizes).sum(axis=1) - executed
        none = np.zeros_like(cycles)
        return PassCounts(
            cycles=cycles,
            executed=executed,
            gated=gated,
            skipped=masks.lanes * masks.words.shape[1] - executed - gated,
            imbalance=masks.lanes * cycles - executed - gated,
            conflict=none,
            refill=none,
            fetches=walks.sum(axis=1),  # each group fetches its own words
            reads=walks.sum(axis=1),
        )


[name for name in sorted(Mechanism.registered)]

# %% [markdown]
# ## Is it right?
#
# Three ways to find out. Against the plain form, on random masks. Against laws that ship, where the idea coincides with them:
# one group of all lanes is `vector_skip`. And against what every law must keep: slots are executed, gated or idle; MACs are
# executed, gated or skipped; nothing beats the bound. Mechanisms that ship pass the same checks in `tests/contract`.

# %%
generator = np.random.default_rng(0)
checked = 0
for _ in range(200):
    shape = generator.integers(1, 40), generator.integers(0, 60)
    mask = generator.random(shape) < generator.random()
    for group in (1, 3, 8, 64):
        found, plain = run_pass(mask, {"mechanism": "grouped_lanes", "group": group}), plain_law(mask, group)
        assert {name: getattr(found, name) for name in plain} == plain
        assert shape[0] * found.cycles == found.executed + found.gated + found.idle
        assert mask.size == found.executed + found.gated + found.skipped
        assert found.cycles >= run_pass(mask, {"mechanism": "ideal"}).cycles
        checked += 1
    in_step = run_pass(mask, {"mechanism": "vector_skip"})
    assert found.cycles == in_step.cycles  # groups of 64: all lanes
    assert found.executed == in_step.executed
tell(f"{checked} passes agree.")

# %% [markdown]
# ## On a machine
#
# `with_mechanism` puts it in the place of another. Everything else, the memory system, the dense twin, the bound and the
# energy table, is as it was. We replay the last recorded step of the shipped character model.

# %%
trace = Trace(Path(traces.__file__).parent / "samples" / "charlm_t1e-6.npz")
base = load_arch("zero_skip")
last = (trace.steps[-1], None)
reports = {
    f"groups of {group}": simulate(base.with_mechanism({"mechanism": "grouped_lanes", "group": group}), trace, steps=last)
    for group in (32, 8, 4, 2, 1)
}
reports["lookahead"] = simulate(base, trace, steps=last)
table = pd.DataFrame(
    {
        name: {
            "speed-up": one.speedup,
            "ideal": one.bound_speedup,
            "energy saved (%)": 100 * one.energy_saving,
            "shared buffer (% of the twin's)": 100
            * one.energy.by_component()["shared_buffer"]
            / one.baseline.energy.by_component()["shared_buffer"],
        }
        for name, one in reports.items()
    }
).T
table.round(2)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.4), layout="constrained")
groups = [int(name.removeprefix("groups of ")) for name in table.index[:-1]]
lookahead = table.loc["lookahead"]
for ax, column, color, marker in ((left, "speed-up", BLUE, "o"), (right, "energy saved (%)", ORANGE, "s")):
    ax.plot(groups, table[column][:-1], f"{marker}-", color=color, label="groups of lanes")
    ax.axhline(lookahead[column], color=GREEN, linestyle="--", label="lookahead, depth 16")
    ax.set_xscale("log", base=2)
    ax.set_xticks(groups, groups)
    ax.set_xlabel("lanes of a group")
    ax.set_ylabel(column)
    plain_frame(ax)
left.axhline(table["ideal"].iloc[0], color="black", linewidth=0.8, linestyle=":", label="ideal skipping")
legends = [ax.legend(frameon=False, fontsize=8) for ax in (left, right)]

# %%
quickest, thriftiest = table["speed-up"][:-1].idxmax(), table["energy saved (%)"][:-1].idxmax()
tell(
    f"Time and energy disagree. The quickest is {quickest}, {numbers.times(table.loc[quickest, 'speed-up'])}; the thriftiest is "
    f"{thriftiest}, {table.loc[thriftiest, 'energy saved (%)']:.1f} % of energy saved. Small groups skip more and fetch more: "
    f"with groups of {groups[-1]} the shared buffer takes {table.iloc[-2, 3]:.0f} % of the dense twin's energy, for no word "
    f"serves more than {groups[-1]} lane{'s' if groups[-1] > 1 else ''}. The lookahead window of `zero_skip` reaches "
    f"{numbers.times(lookahead['speed-up'])} and {lookahead['energy saved (%)']:.1f} %: it holds words until all lanes have "
    "used them, which is its trick."
)

# %%
axes = reports["groups of 4"].plot.energy()

# %% [markdown]
# ## In a machine file
#
# As long as the class is defined, a machine file may name it, and errors are told as for any other key.

# %%
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "grouped.yaml"
    path.write_text(
        """\
name: grouped
clock_mhz: 1000
precision: {operand: fp16, accumulator: fp32}
array: {rows: 32, columns: 32}
skipping: {mechanism: grouped_lanes, group: 4}
memory: ideal
energy_table: cmos_45nm
""",
        encoding="utf-8",
    )
    machine = load_arch(path)
    try:
        load_arch(path, ["skipping.group=0"])
    except InputError as error:
        print(error)
machine

# %% [markdown]
# ## To ship it
#
# A mechanism of the house is one file under `simulator/skipping/`, one import in its `__init__.py`, a machine under
# `arch_configs/machines/` that uses it, and a test class that inherits `MechanismContract` from `tests/contract`; the plain
# form goes to `tests/plain`. What it idealises belongs in MODEL.md, and where it differs from a published design in
# DEVIATIONS.md. Here, for instance: groups fetch words for themselves even where two of them want the same one in the same
# cycle, a group's port is not priced, and the pass ends for all groups together.

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
# # Your own PyTorch model
#
# You have a model and a training loop. What would its gate gradients be worth to a machine that skips zeros? Two lines
# around your loop record a trace, and everything else on these pages works on it:
#
# ```python
# sparsify(model, {"kind": "target", "sparsity": 0.8})
# with record(model, "run.npz", every=100, optimizer=optimizer):
#     train(model, optimizer)
# ```
#
# `sparsify` replaces the layers' backward passes by ones that drop small gate gradients before anything is computed from
# them; `record` writes which ones were zero. It needs PyTorch (`pip install 'skipstone[torch]'`; a CPU build is enough).

# %%
import copy
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import torch
from IPython.display import Markdown, display
from torch import nn

from simulator import simulate
from simulator.report import numbers
from simulator.report.plots import gate_activations, sparsity_by_step, sparsity_by_time, speedup_by_sparsity
from simulator.report.plots.style import BLUE, ORANGE, plain_frame
from traces import Trace, record, sparsify

torch.manual_seed(0)
threads = torch.set_num_threads(1)


def tell(text):
    """Show a paragraph that was put together from numbers."""
    display(Markdown(" ".join(text.split())))


# %% [markdown]
# ## A model that knows nothing of Skipstone
#
# Two LSTM layers read a noisy sum of two waves of unknown frequency, and a linear layer says the next value. It is small
# enough to train here in seconds; nothing below depends on that.

# %%
BATCH, TIME, HIDDEN, STEPS = 16, 32, 48, 100


class Forecaster(nn.Module):
    """Next value of each sequence: [T, B, 1] to [T, B, 1]."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, HIDDEN, num_layers=2)
        self.head = nn.Linear(HIDDEN, 1)

    def forward(self, x):
        return self.head(self.lstm(x)[0])


def batch(generator):
    """Waves and their next values, [T, B, 1] each."""
    time = torch.arange(TIME + 1)[:, None, None]
    frequency = 0.1 + 0.5 * torch.rand(2, 1, BATCH, 1, generator=generator)
    phase = 6.28 * torch.rand(2, 1, BATCH, 1, generator=generator)
    waves = torch.sin(frequency * time + phase).mean(0)
    noisy = waves + 0.05 * torch.randn(waves.shape, generator=generator)
    return noisy[:-1], waves[1:]


def train(model, optimizer, after_backward=lambda loss: None):
    """Your loop, as it is; `after_backward` sees the loss of each step."""
    generator = torch.Generator().manual_seed(1)
    losses = []
    for _ in range(STEPS):
        x, wanted = batch(generator)
        loss = nn.functional.mse_loss(model(x), wanted)
        optimizer.zero_grad()
        loss.backward()
        after_backward(loss)
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_loss(model):
    """Loss on waves that were not trained on."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        pairs = [batch(generator) for _ in range(20)]
        return sum(nn.functional.mse_loss(model(x), wanted).item() for x, wanted in pairs) / len(pairs)


# %% [markdown]
# ## Two lines
#
# A policy says which gate gradients become zero; `skipstone policies` lists them. We train the model three times from the
# same weights on the same data: as it is, with a threshold relative to the size of the gradient, and with one that is held
# so that four of five gradients are zero.

# %%
POLICIES = {
    "dense": None,
    "a tenth of the RMS": {"kind": "relative", "of": "rms", "factor": 0.1},
    "80 % zeros": {"kind": "target", "sparsity": 0.8},
}
start = Forecaster()
folder = tempfile.TemporaryDirectory()  # give paths of your own to keep the traces
curves, losses, paths = {}, {}, {}
for name, policy in POLICIES.items():
    model = copy.deepcopy(start)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    sparsify(model, policy)
    paths[name] = Path(folder.name) / f"{name.replace(' ', '_')}.npz"
    with record(model, paths[name], every=50, optimizer=optimizer, total_steps=STEPS, task="waves") as recorder:
        curves[name] = train(model, optimizer, recorder.loss)
    losses[name] = test_loss(model)

# %% [markdown]
# A sparsified model computes the same outputs from the same weights, and without a threshold the same gradients: `sparsify`
# changes the backward pass only. That is quickly checked on your model, too.

# %%
x, wanted = batch(torch.Generator().manual_seed(3))
plain, sparse = copy.deepcopy(start), sparsify(copy.deepcopy(start), None)
torch.testing.assert_close(sparse(x), plain(x))
for one in (plain, sparse):
    nn.functional.mse_loss(one(x), wanted).backward()
for (name, one), (_, other) in zip(plain.named_parameters(), sparse.named_parameters()):
    torch.testing.assert_close(other.grad, one.grad, msg=name)

# %%
figure, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
for (name, curve), (color, line) in zip(curves.items(), (("black", "-"), (BLUE, "--"), (ORANGE, "-."))):
    ax.plot(pd.Series(curve).rolling(10, min_periods=1).mean(), line, color=color, label=name)
ax.set_yscale("log")
ax.set_xlabel("optimiser step")
ax.set_ylabel("training loss (mean of ten steps)")
plain_frame(ax)
legend = ax.legend(frameon=False)

# %% [markdown]
# ## The trace
#
# What was recorded: packed masks of a few steps, and beside them why zeros are zero, how large gradients are, and how the
# gates' activations are spread.

# %%
recorded = {name: Trace(path) for name, path in paths.items()}
trace = recorded["80 % zeros"]
trace

# %%
axes = sparsity_by_step(trace)

# %%
axes = sparsity_by_time(trace)

# %%
panels = gate_activations(trace)

# %% [markdown]
# ## The machine
#
# Replay all three on a machine that could be built, and set quality beside time and energy.

# %%
reports = {name: simulate("zero_skip", one) for name, one in recorded.items()}
table = pd.DataFrame(
    {
        "test loss": losses,
        "zeros in dG (%)": {name: 100 * one.sparsity for name, one in reports.items()},
        "MACs saved, network (%)": {name: 100 * one.savings["network"] for name, one in reports.items()},
        "speed-up": {name: one.speedup for name, one in reports.items()},
        "ideal": {name: one.bound_speedup for name, one in reports.items()},
        "energy saved (%)": {name: 100 * one.energy_saving for name, one in reports.items()},
    }
)
table.round(4)

# %%
axes = speedup_by_sparsity(reports)

# %%
best = reports["80 % zeros"]
tell(
    f"With four of five gate gradients zero the test loss is {losses['80 % zeros']:.4f} instead of {losses['dense']:.4f}, and "
    f"this machine trains {numbers.times(best.speedup)} as fast on {numbers.percent(best.energy_saving)} less energy."
)
for sentence in best.explain()[:2] + best.explain()[-1:]:
    tell(sentence)

# %% [markdown]
# ## More of your model
#
# * `sparsify(model, policy, linear=True)` takes every `nn.Linear`, too, `attention=True` the projections of attention.
# * `quantize={"bits": 8, "kind": "fixed"}` quantises gradients before the threshold; mixed precision with a loss scale is
#   recorded as it is computed (`loss_scale=scaler`).
# * Padded batches, several passes in a step and accumulated gradients are recorded as the work that they are.
# * A policy may differ by layer or gate, warm up, or remember what it dropped: policies nest.
#
# From here, `02_energy_report` takes the replay apart, and `04_design_space` looks for a better machine.

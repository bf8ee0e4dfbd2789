"""Drop-in PyTorch layers whose gate gradients are thresholded, and a recorder: two lines around a user's own loop.

>>> from traces import record, sparsify
>>> sparsify(model, {"kind": "fixed", "threshold": 1e-6})  # doctest: +SKIP
>>> with record(model, "run.npz", every=100, optimizer=optimizer):  # doctest: +SKIP
...     train(model, optimizer)

`sparsify` makes every ``nn.LSTM``, ``nn.GRU`` and ``nn.RNN`` (and, on request, ``nn.Linear`` and the projections of
attention) a layer with the same parameters and the same results, whose backward pass is written out: the gradient dG
of the linear gates is thresholded before everything that is computed from it. `record` writes what was zero.

Importing this package loads PyTorch; ``import traces`` does not.
"""

from __future__ import annotations

from traces.errors import InputError

try:
    import torch  # noqa: F401 (asked for here, so that its absence is told in one line)
except ImportError as error:
    hint = "pip install 'skipstone[torch]', or pip install torch"
    raise InputError.of("traces.torch_frontend", "no PyTorch", "the package torch", hint) from error

from traces.torch_frontend.recording import record
from traces.torch_frontend.replace import sparsify

__all__ = ["record", "sparsify"]

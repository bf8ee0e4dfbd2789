"""The other linear layers and attention projections of a model: dense work of the trace, found when they run."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from traces.header import DenseLayer
from traces.torch_frontend.attention import PROJECTIONS, SparseMultiheadAttention
from traces.torch_frontend.clock import inside_backward
from traces.torch_frontend.linear import SparseLinear
from traces.torch_frontend.observation import Lengths


class DenseWatch:
    """Counts the rows that layers without a record multiply in a training step; those that never ran are no layers.

    Each ``nn.Linear`` that was not replaced is one, and each projection q, k, v, out of an ``nn.MultiheadAttention``.

    Parameters
    ----------
    model : nn.Module
    """

    def __init__(self, model: nn.Module) -> None:
        self._modules = {
            path or "linear": module
            for path, module in model.named_modules()
            if isinstance(module, nn.Linear) and not isinstance(module, SparseLinear)
        }
        self._attentions = {
            path or "attention": module
            for path, module in model.named_modules()
            if isinstance(module, nn.MultiheadAttention) and not isinstance(module, SparseMultiheadAttention)
        }
        self._rows: dict[str, int] = {}
        self._hooks: list[Any] = []
        self._counting = False

    @property
    def layers(self) -> list[DenseLayer]:
        """Describe them; each counts by the rows that `lengths` says it has."""
        layers = [DenseLayer(name, m.in_features, m.out_features) for name, m in self._modules.items()]
        for name, m in self._attentions.items():
            sizes = zip(PROJECTIONS, (m.embed_dim, m.kdim, m.vdim, m.embed_dim), strict=True)
            layers += [DenseLayer(f"{name}.{part}", D, m.embed_dim) for part, D in sizes]
        return layers

    def start(self) -> None:
        """Look at their forward passes from now on."""
        self._hooks = [
            module.register_forward_hook(self._counter(name, module.out_features))
            for name, module in self._modules.items()
        ] + [
            module.register_forward_hook(self._attention_counter(name), with_kwargs=True)
            for name, module in self._attentions.items()
        ]

    def begin(self, counting: bool) -> None:
        """Begin a step."""
        self._rows, self._counting = {}, counting

    def lengths(self, batch: int) -> dict[str, Lengths]:
        """Deal out the rows of this step to the sequences of the batch, for the layers that ran."""
        return {
            name: rows // batch + (np.arange(batch) < rows % batch).astype(np.int64)
            for name, rows in self._rows.items()
        }

    def stop(self) -> None:
        """Take the hooks away."""
        for hook in self._hooks:
            hook.remove()

    def _counter(self, name: str, width: int) -> Any:
        def count(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            self._add(name, output, output.numel() // width)

        return count

    def _attention_counter(self, name: str) -> Any:
        def count(module: Any, inputs: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
            given = dict(zip(("query", "key", "value"), inputs, strict=False)) | named
            for part, argument in zip(PROJECTIONS, ("query", "key", "value", "query"), strict=True):
                x = given[argument]
                self._add(f"{name}.{part}", output[0], x.numel() // x.shape[-1])

        return count

    def _add(self, name: str, output: Any, rows: int) -> None:
        if self._counting and torch.is_grad_enabled() and output.requires_grad and not inside_backward():
            self._rows[name] = self._rows.get(name, 0) + rows

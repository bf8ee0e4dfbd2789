"""The other linear layers of a model: dense work of the trace, found when they run."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from traces.header import DenseLayer
from traces.torch_frontend.clock import inside_backward
from traces.torch_frontend.observation import Lengths


class DenseWatch:
    """Counts the rows that each ``nn.Linear`` that was not replaced multiplies in a training step.

    Parameters
    ----------
    model : nn.Module
    """

    def __init__(self, model: nn.Module) -> None:
        self._modules = {
            path or "linear": module
            for path, module in model.named_modules()
            if isinstance(module, nn.Linear) and not getattr(module, "taps", None)
        }
        self._rows: dict[str, int] = {}
        self._hooks: list[Any] = []
        self._counting = False

    @property
    def layers(self) -> list[DenseLayer]:
        """Describe them; each counts by the rows that `lengths` says it has."""
        return [DenseLayer(name, m.in_features, m.out_features) for name, m in self._modules.items()]

    def start(self) -> None:
        """Look at their forward passes from now on."""
        self._hooks = [module.register_forward_hook(self._counter(name)) for name, module in self._modules.items()]

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

    def _counter(self, name: str) -> Any:
        def count(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            if self._counting and torch.is_grad_enabled() and output.requires_grad and not inside_backward():
                self._rows[name] = self._rows.get(name, 0) + output.numel() // module.out_features

        return count

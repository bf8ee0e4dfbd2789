"""What the model hands from room to room cannot be changed on the way."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from types import ModuleType

import pytest

import simulator.energy
import simulator.engine
import simulator.skipping
import simulator.workload

WORKING = {"simulator.engine.event._Request", "simulator.workload.lowering._Program"}
"""What one function fills, and nobody else sees."""
COMPARED_BY_IDENTITY = {
    "simulator.workload.product.OperandMask",
    "simulator.workload.product.Product",
    "simulator.workload.product.Workload",
}
"""They hold masks, of which `==` would ask bit by bit."""


def dataclasses_of(room: ModuleType) -> list[type]:
    names = [f"{room.__name__}.{module.name}" for module in pkgutil.iter_modules(room.__path__)]
    kinds = [kind for name in names for kind in vars(importlib.import_module(name)).values() if isinstance(kind, type)]
    return [kind for kind in kinds if dataclasses.is_dataclass(kind) and kind.__module__ in names]


@pytest.mark.parametrize("room", [simulator.skipping, simulator.engine, simulator.energy, simulator.workload])
def test_results_are_frozen(room: ModuleType) -> None:
    for kind in dataclasses_of(room):
        name = f"{kind.__module__}.{kind.__qualname__}"
        settings = kind.__dataclass_params__  # type: ignore[attr-defined]
        assert settings.frozen is (name not in WORKING), name
        assert settings.eq is (name not in COMPARED_BY_IDENTITY), name

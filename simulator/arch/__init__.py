"""The machine as data: a frozen schema and its strict YAML loader.

What describes a DRAM standard is imported when it is first asked for: few machines have one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.arch.energy_row import dram_energy_row
from simulator.arch.locate import arch_names, config_root
from simulator.arch.mechanism import Mechanism, PassCounts, PassMasks
from simulator.arch.memory_system import Memory
from simulator.arch.schema import Architecture, mechanism_of
from simulator.arch.tile_mechanism import TileMechanism
from simulator.arch.weights import Weights
from simulator.arch.yaml_loader import load_arch

__all__ = [
    "Architecture",
    "DramStandard",
    "Mechanism",
    "Memory",
    "PassCounts",
    "PassMasks",
    "TileMechanism",
    "Weights",
    "arch_names",
    "config_root",
    "dram_energy_row",
    "dram_standard_names",
    "load_arch",
    "load_dram_standard",
    "mechanism_of",
]

if TYPE_CHECKING:
    from simulator.arch.dram_standard import DramStandard as DramStandard
    from simulator.arch.dram_standard import dram_standard_names as dram_standard_names
    from simulator.arch.dram_standard import load_dram_standard as load_dram_standard


def __getattr__(name: str) -> Any:
    """Import a name of `simulator.arch.dram_standard` when it is first used."""
    if name not in ("DramStandard", "dram_standard_names", "load_dram_standard"):
        raise AttributeError(f"module 'simulator.arch' has no attribute {name!r}")
    from simulator.arch import dram_standard

    value = getattr(dram_standard, name)
    globals()[name] = value
    return value

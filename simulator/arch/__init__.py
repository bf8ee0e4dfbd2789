"""The machine as data: a frozen schema and its strict YAML loader."""

from simulator.arch.dram_standard import DramStandard, dram_energy_row, dram_standard_names, load_dram_standard
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

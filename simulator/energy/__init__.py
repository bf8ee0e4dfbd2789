"""Counts to pJ, and parts to mm2: tables in which every number names its source."""

from simulator.energy.area import AreaLine, AreaReport, area
from simulator.energy.loading import load_energy_table
from simulator.energy.price import COMPONENTS, EnergyLine, EnergyReport, price
from simulator.energy.shares import energy_by, energy_by_groups, energy_delay_js
from simulator.energy.table import Area, EnergyTable, Price

__all__ = [
    "COMPONENTS",
    "Area",
    "AreaLine",
    "AreaReport",
    "EnergyLine",
    "EnergyReport",
    "EnergyTable",
    "Price",
    "area",
    "energy_by",
    "energy_by_groups",
    "energy_delay_js",
    "load_energy_table",
    "price",
]

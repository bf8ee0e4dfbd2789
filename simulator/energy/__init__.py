"""Counts to pJ: tables in which every price names its source."""

from simulator.energy.price import COMPONENTS, EnergyLine, EnergyReport, price
from simulator.energy.table import EnergyTable, Price, load_energy_table

__all__ = ["COMPONENTS", "EnergyLine", "EnergyReport", "EnergyTable", "Price", "load_energy_table", "price"]

"""Counts to pJ: tables in which every price names its source."""

from simulator.energy.table import EnergyTable, Price, load_energy_table

__all__ = ["EnergyTable", "Price", "load_energy_table"]

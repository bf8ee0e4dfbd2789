"""Which row of the energy table prices a machine's DRAM."""

from __future__ import annotations

from simulator.arch.schema import Architecture


def dram_energy_row(arch: Architecture) -> str:
    """Give the row ``dram.<...>`` of the energy table that prices a machine's DRAM.

    Raises
    ------
    InputError
        If the file of a standard, which names it, is not there or not as it must be.
    """
    dram = arch.system.dram
    if dram.standard:
        return dram.standard
    from simulator.arch.dram_standard import load_dram_standard

    return load_dram_standard(dram.timing or "", arch.folder).energy_row

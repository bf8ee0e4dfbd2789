"""DRAM standards as data: organisation, interface and timings of a device, read from a file.

A standard is a YAML file under `arch_configs/dram/` or the user's own. All of it is integers; nothing here knows how
a controller uses them (`simulator.memory.timing` does).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from fractions import Fraction

from pydantic import Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from simulator.arch.data_files import checked, read_data_file
from simulator.arch.locate import config_root
from simulator.arch.parts import Part
from simulator.arch.problems import wrong


class Organisation(Part):
    """What a device or stack is made of. An HBM pseudo channel is a channel here: it has banks and data pins alone."""

    channels: int = Field(ge=1, le=1024, description="Independent channels of a device, stack or module.")
    bus_bits: int = Field(ge=8, le=1024, multiple_of=8, description="Data pins of a channel.")
    bank_groups: int = Field(ge=1, le=64, description="Bank groups of a channel; 1 where the standard has none.")
    banks_per_group: int = Field(ge=1, le=64, description="Banks of a group.")
    rows: int = Field(ge=1, le=1 << 24, description="Rows of a bank.")
    columns: int = Field(ge=1, le=1 << 20, description="Columns of a row, each as wide as the data bus.")
    burst_length: int = Field(ge=1, le=64, description="Columns that one read or write moves.")
    page_bytes: int = Field(ge=1, description="Bytes of a row: columns x bus_bits / 8.")


class Interface(Part):
    """How fast the pins are."""

    data_rate_mt_per_s: int = Field(ge=1, le=100_000, description="Transfers per second of a data pin, in 10^6.")
    transfers_per_clock: int = Field(
        ge=1, le=16, description="Transfers of a data pin in one period of the command clock."
    )
    command_buses: int = Field(
        ge=1, le=2, description="1: one command a clock; 2: one row command and one column command a clock."
    )


class Clocks(Part):
    """Least distances between commands, in periods of the command clock; JEDEC's names."""

    t_rcd_read: int = Field(ge=1, le=1 << 16, description="Activate to read, same bank.")
    t_rcd_write: int = Field(ge=1, le=1 << 16, description="Activate to write, same bank.")
    t_rp: int = Field(ge=1, le=1 << 16, description="Precharge to activate or refresh, same bank.")
    t_cl: int = Field(ge=1, le=1 << 16, description="Read to its first data.")
    t_cwl: int = Field(ge=1, le=1 << 16, description="Write to its first data.")
    t_ras: int = Field(ge=1, le=1 << 16, description="Activate to precharge, same bank.")
    t_rc: int = Field(ge=1, le=1 << 16, description="Activate to activate or refresh, same bank.")
    t_rrd_s: int = Field(ge=1, le=1 << 16, description="Activate to activate, other bank group.")
    t_rrd_l: int = Field(ge=1, le=1 << 16, description="Activate to activate, same bank group.")
    t_ccd_s: int = Field(ge=1, le=1 << 16, description="Read to read or write to write, other bank group.")
    t_ccd_l: int = Field(ge=1, le=1 << 16, description="Read to read or write to write, same bank group.")
    t_faw: int = Field(ge=1, le=1 << 16, description="Of any five activates of a channel, first to last.")
    t_wr: int = Field(ge=1, le=1 << 16, description="Last data of a write to precharge, same bank.")
    t_rtp: int = Field(ge=1, le=1 << 16, description="Read to precharge, same bank.")
    t_wtr_s: int = Field(ge=1, le=1 << 16, description="Last data of a write to read, other bank group.")
    t_wtr_l: int = Field(ge=1, le=1 << 16, description="Last data of a write to read, same bank group.")
    t_rtw: int = Field(ge=1, le=1 << 16, description="Read to write, any bank: data and the bus's turnaround.")
    t_refi: int = Field(ge=1, le=1 << 24, description="Refresh to refresh, on average.")
    t_rfc: int = Field(ge=1, le=1 << 20, description="Refresh of all banks to activate.")


class DramStandard(Part):
    """A DRAM standard at one speed; read one with `load_dram_standard`."""

    name: str = Field(min_length=1, max_length=100, description="The standard's name in reports.")
    description: str = Field(default="", description="What is described: a device, a stack, a module.")
    source: str = Field(min_length=1, description="Where the numbers come from, to the file.")
    verified: bool = Field(description="false where some of the clocks are only recalled.")
    energy_row: str = Field(min_length=1, description="The row dram.<energy_row> of energy tables that prices it.")
    organisation: Organisation = Field(description="Channels, banks, rows.")
    interface: Interface = Field(description="How fast the pins are.")
    clocks: Clocks = Field(description="Timings in periods of the command clock.")

    @property
    def banks(self) -> int:
        """Banks of a channel."""
        return self.organisation.bank_groups * self.organisation.banks_per_group

    @property
    def burst_bytes(self) -> int:
        """Bytes that one read or write moves."""
        return self.organisation.burst_length * self.organisation.bus_bits // 8

    @property
    def burst_clocks(self) -> int:
        """Clocks for which a burst holds the data bus."""
        return self.organisation.burst_length // self.interface.transfers_per_clock

    @property
    def bursts_per_row(self) -> int:
        """Bursts that a row holds."""
        return self.organisation.columns // self.organisation.burst_length

    @property
    def channel_bytes(self) -> int:
        """Capacity of a channel."""
        return self.banks * self.organisation.rows * self.organisation.page_bytes

    @property
    def clock_mhz(self) -> Fraction:
        """Frequency of the command clock, exactly."""
        return Fraction(self.interface.data_rate_mt_per_s, self.interface.transfers_per_clock)

    @property
    def channel_mb_per_s(self) -> int:
        """Bytes that the data pins of one channel can move in a second, in 10^6."""
        return self.interface.data_rate_mt_per_s * self.organisation.bus_bits // 8

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the numbers as canonical JSON."""
        data = self.model_dump(mode="json", include={"organisation", "interface", "clocks"})
        return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @model_validator(mode="after")
    def _consistent(self) -> DramStandard:
        details: list[InitErrorDetails] = [
            {"type": error, "loc": place, "input": None} for place, error in self._contradictions()
        ]
        if details:
            raise ValidationError.from_exception_data("DramStandard", details)
        return self

    def _contradictions(self) -> Iterator[tuple[tuple[str, str], PydanticCustomError]]:
        o, i, t = self.organisation, self.interface, self.clocks
        page_bytes = o.columns * o.bus_bits // 8
        if o.page_bytes != page_bytes:
            yield ("organisation", "page_bytes"), wrong(str(o.page_bytes), f"columns x bus_bits / 8 = {page_bytes}")
        if o.columns % o.burst_length:
            expected = f"a multiple of burst_length ({o.burst_length})"
            yield ("organisation", "columns"), wrong(str(o.columns), expected)
        if self.banks > 64:
            yield ("organisation", "banks_per_group"), wrong(f"{self.banks} banks", "at most 64 banks in a channel")
        if o.burst_length % i.transfers_per_clock:
            expected = f"a multiple of transfers_per_clock ({i.transfers_per_clock}): a burst takes whole clocks"
            yield ("organisation", "burst_length"), wrong(str(o.burst_length), expected)
        burst = -(-o.burst_length // i.transfers_per_clock)
        least = {
            "t_rc": ("t_ras + t_rp", t.t_ras + t.t_rp),
            "t_rrd_l": ("t_rrd_s", t.t_rrd_s),
            "t_ccd_s": ("the clocks of a burst", burst),
            "t_ccd_l": ("t_ccd_s", t.t_ccd_s),
            "t_faw": ("t_rrd_s", t.t_rrd_s),
            "t_wtr_l": ("t_wtr_s", t.t_wtr_s),
            "t_rtw": ("t_cl + the clocks of a burst - t_cwl", t.t_cl + burst - t.t_cwl),
            # A refresh that is due waits for writes to be restored; it must be over before the next is due.
            "t_refi": (
                "t_rfc + t_rc + t_cwl + the clocks of a burst + t_wr + t_rp + the banks of a channel",
                t.t_rfc + t.t_rc + t.t_cwl + burst + t.t_wr + t.t_rp + self.banks,
            ),
        }
        for name, (formula, value) in least.items():
            if getattr(t, name) < value:
                yield ("clocks", name), wrong(str(getattr(t, name)), f"at least {formula} = {value}")


def dram_standard_names() -> list[str]:
    """List the shipped standards by file name, sorted."""
    return sorted(path.stem for path in (config_root() / "dram").glob("*.yaml"))


def load_dram_standard(
    name_or_path: str | os.PathLike[str], relative_to: str | os.PathLike[str] | None = None
) -> DramStandard:
    """Load a DRAM standard.

    Parameters
    ----------
    name_or_path : str or path
        A shipped standard's name (`dram_standard_names`), or a file.
    relative_to : path, optional
        The folder that a relative path starts from, mostly `Architecture.folder`; where there is no such file in it,
        the working folder.

    Raises
    ------
    InputError
        With every problem of the file, each with its place.
    """
    expected = "a DRAM standard: name, source, verified, energy_row, organisation, interface, clocks"
    names = dram_standard_names()
    document, _ = read_data_file(name_or_path, relative_to, "dram", names, "DRAM standard", expected)
    return checked(document, DramStandard)

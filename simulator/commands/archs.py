"""`skipstone archs` and `skipstone validate`: the shipped machines, and whether a file is one."""

from __future__ import annotations

import json
import textwrap

import click

from simulator.arch import Architecture, Mechanism, arch_names, dram_energy_row, load_arch, load_dram_standard
from simulator.commands.completion import complete_machine
from simulator.energy import load_energy_table
from traces.errors import InputError, Problem
from traces.program import say


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list with every resolved key and nothing else.")
def archs(as_json: bool) -> None:
    """List the shipped machines."""
    machines = {file: load_arch(file) for file in arch_names()}
    if as_json:
        listed = [{"file": file, "digest": arch.digest, **arch.to_dict()} for file, arch in machines.items()]
        click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    rows: list[tuple[str, ...]] = [("name", "array", "mechanism", "memory")]
    rows += [_row(file, arch) for file, arch in machines.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row, arch in zip(rows, [None, *machines.values()], strict=True):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if arch is not None:
            for text in filter(None, (arch.description, _parameters(arch.skipping), _scale_out(arch))):
                click.echo(textwrap.fill(text, 80, initial_indent="    ", subsequent_indent="    "))


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=complete_machine)
@click.option("--quiet", is_flag=True, help="Tell problems alone.")
def validate(files: tuple[str, ...], quiet: bool) -> None:
    """Check machine files (or shipped names), with the energy tables and DRAM standards that they name.

    Prints a line with the digest for each good machine and every problem of the others; exits with 2 if there
    is one.
    """
    problems: list[Problem] = []
    for file in files:
        try:
            arch = load_arch(file)
            _check_dram_standard(file, arch)  # first, for it names the row of the energy table
            _check_energy_table(file, arch)
        except InputError as error:
            problems += error.problems
        else:
            if not quiet:
                say(f"ok  {file}  {arch.name}  {arch.digest}")
    if problems:
        raise InputError(problems)


def _check_energy_table(file: str, arch: Architecture) -> None:
    """Check that the table is there and prices the machine's formats and its DRAM."""
    place = f"{file} energy_table"
    try:
        table = load_energy_table(arch.energy_table, arch.folder)
        standard = None if arch.ideal_memory else dram_energy_row(arch)
        lacking = table.needed_by(arch.precision.operand, arch.precision.accumulator, standard)
        if lacking:
            raise InputError(lacking)
    except InputError as error:
        raise InputError(
            [Problem(f"{place}: {p.where}", p.found, p.expected, p.hint) for p in error.problems]
        ) from None


def _check_dram_standard(file: str, arch: Architecture) -> None:
    """Check that the DRAM standard of a machine at level `timing` is there and contradicts itself nowhere."""
    if arch.ideal_memory or arch.system.dram.timing is None:
        return
    place = f"{file} memory.dram.timing"
    try:
        load_dram_standard(arch.system.dram.timing, arch.folder)
    except InputError as error:
        raise InputError(
            [Problem(f"{place}: {p.where}", p.found, p.expected, p.hint) for p in error.problems]
        ) from None


def _row(file: str, arch: Architecture) -> tuple[str, ...]:
    array = f"{arch.array.rows} x {arch.array.columns}"
    if arch.skipping.macs_per_lane > 1:
        array += f" x {arch.skipping.macs_per_lane}"
    if arch.ideal_memory:
        memory = "ideal"
    else:
        buffers, dram = arch.system.buffers, arch.system.dram
        on_chip_kib = buffers.skip.capacity_kib + buffers.shared.capacity_kib + buffers.output.capacity_kib
        rate = dram.timing if dram.level == "timing" else f"{dram.standard} {dram.bandwidth_gb_per_s:g} GB/s"
        memory = f"{on_chip_kib} KiB, {rate}"
    return file, array, arch.skipping.mechanism, memory


def _scale_out(arch: Architecture) -> str:
    return f"arrays {arch.arrays}, chips {arch.chips.count}" if arch.scaled_out else ""


def _parameters(mechanism: Mechanism) -> str:
    """Write the parameters that differ from their defaults, null as it stands in files."""
    parameters = mechanism.model_dump(mode="json", exclude_defaults=True, exclude={"mechanism"})
    return ", ".join(f"{key} {json.dumps(value)}" for key, value in parameters.items())

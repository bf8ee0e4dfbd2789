"""`skipstone sram`: make a file of SRAM energies, areas and leakage with CACTI, off-line."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from simulator.commands.progress import progress


@click.command("sram")
@click.option("--node", "nodes", multiple=True, required=True, type=int, help="Node in nanometres; may be repeated.")
@click.option(
    "--kib", "sizes_kib", multiple=True, type=int, help="Capacity in KiB; may be repeated. Default: 8 to 4096."
)
@click.option("--port-bits", default=64, show_default=True, help="Bits of an access.")
@click.option("--banks", default=1, show_default=True, help="Banks of each memory; a power of two.")
@click.option("--python", default=sys.executable, help="An interpreter that has hwcomponents-cacti. Default: this one.")
@click.option("--out", default=None, metavar="FILE.csv", help="The file. Default: one in the user's cache folder.")
@click.option("--quiet", is_flag=True, help="No progress.")
def sram(
    nodes: tuple[int, ...],
    sizes_kib: tuple[int, ...],
    port_bits: int,
    banks: int,
    python: str,
    out: str | None,
    quiet: bool,
) -> None:
    """Make a file of SRAM energies, areas and leakage with CACTI 7, for `sram_csv` of an energy table.

    Needs the extra [cacti]. It asks once per node and capacity, each in a process of its own, checks what comes back,
    and writes nothing unless all of it is sound. No simulation ever calls CACTI.
    """
    from simulator.energy import cacti
    from simulator.report.files import make_folder, write_text_atomically

    chosen = sorted(set(nodes), reverse=True)
    sizes = sorted(set(sizes_kib or cacti.CAPACITIES_KIB))
    memories = [cacti.Memory(node, kib * 1024, port_bits, banks) for node in chosen for kib in sizes]
    path = Path(out) if out else cacti.cache_file(chosen, port_bits, banks)
    runner, answers = cacti.run_in_a_process(python), list[cacti.Answer]()
    with progress(quiet, "memories") as observer:
        for done, memory in enumerate(memories, start=1):
            answers.append(cacti.ask(memory, runner))
            if observer is not None:
                observer(done, len(memories))
    cacti.rising(answers)
    make_folder(path.parent)
    write_text_atomically(path, cacti.as_csv(answers))
    click.echo(str(path))
    if not quiet:
        verified = "true" if chosen[0] >= cacti.MODELLED_NM[0] else "false"
        row = f'{{file: {path}, technology_nm: {chosen[0]}, source: "CACTI 7", verified: {verified}}}'
        click.echo(f"in an energy table, instead of sram:\n    sram_csv: {row}", err=True)

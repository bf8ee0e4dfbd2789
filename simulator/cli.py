"""The command lines `simulate` and `skipstone`.

Commands are imported when they are called, so that `--help` stays quick and loads nothing heavy.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import NoReturn

import click
from click.shell_completion import CompletionItem

from traces.program import run
from traces.version import __version__

COMMANDS = {
    "record": ("traces.cli:record", "Train a model and record which gate gradients are zero."),
    "inspect": ("traces.cli:inspect", "Show what a trace file holds."),
    "import": ("traces.interchange_commands:import_data", "Make a trace of a matrix or of a DNNsim trace folder."),
    "export": ("traces.interchange_commands:export_data", "Write a product's mask for other programs."),
    "simulate": ("simulator.commands.simulate:simulate", "Replay a trace on a machine: cycles, energy, savings."),
    "explain": ("simulator.commands.explain:explain", "Say how products are mapped, what was second, and why."),
    "sweep": ("simulator.commands.sweep:sweep", "Replay traces on a grid of machines."),
    "search": ("simulator.commands.search:search", "Look for the best machines and traces of a space."),
    "frontier": ("simulator.commands.frontier:frontier", "Find the rows of a sweep that no other row beats."),
    "sensitivity": (
        "simulator.commands.sensitivity:sensitivity",
        "Say which axis of a sweep moves what, and how much.",
    ),
    "compare": ("simulator.commands.compare:compare", "Say what changed between runs, by how much, and why."),
    "report": ("simulator.commands.report:report", "Make a page for a browser of a sweep or of a run."),
    "study": ("simulator.commands.study:study", "Train many models: quality beside sparsity, cycles and energy."),
    "break-even": (
        "simulator.commands.break_even:break_even",
        "Find the share of zeros from which on skipping pays on a machine.",
    ),
    "archs": ("simulator.commands.archs:archs", "List the shipped machines."),
    "mechanisms": ("simulator.commands.mechanisms:mechanisms", "List the ways to skip zeros, with their parameters."),
    "policies": ("traces.cli:policies", "List the threshold policies of recording, with their parameters."),
    "validate": ("simulator.commands.archs:validate", "Check machine files."),
    "sram": ("simulator.commands.sram:sram", "Make a file of SRAM energies with CACTI, for energy tables."),
    "validate-literature": (
        "simulator.commands.validate_literature:validate_literature",
        "Set published figures of other designs beside ours.",
    ),
    "completion": ("simulator.commands.completion:completion", "Print what makes Tab complete the command lines."),
}


SIMULATE = "simulate"

COMPILING = "note: compiling for this processor, once; this takes some ten seconds"


class LazyGroup(click.Group):
    """A group whose commands are imported only when one is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the command names in the order of the walk."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        if ctx.resilient_parsing:  # somebody completes the line
            from simulator.commands.completion import offer_files

            offer_files(command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer commands without importing them, and options."""
        names = [CompletionItem(n, help=line) for n, (_, line) in COMMANDS.items() if n.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, invoke_without_command=True)
@click.version_option(__version__, prog_name="skipstone")
@click.pass_context
def skipstone(context: click.Context) -> None:
    """Skipstone: what would zero-skipping hardware make of the zeros in an LSTM's gate gradients?

    Without a command it shows five things that people do with it.
    """
    if context.invoked_subcommand is None:
        from simulator.commands.welcome import welcome

        # To ask what there is to do is no mistake: stdout and 0, for 2 means that an input is at fault.
        click.echo(welcome(), nl=False)


def _run(command: click.Command, program: str) -> NoReturn:
    """Run a command line; where kernels must be compiled, which takes seconds, say so on stderr (not with --quiet)."""
    from simulator.compiling import told_of_compiling

    quiet = "--quiet" in sys.argv
    try:
        with told_of_compiling(lambda: None if quiet else click.echo(COMPILING, err=True)):
            run(command, program)
    except RuntimeError as error:
        from simulator.commands.contradiction import told

        if (message := told(error)) is None:
            raise
        click.echo(message, err=True)
        sys.exit(1)


def main() -> NoReturn:
    """Run `skipstone`."""
    _run(skipstone, "skipstone")


def simulate_main() -> NoReturn:
    """Run `simulate`, the short form of `skipstone simulate`."""
    completing = f"_{SIMULATE.upper()}_COMPLETE" in os.environ
    command = skipstone.get_command(click.Context(skipstone, resilient_parsing=completing), SIMULATE)
    assert command is not None
    _run(command, SIMULATE)

"""`skipstone completion`: what a shell must load so that Tab completes the command lines; and names that it offers."""

from __future__ import annotations

import re

import click

from simulator.arch.locate import arch_names
from traces.completion import complete_trace, named_or_file

__all__ = ["complete_machine", "complete_report", "complete_space", "complete_trace", "completion", "offer_files"]

PROGRAMS = ("skipstone", "simulate")
NAMES_FILES = re.compile(r"FILE|DIR|RESULTS")


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes Tab complete `skipstone` and `simulate`: commands, options, machines, traces.

    \b
    Bash, in ~/.bashrc:    eval "$(skipstone completion bash)"
    Zsh, in ~/.zshrc:      eval "$(skipstone completion zsh)"
    Fish, in config.fish:  skipstone completion fish | source

    Bash must be 4.4 or newer.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    for program in PROGRAMS:
        maker = kind(click.Command(program), {}, program, f"_{program.upper()}_COMPLETE")
        click.echo(maker.source_template % maker.source_vars())


def offer_files(command: click.Command) -> None:
    """Let the shell offer files and folders for whatever a command's help calls one, where nothing better is offered.

    For a command line that is being completed, and not to be run.
    """
    for parameter in command.params:
        if parameter.type is click.STRING and NAMES_FILES.search(parameter.metavar or ""):
            parameter.type = click.Path()


def _space_names() -> list[str]:
    from simulator.explore import space_names

    return space_names()


complete_machine = named_or_file(arch_names, ".yaml")
complete_space = named_or_file(_space_names, ".yaml")
complete_report = named_or_file(list, ".json")

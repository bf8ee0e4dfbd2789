"""The command line's reference in Markdown, from the click objects that parse it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from simulator.cli import skipstone


def command_line() -> Iterator[str]:
    """Write a section for each command of `skipstone`, with its options and their defaults."""
    for _, command, path in commands(skipstone):
        yield from described(command, path)


def commands(
    group: click.Group, path: tuple[str, ...] = ("skipstone",)
) -> Iterator[tuple[click.Context, click.Command, tuple[str, ...]]]:
    """Walk through the commands of a group, and of groups in it."""
    context = click.Context(group, info_name=path[-1])
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield context, command, (*path, name)


def described(command: click.Command, path: tuple[str, ...]) -> Iterator[str]:
    """Write a command as a section: usage, help, and a table of what it takes."""
    context = click.Context(command, info_name=" ".join(path))
    usage = " ".join(command.collect_usage_pieces(context))
    yield from (f"## {' '.join(path)}", "", "```text", f"{' '.join(path)} {usage}", "```", "")
    for paragraph in (command.help or "").split("\n\n"):
        if paragraph.lstrip().startswith("\b"):
            lines = [line.strip() for line in paragraph.splitlines() if line.strip("\b ")]
            yield from ("```text", *lines, "```", "")
        else:
            yield from (" ".join(escaped(paragraph).split()), "")
    rows = [row for parameter in command.params if (row := _row(parameter, context))]
    if rows:
        yield from ("| option | what it does |", "| --- | --- |")
        yield from (f"| `{names}` | {text} |" for names, text in rows)
        yield ""


def _row(parameter: click.Parameter, context: click.Context) -> tuple[str, str] | None:
    record = parameter.get_help_record(context)
    if record is None:
        return None
    names, text = record
    return names.replace("|", "\\|"), escaped(" ".join(text.split())).replace("|", "\\|") or "–"


def escaped(text: str) -> str:
    """Keep Markdown from reading signs of plain text as its own; backquotes stay code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else re.sub(r"([*_<>\[\]#~])", r"\\\1", p) for p in parts)

"""`skipstone policies`: what `skipstone record --policy` and a trace's header may say."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import click

WIDTH = 80


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list and nothing else.")
def policies(as_json: bool) -> None:
    """List the threshold policies: what each does, where it is known from, and its parameters."""
    from traces.thresholds.table import all_described

    listed = all_described()
    if as_json:
        click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    click.echo("\n\n".join(_told(policy) for policy in listed))


def _told(policy: dict[str, Any]) -> str:
    """Write a policy as a paragraph, its parameters indented."""
    first = f"{policy['kind']}: {policy['summary']}".replace("``", "")
    lines = textwrap.wrap(first, WIDTH, subsequent_indent="  ")
    lines += _part(f"known from: {policy['source']}")
    if policy["changes_values"]:
        lines += _part("changes values that stay")
    for parameter in policy["parameters"]:
        default = "" if parameter["required"] else f", default {json.dumps(parameter['default'])}"
        lines += _part(f"{parameter['name']} ({parameter['values']}{default})")
        told = parameter["description"].replace("``", "")
        lines += textwrap.wrap(told, WIDTH, initial_indent="      ", subsequent_indent="      ")
    return "\n".join(lines)


def _part(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")

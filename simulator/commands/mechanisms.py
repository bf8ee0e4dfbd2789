"""`skipstone mechanisms`: what a machine file may have under `skipping`."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import click

import simulator.skipping  # noqa: F401 - defines, and so registers, the shipped mechanisms
from simulator.arch import Mechanism

WIDTH = 80


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list and nothing else.")
def mechanisms(as_json: bool) -> None:
    """List the ways to skip zeros: what each does, where it is known from, and its parameters."""
    listed = [described(kind) for _, kind in sorted(Mechanism.registered.items())]
    if as_json:
        click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    click.echo("\n\n".join(_told(mechanism) for mechanism in listed))


def described(kind: type[Mechanism]) -> dict[str, Any]:
    """Give a mechanism as plain data.

    Returns
    -------
    dict
        ``name``, ``summary``, ``literature``, and ``parameters``: a list of ``name``, ``values`` (type and range in
        words), ``required``, ``default`` (only where not required) and ``description``.
    """
    schema = kind.model_json_schema()
    definitions = schema.get("$defs", {})
    parameters = []
    for name, about in schema["properties"].items():
        if name == "mechanism":
            continue
        required = name in schema.get("required", [])
        parameters.append(
            {
                "name": name,
                "values": _values(about, definitions),
                "required": required,
                **({} if required else {"default": about["default"]}),
                "description": about.get("description", ""),
            }
        )
    parameters.sort(
        key=lambda parameter: parameter["name"] not in kind.__annotations__
    )  # its own before inherited ones
    name = str(kind.model_fields["mechanism"].default)
    return {"name": name, "summary": kind.summary, "literature": kind.literature, "parameters": parameters}


def _values(about: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Say what a parameter may be, from its JSON Schema: ``1 to 1024``, ``at least 1 or null``, ``true or false``."""
    if "anyOf" in about:
        return " or ".join(_values(choice, definitions) for choice in about["anyOf"])
    if "$ref" in about:
        keys = definitions[about["$ref"].rpartition("/")[2]]["properties"]
        return "{" + ", ".join(keys) + "}"
    if "enum" in about:
        return ", ".join(json.dumps(value) for value in about["enum"])
    kind = about.get("type")
    if kind == "array":
        return "a list" + (f" of {_values(about['items'], definitions)}" if "items" in about else "")
    if kind in ("integer", "number"):
        least, most = about.get("minimum"), about.get("maximum")
        number = "whole number" if kind == "integer" else "number"
        if least is not None and most is not None:
            return f"{number} {least} to {most}"
        return f"{number}" + (f" from {least}" if least is not None else "" if most is None else f" to {most}")
    return {"boolean": "true or false", "null": "null", "string": "text"}.get(str(kind), str(kind))


def _told(mechanism: dict[str, Any]) -> str:
    """Write a mechanism as a paragraph, its parameters indented."""
    lines = textwrap.wrap(f"{mechanism['name']}: {mechanism['summary']}", WIDTH, subsequent_indent="  ")
    lines += _part(f"known from: {mechanism['literature']}")
    for parameter in mechanism["parameters"]:
        default = "" if parameter["required"] else f", default {json.dumps(parameter['default'])}"
        lines += _part(f"{parameter['name']} ({parameter['values']}{default})")
        lines += textwrap.wrap(parameter["description"], WIDTH, initial_indent="      ", subsequent_indent="      ")
    return "\n".join(lines)


def _part(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")

"""All threshold policies, told from their classes: what each does, its parameters, where it is known from."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import MISSING, Field, fields
from typing import Any

from traces.thresholds.policy import Policy

_PARAMETER = re.compile(r"^(\w+) : (.+)\n((?:    .*\n?)*)", re.MULTILINE)


def described(kind: type[Policy]) -> dict[str, Any]:
    """Give a policy as plain data.

    Returns
    -------
    dict
        ``kind``, ``summary``, ``changes_values`` (whether what stays may change, by the policy itself), ``source``, and
        ``parameters``: a list of ``name``, ``values`` (type and range in words), ``required``, ``default`` (only where
        not required) and ``description``.
    """
    text = inspect.getdoc(kind) or ""
    section = text.partition("\nParameters\n----------\n")[2].partition("\nRaises\n------")[0]
    told = {name: (values, _joined(lines)) for name, values, lines in _PARAMETER.findall(section)}
    parameters = []
    for f in fields(kind):  # type: ignore[arg-type]
        values, description = told[f.name]
        parameter = {"name": f.name, "values": values, "required": _required(f), "description": description}
        if not _required(f):
            parameter["default"] = _default(f)
        parameters.append(parameter)
    return {
        "kind": kind.kind,
        "summary": text.partition("\n")[0],
        "changes_values": not kind.keeps_values,
        "source": kind.source,
        "parameters": parameters,
    }


def all_described() -> list[dict[str, Any]]:
    """Describe every registered policy, in the order of their kinds."""
    return [described(kind) for _, kind in sorted(Policy.registered.items())]


def markdown_table() -> str:
    """Write the table of ``traces/README.md``."""
    lines = ["| kind | what it does | parameters | known from |", "| --- | --- | --- | --- |"]
    for policy in all_described():
        parameters = "; ".join(
            f"`{p['name']}`: {p['values']}" + ("" if p["required"] else f", default {json.dumps(p['default'])}")
            for p in policy["parameters"]
        )
        summary = policy["summary"].replace("``", "`") + (" Changes values." if policy["changes_values"] else "")
        row = (f"`{policy['kind']}`", summary, parameters or "none", policy["source"])
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
    return "\n".join(lines) + "\n"


def _required(f: Field[Any]) -> bool:
    return f.default is MISSING and f.default_factory is MISSING


def _default(f: Field[Any]) -> Any:
    value = f.default if f.default_factory is MISSING else f.default_factory()
    return value.to_mapping() if isinstance(value, Policy) else value


def _joined(lines: str) -> str:
    return " ".join(lines.split())

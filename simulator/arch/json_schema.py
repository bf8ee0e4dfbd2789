"""The JSON Schema of machine files, for editors: ``python -m simulator.arch.json_schema`` writes it.

It knows the shipped mechanisms; the loader also checks what a schema cannot say, such as duplicate keys.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from simulator.arch.locate import config_root
from simulator.arch.mechanism import Mechanism
from simulator.arch.schema import Architecture

BOUNDS = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}
BOUNDS |= {name: name for name in BOUNDS.values()}


def machine_schema() -> dict[str, Any]:
    """Give the schema as plain data: JSON Schema 2020-12, mechanisms as a union told apart by name."""
    schema = Architecture.model_json_schema()
    definitions: dict[str, Any] = schema["$defs"]
    mapping: dict[str, str] = {}
    for name, mechanism in sorted(Mechanism.registered.items()):
        if not mechanism.__module__.startswith("simulator."):
            continue  # a notebook's own
        own = mechanism.model_json_schema()
        definitions.update(own.pop("$defs", {}))
        own["required"] = ["mechanism", *(key for key in own.get("required", []) if key != "mechanism")]
        own["description"] = f"{mechanism.summary}. Known from: {mechanism.literature}."
        definitions[mechanism.__name__] = own
        mapping[name] = f"#/$defs/{mechanism.__name__}"
    definitions["Mechanism"] = {
        "description": "How zeros of the skip operand are skipped.",
        "discriminator": {"propertyName": "mechanism", "mapping": mapping},
        "oneOf": [{"$ref": reference} for reference in mapping.values()],
    }
    schema["$defs"] = dict(sorted(definitions.items()))
    schema["title"] = "Skipstone machine"
    schema["description"] = "A machine that `simulate --arch` takes."
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_with_bounds(schema)}


def _with_bounds(value: Any) -> Any:
    """Say bounds as JSON Schema does, and the same with every pydantic.

    From 2.11 on it leaves its own words where a validator stands before them; whole bounds may be floats or not.
    """
    if isinstance(value, list):
        return [_with_bounds(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _with_bounds(item) for key, item in value.items()}
    bounds = [key for key in found if key in BOUNDS and isinstance(found[key], int | float)]
    if not bounds:
        return found
    told = {BOUNDS[key]: int(found[key]) if found[key] == int(found[key]) else found[key] for key in bounds}
    return dict(sorted({**{key: item for key, item in found.items() if key not in bounds}, **told}.items()))


def schema_text() -> str:
    """Give the schema as the text of its file."""
    return json.dumps(machine_schema(), indent=2, ensure_ascii=False) + "\n"


def schema_path() -> Path:
    """Give the file that editors are pointed to."""
    return config_root() / "schema" / "architecture.schema.json"


def main() -> None:
    """Write the schema's file, whole."""
    path = schema_path()
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".json.part")
    part.write_text(schema_text(), encoding="utf-8")
    part.replace(path)
    print(path)


if __name__ == "__main__":
    main()

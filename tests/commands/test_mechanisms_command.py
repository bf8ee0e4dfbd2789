"""`skipstone mechanisms`: every registered mechanism, with its parameters, ranges and literature."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from simulator.arch import Mechanism
from simulator.cli import skipstone


def listed() -> dict[str, dict[str, Any]]:
    result = CliRunner().invoke(skipstone, ["mechanisms", "--json"])
    assert result.exit_code == 0
    return {mechanism["name"]: mechanism for mechanism in json.loads(result.stdout)}


def test_every_registered_mechanism_is_listed_with_all_its_parameters() -> None:
    found = listed()
    assert list(found) == sorted(Mechanism.registered)
    assert {"lookahead", "outer_product", "broadcast_fifo", "packed"} <= set(found)
    for name, mechanism in found.items():
        kind = Mechanism.registered[name]
        assert (mechanism["summary"], mechanism["literature"]) == (kind.summary, kind.literature)
        assert {p["name"] for p in mechanism["parameters"]} == set(kind.model_fields) - {"mechanism"}
        for parameter in mechanism["parameters"]:
            assert parameter["description"]
            assert parameter["values"]
            assert (
                parameter["required"]
                == kind.model_fields[parameter["name"]].is_required()
                == ("default" not in parameter)
            )


def test_defaults_and_ranges_are_those_of_the_model() -> None:
    fifo = {p["name"]: p for p in listed()["broadcast_fifo"]["parameters"]}
    assert list(fifo) == ["pes", "depth", "index_bits", "tile_rows", "weights"]
    assert fifo["pes"]["values"] == "whole number 1 to 65536"
    assert fifo["depth"]["values"] == "whole number from 1 or null"
    assert (fifo["tile_rows"]["default"], fifo["weights"]["default"]) == (32, None)
    assert fifo["weights"]["values"] == "{file, density, seed} or null"
    with pytest.raises(ValidationError):
        Mechanism.registered["broadcast_fifo"](pes=65537, depth=1)
    gate = next(p for p in listed()["lookahead"]["parameters"] if p["name"] == "gate")
    assert (gate["values"], gate["default"]) == ("true or false", True)


def test_the_text_tells_what_the_list_holds() -> None:
    shown = CliRunner().invoke(skipstone, ["mechanisms"]).stdout
    text = " ".join(shown.split())
    for name, mechanism in listed().items():
        assert f"{name}: {mechanism['summary']} known from: {mechanism['literature']} " in f"{text} "
        for parameter in mechanism["parameters"]:
            assert f"\n  {parameter['name']} (" in shown
            assert f" {parameter['name']} ({parameter['values']}" in text
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_nothing_heavy_is_loaded() -> None:
    script = (
        "import sys; from click.testing import CliRunner; from simulator.cli import skipstone\n"
        "assert CliRunner().invoke(skipstone, ['mechanisms']).exit_code == 0\n"
        "print([name for name in ('numba', 'pandas', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

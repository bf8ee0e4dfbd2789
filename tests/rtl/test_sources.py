"""Three front ends read the sources without a warning, each the tops that are simulated."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from rtl import inner_product_rtl, lookahead_rtl
from rtl.verilated import SOURCES, Design

FILES = [str(path) for path in sorted(SOURCES.glob("*.sv"))]
DESIGNS = [lookahead_rtl.ANY, lookahead_rtl.BANKED, inner_product_rtl.ANY]
NAMES = ["lookahead", "lookahead in banks", "inner product"]


# That small arrays become registers is what they are there for.
REGISTERS = r"Warning: Replacing memory \S+ with list of registers"


def needs(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} not found; Debian and Ubuntu: apt-get install {tool}")


def said(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("design", DESIGNS, ids=NAMES)
def test_verilator_has_no_warning(design: Design) -> None:
    needs("verilator")
    parameters = [f"-G{name}={value}" for name, value in design.parameters.items()]
    text = said(["verilator", "--lint-only", "-Wall", "--top-module", design.top, *parameters, *FILES])
    assert [line for line in text.splitlines() if not line.startswith("- ")] == []  # version 5.048 reports its time


@pytest.mark.parametrize("design", DESIGNS, ids=NAMES)
def test_icarus_has_no_warning(design: Design, tmp_path) -> None:  # type: ignore[no-untyped-def]
    needs("iverilog")
    parameters = [f"-P{design.top}.{name}={value}" for name, value in design.parameters.items()]
    made = str(tmp_path / "made")
    assert said(["iverilog", "-g2012", "-Wall", "-s", design.top, *parameters, "-o", made, *FILES]) == ""


# yosys unrolls every loop: a small array shows as much.
@pytest.mark.parametrize(
    "design",
    [lookahead_rtl.BANKED, Design("inner_product_tile", {"ROWS": 2, "COLUMNS": 2, "DEPTH": 4, "LONGEST": 8})],
    ids=["lookahead", "inner product"],
)
def test_yosys_has_no_warning_and_no_latch(design: Design) -> None:
    needs("yosys")
    parameters = " ".join(f"-set {name} {value}" for name, value in design.parameters.items())
    read = f"read_verilog -sv {' '.join(FILES)}; chparam {parameters} {design.top}"
    text = said(
        ["yosys", "-q", "-p", f"{read}; hierarchy -check -top {design.top}; proc; select -assert-none t:$dlatch"]
    )
    lines = [line for line in text.splitlines() if not re.match(REGISTERS, line)]
    assert [line for line in lines if line.strip()] == []

"""Mutation testing tries what it says it tries."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest

from reliability.changed_modules import file_of, module_of, put_in_place, uncompiled_for
from reliability.mutants import MODULE, Mutant, function_of
from reliability.mutation import ROOT, explained, interval, survivors_page
from reliability.tried_mutants import Usual, chosen

KERNELS = "simulator/skipping/kernels.py"
ASKED = """
import ast, json, sys
from reliability.changed_modules import put_in_place, uncompiled_for
file, before, after, spec = sys.argv[1:]
text = open(file, encoding="utf-8").read()
assert before in text
for name in [n for n in sys.modules if n.partition(".")[0] == "simulator"]:
    del sys.modules[name]
module = file.removesuffix(".py").replace("/", ".")
put_in_place({module: compile(text.replace(before, after), file, "exec")}, uncompiled_for(file))
import numpy as np
from simulator.skipping import run_pass
result = run_pass(np.arange(21).reshape(3, 7) % 2 == 0, json.loads(spec))
print(json.dumps([int(result.cycles), int(result.executed)]))
"""


def asked(before: str, after: str) -> list[int]:
    words = [KERNELS, before, after, json.dumps({"mechanism": "lookahead", "depth": 2, "refill": 2, "banks": None})]
    done = subprocess.run(
        [sys.executable, "-c", ASKED, *words],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: list[int] = json.loads(done.stdout)
    return answer


def test_a_changed_kernel_is_the_one_that_runs() -> None:
    cycles, executed = asked("taken += 1", "taken += 1")
    assert asked("taken += 1", "taken += 3") == [3 * cycles, executed]


def test_a_module_that_is_there_already_cannot_be_changed() -> None:
    with pytest.raises(RuntimeError, match="imported before they were changed: json"):
        put_in_place({"json": compile("", "json", "exec")}, ())


def test_every_explanation_is_of_a_line_that_there_is() -> None:
    for (file, function, before, after), why in explained().items():
        lines = " ".join(line.strip() for line in (ROOT / file).read_text(encoding="utf-8").splitlines())
        assert before in lines, f"{file} {function}: {before}"
        assert after != before
        assert why


def test_survivors_are_listed_with_why_each_may_stand() -> None:
    mutant = Mutant("simulator/a.py", "f", 7, "x = a | b", "x = a + b", "")
    (line,) = [line for line in survivors_page([mutant], {}).splitlines() if "simulator/a.py" in line]
    assert line == "| simulator/a.py:7 f | `x = a \\| b` → `x = a + b` | **unexplained** |"
    assert "| disjoint bits |" in survivors_page([mutant], {mutant.key: "disjoint bits"})


def test_interval_of_a_share_is_that_of_wilsons_table() -> None:
    low, high = interval(8, 10)
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)
    assert interval(10, 10)[1] == 1


def test_outermost_function_names_a_mutant() -> None:
    tree = ast.parse(
        "A = 1\nclass C:\n    b = 2\n    def f(self):\n        def g():\n            return 3\n        return g\n"
    )
    assert [function_of(tree, line) for line in range(1, 8)] == [MODULE] * 3 + ["C.f"] * 4


def test_kernels_that_hold_something_of_a_file_run_uncompiled() -> None:
    assert uncompiled_for(KERNELS) >= {"simulator.skipping.kernels", "simulator.skipping.row_kernels"}
    constants_of_its = {"simulator.engine.kernels", "simulator.memory.timing_kernels"}  # and what it calls
    assert uncompiled_for("simulator/engine/times.py") == constants_of_its
    assert uncompiled_for("simulator/energy/price.py") == set()
    assert file_of(module_of(KERNELS)) == KERNELS
    assert file_of(module_of("simulator/engine/__init__.py")) == "simulator/engine/__init__.py"


def test_tests_of_the_changed_function_come_first_the_quickest_of_them_first() -> None:
    usual = Usual(
        {"a.py::slow": 3.0, "a.py::quick": 1.0, "a.py::beside": 0.5, "b.py::other": 0.1},
        {"a.py::slow": ["s.py:f"], "a.py::quick": ["s.py:f"], "a.py::beside": [], "b.py::other": ["s.py:g"]},
    )
    assert chosen(usual, "s.py", "f") == ["a.py::quick", "a.py::slow", "a.py::beside"]
    assert chosen(usual, "s.py", MODULE) == ["b.py::other", "a.py::beside", "a.py::quick", "a.py::slow"]

"""Imports run one way: the floors of the house, checked on the source of every module."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

OURS = ("simulator", "traces")

FLOORS = [
    {"traces", "simulator.compiling", "simulator.cpus"},
    {"simulator.arch"},
    {"simulator.workload", "simulator.skipping", "simulator.memory"},
    {"simulator.mapping"},
    {"simulator.engine", "simulator.values"},
    {"simulator.energy"},
    {"simulator.report"},
    {"simulator.run"},
    {"simulator.explore", "simulator.validation"},
    {"simulator.study"},
    {"simulator.commands", "simulator.cli"},
    {"simulator"},  # the front door: its __init__ may open any room
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
ONE_ROOM = [{"simulator.commands", "simulator.cli"}]  # two rooms that may use each other


@dataclass(frozen=True)
class Arrow:
    """One import: who imports what, where, and whether it happens when the module is loaded."""

    source: str
    target: str
    line: int
    at_load: bool

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target}"


def modules(root: Path) -> dict[str, Path]:
    """Find the modules under `root` by dotted name; a package is named without ``__init__``."""
    found = {}
    for package in OURS:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def arrows(root: Path) -> list[Arrow]:
    """List every import of one module of ours by another, lazy ones and those for type checkers included."""
    known = modules(root)
    found = []
    for name, path in known.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for node, at_load in _imports(ast.parse(path.read_text(encoding="utf-8")), True):
            for target in _targets(node, package, known):
                # A module's own packages are loaded before it; to name them is no arrow.
                if target != name and not (isinstance(node, ast.Import) and name.startswith(target + ".")):
                    found.append(Arrow(name, target, node.lineno, at_load))
    return found


def _imports(node: ast.AST, at_load: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, at_load
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from _imports(child, False)
        else:
            lazy = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(child, at_load and not lazy)


def _targets(node: ast.Import | ast.ImportFrom, package: str, known: dict[str, Path]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in ("simulator", "traces"))
        return
    base = node.module or ""
    if node.level:
        above = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*above, *([node.module] if node.module else [])])
    if base.partition(".")[0] in OURS:
        for alias in node.names:
            inner = f"{base}.{alias.name}"
            yield inner if inner in known else base


def room(module: str) -> str:
    """Give the room that a module is in."""
    parts = module.split(".")
    return parts[0] if parts[0] == "traces" else ".".join(parts[:2])


def offences(root: Path) -> list[str]:
    """Say every arrow that does not run down, every module without a floor, and a circle if there is one."""
    found = [f"{name} has no floor" for name in modules(root) if room(name) not in FLOOR]
    for arrow in arrows(root):
        source, target = room(arrow.source), room(arrow.target)
        if source == target or {source, target} in ONE_ROOM or not {source, target} <= FLOOR.keys():
            continue
        if FLOOR[target] >= FLOOR[source]:
            found.append(str(arrow))
    graph: dict[str, set[str]] = {}
    for arrow in arrows(root):
        if arrow.at_load:
            graph.setdefault(arrow.source, set()).add(arrow.target)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        found.append("a circle: " + " <- ".join(error.args[1]))
    return found


def test_imports_run_one_way_and_in_no_circle() -> None:
    assert offences(ROOT) == []


def test_every_room_is_there_and_every_arrow_was_seen() -> None:
    rooms = {room(name) for name in modules(ROOT)}
    assert rooms == set(FLOOR)
    seen = {(arrow.source, arrow.target) for arrow in arrows(ROOT)}
    assert ("simulator.run", "simulator.arch") in seen  # from package
    assert ("simulator", "simulator.skipping") in seen  # import module
    assert ("simulator.report.result", "simulator.report.tables") in seen  # inside a function
    assert ("simulator", "simulator.run") not in seen  # only named in a text


OFFENDING = {
    "upward": {"arch/schema.py": "from simulator.mapping.plan import plan"},
    "upward_from_the_package": {"arch/schema.py": "from simulator import mapping"},
    "to_the_front_door": {"arch/schema.py": "from simulator import simulate"},
    "sideways": {"memory/dram.py": "import simulator.skipping.masks"},
    "lazy": {"engine/event.py": "def f():\n    from simulator.energy import price"},
    "in_a_method_of_a_class": {"engine/event.py": "class C:\n    def f(self):\n        import simulator.report"},
    "for_type_checkers": {
        "energy/price.py": "import typing\nif typing.TYPE_CHECKING:\n    from simulator.report import Report"
    },
    "relative": {"mapping/plan.py": "from ..engine import run"},
    "conditional": {"mapping/plan.py": "try:\n    import simulator.run\nexcept ImportError:\n    pass"},
    "traces_of_simulator": {"../traces/trace.py": "from simulator.arch import load_arch"},
    "circle_of_two": {"arch/a.py": "import simulator.arch.b", "arch/b.py": "from simulator.arch import a"},
    "circle_through_the_package": {
        "arch/__init__.py": "from simulator.arch.a import x",
        "arch/a.py": "from simulator.arch import y",
    },
    "no_floor": {"attic/box.py": ""},
}


@pytest.mark.parametrize("case", OFFENDING)
def test_an_offending_tree_is_found(case: str, tmp_path: Path) -> None:
    for name, text in OFFENDING[case].items():
        path = tmp_path / "simulator" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    # The imported modules must exist, or "from package import module" names no module.
    for name in ("mapping", "skipping", "energy", "report", "engine"):
        path = tmp_path / "simulator" / name / "__init__.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert len(offences(tmp_path)) == 1


def test_a_decent_tree_is_left_alone(tmp_path: Path) -> None:
    texts = {
        "run.py": "import numpy\nfrom simulator.arch import load_arch\nfrom traces import Trace",
        "arch/__init__.py": "from simulator.arch.schema import S",
        "arch/schema.py": "import simulator\nimport traces.errors\ndef f():\n    import simulator.arch",
        "cli.py": "from simulator.commands import x",
        "commands/__init__.py": "def f():\n    import simulator.cli",
        "__init__.py": "import simulator.run",
    }
    for name, text in texts.items():
        path = tmp_path / "simulator" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert offences(tmp_path) == []

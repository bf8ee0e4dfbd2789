"""Changed source in place of a module's own, in this process; and every kernel that could hold a copy uncompiled."""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Mapping
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from types import CodeType
from typing import Any

from reliability.promises import ROOT


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self.changed = code

    def get_code(self, fullname: str) -> CodeType:
        del fullname
        return self.changed


class _Finder(MetaPathFinder):
    def __init__(self, changed: Mapping[str, CodeType]) -> None:
        self.changed = changed

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        del path, target
        if fullname not in self.changed:
            return None
        file = str(ROOT / file_of(fullname))
        return spec_from_file_location(fullname, file, loader=_Loader(fullname, file, self.changed[fullname]))


def put_in_place(changed: Mapping[str, CodeType], uncompiled: Collection[str]) -> None:
    """Let these modules be imported from changed code, and call the kernels of `uncompiled` modules as Python.

    What is kept as machine code was compiled from the files as they are: it would hide the change.

    Raises
    ------
    RuntimeError
        If one of them has been imported already.
    """
    loaded = sorted({*changed, *uncompiled} & sys.modules.keys())
    if loaded:
        raise RuntimeError(f"imported before they were changed: {', '.join(loaded)}")
    sys.meta_path.insert(0, _Finder(changed))
    if uncompiled:
        from simulator.compiling.kernel import Kernel

        usual = Kernel._prepared

        def prepared(kernel: Any, kinds: Any) -> Any:
            return kernel.function if kernel.function.__module__ in uncompiled else usual(kernel, kinds)

        Kernel._prepared = prepared  # type: ignore[method-assign]


def module_of(file: str) -> str:
    """`simulator/engine/__init__.py` is `simulator.engine`."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def file_of(module: str) -> str:
    """Undo `module_of`."""
    stem = module.replace(".", "/")
    return f"{stem}/__init__.py" if (ROOT / stem).is_dir() else f"{stem}.py"


def uncompiled_for(file: str) -> frozenset[str]:
    """Modules of kernels that hold something of this file (its own, those that import it, what they are part of).

    And those that they call: to Python, machine code gives a word of 64 bits as a signed integer. A constant that a
    kernel imports is a literal where it comes from, so that no longer way round has to be followed.
    """
    imports = _imports_of_kernels()
    holding = {module_of(file)}
    while more := {name for name, imported in imports.items() if imported & holding} - holding:
        holding |= more
    holding &= imports.keys()
    while more := {imported for name in holding for imported in imports[name] & imports.keys()} - holding:
        holding |= more
    return frozenset(holding)


def modules_of_kernels() -> frozenset[str]:
    """Modules that compile something."""
    return frozenset(_imports_of_kernels())


@cache
def _imports_of_kernels() -> dict[str, set[str]]:
    """By module that compiles something, the modules that it imports from."""
    found = {}
    for path in sorted((ROOT / "simulator").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "\n@compiled\n" in text:
            nodes = ast.walk(ast.parse(text))
            imported = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
            found[module_of(path.relative_to(ROOT).as_posix())] = imported
    return found

"""What could run somebody else's code, or talk to somebody else: found in sources by their syntax trees.

Names are followed through ``import ... as ...``, and the mere mention of a name counts, so that ``f = eval`` is found
as ``eval(x)`` is. What only a computed name would reach (``getattr(module, "ev" + "al")``) is beyond it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from reliability.promises import ROOT

SCANNED = ("simulator", "traces", "notebooks", "docs")

BUILTINS = frozenset({"eval", "exec", "compile", "__import__", "breakpoint"})
MODULES: Mapping[str, str] = {
    **dict.fromkeys(
        ["pickle", "_pickle", "pickletools", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle"],
        "objects out of bytes",
    ),
    **dict.fromkeys(["code", "codeop", "runpy", "builtins", "imp"], "code out of text"),
    **dict.fromkeys(["subprocess", "pty", "ctypes", "cffi"], "other programs and foreign code"),
    **dict.fromkeys(["multiprocessing"], "processes"),
    **dict.fromkeys(
        [
            "socket", "socketserver", "ssl", "http", "urllib.request", "urllib3", "requests", "httpx", "aiohttp",
            "ftplib", "smtplib", "poplib", "imaplib", "telnetlib", "xmlrpc", "websockets", "tornado", "flask",
        ],
        "the network",
    ),
}  # fmt: skip
NAMES: Mapping[str, str] = {
    **dict.fromkeys(["os.system", "os.popen", "os.startfile", "os.fork", "os.forkpty"], "other programs"),
    **dict.fromkeys(["asyncio.create_subprocess_shell", "asyncio.create_subprocess_exec"], "other programs"),
    **dict.fromkeys(["asyncio.start_server", "asyncio.start_unix_server"], "the network"),
    "tempfile.mktemp": "a file's name that somebody else may take first",
    **dict.fromkeys(["shutil.unpack_archive"], "paths out of an archive"),
    **dict.fromkeys(["pandas.read_pickle", "pandas.eval", "numpy.fromregex"], "objects out of bytes"),
}
NAMES_THAT_BEGIN = {"os.exec": "other programs", "os.spawn": "other programs", "os.posix_spawn": "other programs"}
METHODS = {
    "extractall": "paths out of an archive",
    "read_pickle": "objects out of bytes",
    "to_pickle": "objects out of bytes",
    "start_server": "the network",
}
METHODS_OF_TEXT = {"eval": "code out of text", "query": "code out of text"}
"""Of tables, where the text is not the source's own; ``eval()`` is PyTorch's, which runs nothing."""
YAML_LOADERS, SAFE_YAML = frozenset({"SafeLoader", "CSafeLoader"}), frozenset({"safe_load", "safe_load_all"})

ALLOWED: Mapping[tuple[str, str], str] = {
    ("simulator/compiling/machine_code.py", "ctypes"): "calls kernels that it has compiled",
    ("simulator/energy/cacti.py", "subprocess"): "CACTI, a program; a list of words, no shell",
    (
        "simulator/explore/lot.py",
        "pickle",
    ): "lots from a Dask scheduler, whose word runs in its workers anyway",
    ("simulator/explore/pool.py", "multiprocessing"): "this machine's own processes",
    ("simulator/__init__.py", "import_module"): "its own names, from a table",
    ("simulator/cli.py", "import_module"): "its own commands, from a table",
    ("simulator/explore/cluster.py", "import_module"): "three modules of Dask, by name",
    ("traces/__init__.py", "import_module"): "its own names, from a table",
    ("traces/corpora/sources.py", "import_module"): "packages of corpora that its callers name, none of the user's",
    ("traces/matrix_files.py", "import_module"): "modules of scipy that its callers name, none of the user's",
    ("traces/numpy_frontend/blas_threads.py", "ctypes"): "asks the BLAS that numpy has loaded for its thread count",
}
"""What is there with a reason: the file and the module."""


def sources() -> Iterator[Path]:
    """Walk the files that are scanned."""
    for folder in SCANNED:
        yield from sorted((ROOT / folder).rglob("*.py"))


def found_in(text: str) -> list[tuple[int, str, str]]:
    """List what a source has of it: line, module or name, and what that could bring in."""
    tree = ast.parse(text)
    return sorted({*_Scan(tree).found()})


class _Scan:
    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._names = {name: dotted for node in ast.walk(tree) for name, dotted in _imported(node)}

    def found(self) -> Iterator[tuple[int, str, str]]:
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield from _module(node.lineno, alias.name)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                if not (of := list(_module(node.lineno, node.module))):
                    of = [hit for a in node.names for hit in _module(node.lineno, f"{node.module}.{a.name}")]
                    of += [hit for a in node.names for hit in _name(node.lineno, f"{node.module}.{a.name}")]
                yield from of
            elif isinstance(node, ast.Name | ast.Attribute):
                yield from self._mentioned(node)
            elif isinstance(node, ast.Call):
                yield from self._called(node)

    def _dotted(self, node: ast.expr) -> str:
        """Give the full name of what is mentioned; "" where it is no name of a module's."""
        if isinstance(node, ast.Name):
            return self._names.get(node.id, node.id if node.id in BUILTINS else "")
        if isinstance(node, ast.Attribute):
            before = self._dotted(node.value)
            return f"{before}.{node.attr}" if before else ""
        return ""

    def _mentioned(self, node: ast.Name | ast.Attribute) -> Iterator[tuple[int, str, str]]:
        dotted = self._dotted(node)
        if dotted in BUILTINS:
            yield node.lineno, dotted, "code out of text"
        yield from _name(node.lineno, dotted)
        if dotted.startswith("yaml.") and dotted.endswith("Loader") and dotted.split(".")[-1] not in YAML_LOADERS:
            yield node.lineno, dotted, "objects out of text"
        if isinstance(node, ast.Attribute) and node.attr in METHODS:
            yield node.lineno, node.attr, METHODS[node.attr]

    def _called(self, node: ast.Call) -> Iterator[tuple[int, str, str]]:
        dotted = self._dotted(node.func)
        said = {word.arg: word.value for word in node.keywords}
        if "shell" in said and not _is(said["shell"], False):
            yield node.lineno, "shell", "other programs"
        if "allow_pickle" in said and not _is(said["allow_pickle"], False):
            yield node.lineno, "allow_pickle", "objects out of bytes"
        if dotted in ("numpy.load", "numpy.lib.format.read_array") and "allow_pickle" not in said:
            yield node.lineno, dotted, "objects out of bytes, unless it says allow_pickle=False"
        if dotted == "torch.load" and not _is(said.get("weights_only"), True):
            yield node.lineno, dotted, "objects out of bytes, unless it says weights_only=True"
        if dotted.startswith("yaml.") and "load" in dotted and dotted.split(".")[-1] not in SAFE_YAML:
            loader = said.get("Loader") or (node.args[1] if len(node.args) > 1 else None)
            if loader is None or self._dotted(loader).split(".")[-1] not in YAML_LOADERS:
                yield node.lineno, dotted, "objects out of text, unless its Loader is SafeLoader"
        if (
            isinstance(node.func, ast.Attribute)
            and node.func.attr in METHODS_OF_TEXT
            and any(not isinstance(given, ast.Constant) for given in (*node.args, *said.values()))
        ):
            yield node.lineno, node.func.attr, METHODS_OF_TEXT[node.func.attr]
        if dotted == "importlib.import_module" and node.args:
            if isinstance(node.args[0], ast.Constant):
                yield from _module(node.lineno, str(node.args[0].value))
            else:
                yield node.lineno, "import_module", "code by a name that is computed"


def _imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Give the names that an import binds, and what they stand for."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            first = alias.name.partition(".")[0]
            yield (alias.asname, alias.name) if alias.asname else (first, first)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        for alias in node.names:
            yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _module(line: int, dotted: str) -> Iterator[tuple[int, str, str]]:
    for name, what in MODULES.items():
        if dotted == name or dotted.startswith(f"{name}."):
            yield line, name, what


def _name(line: int, dotted: str) -> Iterator[tuple[int, str, str]]:
    if dotted in NAMES:
        yield line, dotted, NAMES[dotted]
    for beginning, what in NAMES_THAT_BEGIN.items():
        if dotted.startswith(beginning):
            yield line, dotted, what


def _is(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value

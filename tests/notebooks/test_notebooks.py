"""Every notebook runs from top to bottom in a fresh kernel, without an error, and shows something."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.py"))
SLOW = ("07_one_product",)  # it simulates three machines
NEEDS_TORCH = ("05_your_pytorch_model",)


def marks(path: Path) -> list[pytest.MarkDecorator]:
    """Say how a notebook's test is marked."""
    without = importlib.util.find_spec("torch") is None
    needed = pytest.mark.skipif(without, reason="it trains with PyTorch, which is not installed")
    return [pytest.mark.slow] * (path.stem in SLOW) + [needed] * (path.stem in NEEDS_TORCH)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a kernel of the Python that runs the tests, whatever kernels the machine has; give its name."""
    folder = tmp_path / "jupyter" / "kernels" / "this-python"
    folder.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "This Python", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    return "this-python"


def execute(path: Path, kernel: str, folder: Path) -> Any:
    """Run a py:percent file as a notebook in `folder`; an error in a cell is raised."""
    with warnings.catch_warnings():
        # jupyter's packages deprecate parts of one another; none of it is ours to mend.
        warnings.simplefilter("ignore")
        import jupytext
        from nbclient import NotebookClient

        notebook = jupytext.read(path)
        NotebookClient(
            notebook, timeout=300, kernel_name=kernel, resources={"metadata": {"path": str(folder)}}
        ).execute()
    return notebook


def outputs(notebook: Any, kind: str) -> list[Any]:
    return [
        output
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if kind in (output.output_type, *output.get("data", {}))
    ]


@pytest.mark.parametrize("path", [pytest.param(p, id=p.stem, marks=marks(p)) for p in NOTEBOOKS])
def test_notebook_runs_and_draws_a_figure(path: Path, kernel: str, tmp_path: Path) -> None:
    folder = tmp_path / "cwd"
    folder.mkdir()
    notebook = execute(path, kernel, folder)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    assert outputs(notebook, "error") == []
    assert [output.text for output in outputs(notebook, "stream") if output.name == "stderr"] == []
    assert len(outputs(notebook, "image/png")) >= 1
    assert list(folder.iterdir()) == []


def test_an_error_in_a_cell_is_seen(kernel: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("# %%\n1 / 0\n", encoding="utf-8")
    with pytest.raises(Exception, match="ZeroDivisionError"):
        execute(path, kernel, tmp_path)


def test_they_are_all_there_in_order() -> None:
    names = [path.stem for path in NOTEBOOKS]
    assert [name.partition("_")[0] for name in names] == [f"{number:02}" for number in range(1, len(names) + 1)]
    assert {"01_quickstart", "04_design_space", *SLOW, *NEEDS_TORCH} <= set(names)


# --- numbers in the text of 07_one_product ------------------------------------------------------------------------

ONE_PRODUCT = next(path for path in NOTEBOOKS if path.stem == "07_one_product")
CODE = re.compile(r"`[^`]*`")
NUMBER = re.compile(r"(?<![A-Za-z_\d])\d")  # HBM2 is a name


def typed_numbers(path: Path) -> list[str]:
    """Lines of prose with a number that nobody computed: in markdown cells, and in what `tell` is given."""
    text = path.read_text(encoding="utf-8")
    found = []
    for cell in re.split(r"^# %%", text, flags=re.MULTILINE):
        if cell.startswith(" [markdown]"):
            found += [line for line in cell.splitlines() if NUMBER.search(CODE.sub("", line))]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tell":
            fields = {
                id(part)
                for one in ast.walk(node)
                if isinstance(one, ast.FormattedValue)
                for part in ast.walk(one)
                if not isinstance(part, ast.FormattedValue)
            }
            for part in ast.walk(node):
                if isinstance(part, ast.Constant) and isinstance(part.value, str) and id(part) not in fields:
                    found += [part.value] if NUMBER.search(CODE.sub("", part.value)) else []
    return found


def test_every_number_in_the_text_is_computed() -> None:
    assert typed_numbers(ONE_PRODUCT) == []
    assert ONE_PRODUCT.read_text(encoding="utf-8").count("tell(") > 10


@pytest.mark.parametrize(
    ("cell", "typed"),
    [
        ("# %% [markdown]\n# It saves 12 % of time.\n", 1),
        ("# %% [markdown]\n# HBM2 and `depth=4`\n", 0),
        ('# %%\ntell(f"It saves 12 % of {name}.")\n', 1),
        ("# %%\ntell(f\"It saves {share['12']:.2f} of time with LPDDR4.\")\n", 0),
        ('# %%\nlabel = "12 %"\n', 0),
    ],
)
def test_a_typed_number_is_seen(cell: str, typed: int, tmp_path: Path) -> None:
    path = tmp_path / "page.py"
    path.write_text(cell, encoding="utf-8")
    assert len(typed_numbers(path)) == typed

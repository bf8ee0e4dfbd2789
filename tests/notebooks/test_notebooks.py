"""Every notebook runs from top to bottom in a fresh kernel, without an error, and shows something."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.py"))


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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
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


def test_the_quickstart_is_among_them() -> None:
    assert "01_quickstart" in [path.stem for path in NOTEBOOKS]

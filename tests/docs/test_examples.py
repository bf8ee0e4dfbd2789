"""What README.md and the pages under docs/ show can be done: Python runs, machine files load, command lines parse."""

from __future__ import annotations

import doctest
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from simulator.arch import load_arch
from simulator.cli import skipstone
from simulator.explore import load_space

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "traces" / "samples" / "charlm_t1e-6.npz"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOT_RUN = "<!-- not run"
FENCE = re.compile(r"(?P<before>[^\n]*)\n```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, kind: str) -> list[str]:
    """The page's fenced blocks of a kind, but for those that it says are not run."""
    found = FENCE.finditer("\n" + page.read_text(encoding="utf-8"))
    return [m["text"] for m in found if m["kind"] == kind and not m["before"].startswith(NOT_RUN)]


WITH_PYTHON = [page for page in PAGES if blocks(page, "python")]


def test_pages_are_seen() -> None:
    assert {"README.md", "docs/extending/mechanism.md", "docs/how-to/replay.md"} <= set(map(name_of, WITH_PYTHON))


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name_of)
def test_python_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    texts = blocks(page, "python")
    if any("import torch" in text for text in texts):
        pytest.importorskip("torch")
    shutil.copy(SAMPLE, tmp_path / "run.npz")
    (tmp_path / "page.py").write_text("\n".join(texts), encoding="utf-8")
    contract = any(re.search(r"^class Test", text, re.MULTILINE) for text in texts)
    runner = ["-m", "pytest", "-q", "--rootdir=.", "-p", "no:cacheprovider"] if contract else []
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, *runner, "page.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    lacking = re.search(r"pip install 'skipstone\[\w+\]'", done.stderr)
    if done.returncode and lacking:
        pytest.skip(lacking[0])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_whole_files_in_yaml_load(page: Path, tmp_path: Path) -> None:
    shutil.copy(SAMPLE, tmp_path / "run.npz")
    for text in blocks(page, "yaml"):
        path = tmp_path / "file.yaml"
        path.write_text(text, encoding="utf-8")
        keys = yaml.safe_load(text)
        if "clock_mhz" in keys:
            assert load_arch(path).name == keys["name"]
        elif "archs" in keys:
            assert load_space(path).name == keys["name"]


# --- command lines -------------------------------------------------------------------------------------------------


def command_lines(page: Path) -> Iterator[str]:
    """Lines of indented or fenced blocks that call our programs; continued lines are one."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        indented = re.match(r"(?: {4}|\$ )\s*((?:skipstone|simulate)\s.*)", line)
        if indented and not re.search(r"NAME\|FILE|\.\.\. \[|\[--", line):
            yield indented[1].partition("  #")[0]


LINES = sorted({(name_of(page), line) for page in PAGES for line in command_lines(page)})


def test_command_lines_are_seen() -> None:
    assert len(LINES) > 20


@pytest.mark.parametrize(("page", "line"), LINES, ids=lambda value: value)
def test_a_command_line_is_one_that_the_program_takes(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    words = words[1:] if words[0] == "skipstone" else words
    parent = click.Context(skipstone, info_name="skipstone")
    command: click.Command = skipstone
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, found, words = command.resolve_command(parent, words)
        assert found is not None, f"{page}: no command {name}"
        command, parent = found, click.Context(found, info_name=name, parent=parent)
    if "--help" not in words and not (isinstance(command, click.Group) and not words):
        command.make_context(command.name, list(words), parent=parent.parent)


@pytest.mark.slow
def test_command_lines_of_the_readme_work_one_after_the_other(tmp_path: Path) -> None:
    for name, function in (("skipstone", "main"), ("simulate", "simulate_main")):
        call = f"from simulator.cli import {function}; {function}()"
        (tmp_path / name).write_text(f'#!/bin/sh\nexec {sys.executable} -c "{call}" "$@"\n')
        (tmp_path / name).chmod(0o755)
    (tmp_path / "traces").symlink_to(ROOT / "traces")
    lines = list(command_lines(ROOT / "README.md"))
    assert len(lines) > 6
    done = subprocess.run(
        ["sh", "-ex", "-c", "\n".join(lines)],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# --- docstrings ----------------------------------------------------------------------------------------------------

WITH_EXAMPLES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for folder in ("simulator", "traces")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_of_docstrings_hold(module: str) -> None:
    if ".torch_frontend" in module:
        pytest.importorskip("torch")
    failed, _ = doctest.testmod(importlib.import_module(module.removesuffix(".__init__")))
    assert failed == 0


def test_docstrings_with_examples_are_seen() -> None:
    assert "simulator.skipping.one_pass" in WITH_EXAMPLES

"""Completion of command lines: what the shell is offered, and a real Bash that completes with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from simulator.arch import arch_names
from simulator.cli import COMMANDS, skipstone
from simulator.commands.completion import completion
from simulator.explore import space_names

ROOT = Path(__file__).resolve().parents[2]

COMPLETE = """
PATH="$1:$PATH"
eval "$(skipstone completion bash)"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
compopt() { printf '%s ' compopt "$@"; echo; }  # outside of a key press there is nothing that it could change
"_${1}_completion" "$1"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def offered(*words: str) -> list[str]:
    """What a shell is offered for the last word of a `skipstone` line; files of its own as <file>."""
    *args, incomplete = words
    found = ShellComplete(skipstone, {}, "skipstone", "_SKIPSTONE_COMPLETE").get_completions(list(args), incomplete)
    return [item.value if item.type == "plain" else f"<{item.type}>" for item in found]


def test_commands_are_offered_without_being_imported() -> None:
    script = (
        "import sys; from click.shell_completion import ShellComplete; from simulator.cli import skipstone;"
        "found = ShellComplete(skipstone, {}, 'skipstone', 'X').get_completions([], '');"
        "print(*[item.value for item in found]); print('simulator.commands.simulate' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    names, imported = done.stdout.splitlines()
    assert names.split() == list(COMMANDS)
    assert imported == "False"


def test_machines_are_offered_by_name() -> None:
    assert offered("simulate", "--arch", "z") == ["zero_skip"]
    assert offered("explain", "--arch", "") == arch_names()
    assert offered("validate", "eie", "ei") == ["eie"]


def test_spaces_and_engines_are_offered() -> None:
    assert offered("sweep", "") == space_names()
    assert offered("simulate", "--engine", "e") == ["event"]


def test_files_of_the_right_kind_are_offered_beside_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("zero.yaml", "charlm.npz", "note.txt"):
        (tmp_path / name).touch()
    assert offered("simulate", "--arch", "z") == ["zero_skip", "zero.yaml"]
    samples = offered("inspect", "charlm")
    assert samples[-1] == "charlm.npz"
    assert [Path(name).name for name in samples[:-1]] == ["charlm_t0.npz", "charlm_t1e-6.npz"]
    assert all(Path(name).is_file() for name in samples)


def test_samples_are_offered_as_paths_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert offered("simulate", "--trace", "gru") == ["traces/samples/gru_s80.npz"]


@pytest.mark.parametrize(
    "words",
    [
        ("simulate", "--arch", "./"),
        ("simulate", "--arch", "no_such"),
        ("simulate", "--out", ""),
        ("simulate", "--timeline", "t"),
        ("frontier", "re"),
        ("record", "char-lm", "--out", "r"),
    ],
    ids=" ".join,
)
def test_the_shell_completes_paths(words: tuple[str, ...]) -> None:
    assert offered(*words) == ["<file>"]


def test_options_are_offered() -> None:
    assert offered("simulate", "--no") == ["--no-baseline"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_serves_both_programs(shell: str) -> None:
    script = CliRunner().invoke(completion, [shell], catch_exceptions=False).stdout
    for program in ("skipstone", "simulate"):
        assert f"_{program.upper()}_COMPLETE={shell}_complete" in script


def test_an_unknown_shell_is_refused() -> None:
    done = CliRunner().invoke(completion, ["tcsh"])
    assert done.exit_code == 2
    assert "bash" in done.stderr


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bin")
    for name, function in (("skipstone", "main"), ("simulate", "simulate_main")):
        program = folder / name
        program.write_text(
            f'#!/bin/sh\nexec {sys.executable} -c "from simulator.cli import {function}; {function}()" "$@"\n'
        )
        program.chmod(0o755)
    return folder


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs Bash")
@pytest.mark.parametrize(
    ("line", "replies"),
    [
        ("skipstone sim", ["simulate"]),
        ("skipstone simulate --arch edg", ["edge"]),
        ("simulate --arch training", ["training_card"]),
        ("simulate --arch edge --trace wordlm", ["traces/samples/wordlm_s80.npz"]),
        ("simulate --arch edge --tra", ["--trace"]),
        ("simulate --arch edge --out ./", ["compopt -o default ", ""]),
        ("skipstone completion z", ["zsh"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_real_bash_completes(line: str, replies: list[str], programs: Path) -> None:
    done = subprocess.run(
        ["bash", "--norc", "-c", COMPLETE, "bash", str(programs), *line.split()],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == replies


# --- --quiet -----------------------------------------------------------------------------------------------

LISTS = {"archs", "mechanisms", "policies", "compare", "sensitivity", "completion"}
"""Commands that print what they were asked for in no time, and nothing else."""


def leaves(command: click.Command, name: str) -> dict[str, click.Command]:
    if not isinstance(command, click.Group):
        return {name: command}
    context = click.Context(command)
    found = [(one, command.get_command(context, one)) for one in command.list_commands(context)]
    return {k: v for one, inner in found if inner for k, v in leaves(inner, f"{name} {one}".strip()).items()}


def test_every_command_but_plain_lists_can_be_quiet() -> None:
    found = leaves(skipstone, "")
    assert len(found) > 20
    loud = {name for name, command in found.items() if "--quiet" not in [o for p in command.params for o in p.opts]}
    assert loud == LISTS

"""What the shell may offer where a command line is to name a file: shipped names, and files of the right kind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

Offer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def named_or_file(names: Callable[[], Iterable[str]], suffix: str) -> Offer:
    """Make an offer of names and of the files here with a suffix; once a path is begun, of all that is there.

    Parameters
    ----------
    names : callable
        Gives the names; called only when the shell asks.
    suffix : str
        Such as ``.npz``.
    """

    def offer(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        if "/" not in incomplete and not incomplete.startswith((".", "~")):
            found = [name for name in names() if _answers(name, incomplete)]
            found += [name for name in _files_here(suffix) if name.startswith(incomplete) and name not in found]
            if found:
                return [CompletionItem(name) for name in found]
        return [CompletionItem(incomplete, type="file")]  # by the shell itself, which knows folders and ~

    return offer


def sample_files() -> list[str]:
    """List the traces that come with the package, as paths that can be used from the working folder."""
    samples = Path(__file__).resolve().parent / "samples"
    return [shown_path(path) for path in sorted(samples.glob("*.npz"))]


def shown_path(path: Path) -> str:
    """Give a path from the working folder where it lies below it, otherwise from the root."""
    here = Path.cwd()
    return os.fspath(path.relative_to(here) if path.is_relative_to(here) else path)


def _answers(name: str, incomplete: str) -> bool:
    """Whether a name, or the last part of a path, begins with what was typed."""
    return name.rpartition("/")[2].startswith(incomplete) or name.startswith(incomplete)


def _files_here(suffix: str) -> list[str]:
    return sorted(path.name for path in Path.cwd().glob(f"*{suffix}") if path.is_file())


complete_trace = named_or_file(sample_files, ".npz")

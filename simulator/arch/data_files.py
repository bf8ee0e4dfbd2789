"""Data files that a machine names: shipped ones by name, the user's beside the machine's file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from simulator.arch.document import Document, read_document
from simulator.arch.locate import may_be_there
from simulator.arch.parts import Part
from simulator.arch.problems import problems_of
from simulator.arch.yaml_loader import find_file, is_path, not_a_mapping
from traces.errors import InputError, Problem

Model = TypeVar("Model", bound=Part)


def read_data_file(
    name_or_path: str | os.PathLike[str],
    relative_to: str | os.PathLike[str] | None,
    folder: str,
    names: Sequence[str],
    noun: str,
    expected: str,
) -> tuple[Document, Path]:
    """Find a data file and read it; it holds a mapping.

    Parameters
    ----------
    name_or_path : str or path
        A shipped name, or a file.
    relative_to : path or None
        The folder that a relative path starts from, mostly `Architecture.folder`; where there is no such file in it,
        the working folder.
    folder, names, noun : see `simulator.arch.yaml_loader.find_file`
    expected : str
        What such a file holds, for messages.

    Raises
    ------
    InputError
        If it is not there, or no mapping.
    """
    chosen: str | os.PathLike[str] = name_or_path
    if relative_to is not None and is_path(name_or_path):
        beside = Path(relative_to) / name_or_path
        if "\0" not in str(beside) and may_be_there(beside):
            chosen = beside
    path = find_file(chosen, folder, names, noun)
    source = os.fspath(chosen) if is_path(chosen) else f"arch_configs/{folder}/{path.name}"
    document = read_document(path, source)
    if not isinstance(document.data, dict):
        raise InputError(document.problems or [not_a_mapping(document, expected)])
    return document, path


def checked(document: Document, model: type[Model], more: Callable[[Document], list[Problem]] | None = None) -> Model:
    """Check a document against a model; what is wrong with either is raised at once.

    Raises
    ------
    InputError
        With every problem, those that `more` finds included.
    """
    problems = list(document.problems)
    try:
        found = model.model_validate_json(json.dumps(document.data))
    except ValidationError as error:
        told = {problem.where for problem in problems}
        wrong = problems_of(error, model, document.data, document.place)
        raise InputError([*problems, *(p for p in wrong if p.where not in told)]) from None
    problems += more(document) if more is not None else []
    if problems:
        raise InputError(problems)
    return found

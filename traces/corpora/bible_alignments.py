"""Greek and English verses of the New Testament with manual word alignments, out of a wheel.

The PyPI package ``bible-alignments`` pins versions that nothing else agrees with, so its wheel is read as the zip
file that it is and never installed: ``pip download --no-deps bible-alignments==0.4.2``.
"""

from __future__ import annotations

import csv
import io
import json
import unicodedata
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from traces.corpora.pairs import Pair, PairCorpus, without_leaks
from traces.errors import InputError

WHERE = "corpus bible-alignments"
HINT = "pip download --no-deps --dest DIR bible-alignments==0.4.2, then --data DIR"

SOURCE = "data/sources/SBLGNT.tsv"
TARGET = "data/eng/targets/BSB/nt_BSB.tsv"
ALIGNMENT = "data/eng/alignments/BSB/SBLGNT-BSB-manual.json"

VALID_BOOKS = ("48", "50", "60")
TEST_BOOKS = ("58", "62")
"""Galatians, Philippians and 1 Peter; Hebrews and 1 John. The gospels, Ephesians and Colossians, Jude and 2 Peter
tell the same in the same words and would leak. A word's number begins with that of its book."""


def load_bible_alignments(folder: str | None) -> PairCorpus:
    """Read the wheel that lies in a folder, split by book.

    Greek words lose case and accents, which vary with a word's neighbours; English words lose their case.

    Raises
    ------
    InputError
        Where there is no such wheel, or it lacks what is read.
    """
    if folder is None:
        raise InputError.of(WHERE, "no folder", "--data with the folder where its wheel lies", HINT)
    wheels = sorted(Path(folder).glob("bible_alignments-*.whl"))
    if not wheels:
        raise InputError.of(WHERE, f"no bible_alignments-*.whl in {folder!r}", "the wheel of the package", HINT)
    version = wheels[-1].name.split("-")[1]
    try:
        with zipfile.ZipFile(wheels[-1]) as archive:
            verses = list(_verses(archive))
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError, ValueError, TypeError) as error:
        raise InputError.of(str(wheels[-1]), f"a wheel that cannot be read ({error})", "version 0.4.2", HINT) from None
    parts: dict[str, list[Pair]] = {"train": [], "valid": [], "test": []}
    for book, pair in verses:
        parts["valid" if book in VALID_BOOKS else "test" if book in TEST_BOOKS else "train"].append(pair)
    return without_leaks("bible-alignments", ("el", "en"), parts["train"], parts["valid"], parts["test"], version)


def _verses(archive: zipfile.ZipFile) -> Iterator[tuple[str, Pair]]:
    greek: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in _rows(archive, SOURCE):
        greek[row["id"][1:9]].append((row["id"], _bare(row["text"])))
    english: dict[str, list[tuple[str, str, bool]]] = defaultdict(list)
    for row in _rows(archive, TARGET):
        english[row["id"][:8]].append((row["id"], row["text"].lower(), row["skip_space_after"] == "y"))
    links: dict[str, set[str]] = defaultdict(set)
    for record in json.loads(archive.read(ALIGNMENT))["records"]:
        for source in record["source"]:
            links[source] |= set(record["target"])
    for verse in sorted(greek.keys() & english.keys()):
        place = {identity: index for index, (identity, _, _) in enumerate(english[verse])}
        gold = frozenset(
            (index, place[target])
            for index, (identity, _) in enumerate(greek[verse])
            for target in links[identity]
            if target in place  # a link into another verse has no place here
        )
        reference = "".join(word if tight else f"{word} " for _, word, tight in english[verse]).strip()
        source, target = (word for _, word in greek[verse]), (word for _, word, _ in english[verse])
        yield verse[:2], Pair(tuple(source), tuple(target), reference, gold)


def _rows(archive: zipfile.ZipFile, member: str) -> Iterator[dict[str, str]]:
    with archive.open(member) as raw:
        text = io.TextIOWrapper(raw, "utf-8", newline="")
        yield from csv.DictReader(text, delimiter="\t", quoting=csv.QUOTE_NONE)


def _bare(word: str) -> str:
    """Take case and accents off a Greek word."""
    letters = unicodedata.normalize("NFD", word.lower())
    return unicodedata.normalize("NFC", "".join(one for one in letters if not unicodedata.combining(one)))

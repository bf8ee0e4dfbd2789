"""Sentence pairs: what is held out is in no other part, and gold links point at the right words."""

import json
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traces.corpora.emoji_names import Emoji, split_of
from traces.corpora.pairs import load_pairs, pair_of, without_leaks, words_of
from traces.errors import InputError


def assert_disjoint(corpus):
    for side in ("source", "target"):
        parts = [{getattr(p, side) for p in part} for part in (corpus.train, corpus.valid, corpus.test)]
        assert not parts[0] & parts[1]
        assert not parts[0] & parts[2]
        assert not parts[1] & parts[2]


SENTENCE = st.sampled_from(["a", "b", "c", "d e", "f g", "h"])
PART = st.lists(st.tuples(SENTENCE, SENTENCE), max_size=6).map(lambda pairs: [pair_of(*pair) for pair in pairs])


@given(PART, PART, PART)
def test_without_leaks_makes_disjoint_parts_and_keeps_the_test(train, valid, test):
    try:
        corpus = without_leaks("x", ("en", "de"), train, valid, test)
    except InputError:
        return
    assert_disjoint(corpus)
    assert list(corpus.test) == test
    assert set(corpus.train) <= set(train)


def test_words_of_a_sentence_are_lower_case_with_punctuation_apart():
    assert words_of("Zwei Männer, groß-artig.") == ("zwei", "männer", ",", "groß-artig", ".")


def emoji(*names):
    return [Emoji(str(index), {"en": name}) for index, name in enumerate(names)]


TONES = ("light", "medium-light", "medium", "medium-dark", "dark")
ALL = emoji(*(f"{base}{tone}" for base in ("elf", "mage", "woman", "cook") for tone in ("", *TONES)))


def test_emoji_base_and_attributes_are_told_apart():
    one, two, three = emoji(
        "woman medium-light skin tone red hair", "dark horse", "handshake dark skin tone medium skin tone"
    )
    assert (one.base, one.attributes) == ("woman", ("medium-light skin tone", "red hair"))
    assert (two.base, two.attributes) == ("dark horse", ())
    assert (three.base, three.attributes) == ("handshake", ("dark skin tone", "medium skin tone"))


@given(st.integers(1, 40), st.integers(1, 5))
def test_split_of_holds_out_combinations_of_known_parts(bases, tones):
    items = emoji(*(f"base{b} {tone} skin tone" for b in range(bases) for tone in TONES[:tones]))
    splits = split_of(items)
    train = [one for one, split in zip(items, splits, strict=True) if split == "train"]
    known_bases, known_attributes = {one.base for one in train}, {a for one in train for a in one.attributes}
    for one, split in zip(items, splits, strict=True):
        if split != "train":
            assert one.base in known_bases
            assert set(one.attributes) <= known_attributes
    assert split_of(list(reversed(items))) == list(reversed(splits))


def test_emoji_pairs_hold_out_new_combinations_of_known_words():
    pytest.importorskip("emoji")
    corpus = load_pairs("emoji", "en", "de")
    assert_disjoint(corpus)
    assert len(corpus.train) > 3000
    assert min(len(corpus.valid), len(corpus.test)) > 150
    known = {word for pair in corpus.train for word in pair.source}
    assert {word for pair in corpus.test for word in pair.source} <= known
    assert corpus.provenance["pairs"]["test"] == len(corpus.test)


def test_emoji_pairs_of_an_unknown_language_are_refused():
    pytest.importorskip("emoji")
    with pytest.raises(InputError, match="language: found 'xx'"):
        load_pairs("emoji", "en", "xx")


def multi30k(folder, train=("A dog.", "A cat.", "Two men!"), valid=("A bird.",), test=("A horse.",)):
    for part, lines in (("train", train), ("val", valid), ("test_2016_flickr", test), ("test_2017_flickr", ("X",))):
        (folder / f"{part}.en").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / f"{part}.de").write_text("\n".join(f"de {line}" for line in lines) + "\n", encoding="utf-8")


def test_a_folder_as_multi30k_is_read_in_either_direction(tmp_path):
    multi30k(tmp_path)
    corpus = load_pairs(str(tmp_path), "en", "de")
    assert [len(part) for part in (corpus.train, corpus.valid, corpus.test)] == [3, 1, 1]
    assert corpus.train[2].source == ("two", "men", "!")
    assert corpus.test[0].reference == "de a horse."
    assert load_pairs(str(tmp_path), "de", "en").test[0].reference == "a horse."


def test_a_folder_whose_training_repeats_the_test_loses_it_from_training(tmp_path):
    multi30k(tmp_path, train=("A horse.", "A cat.", "a bird."))
    corpus = load_pairs(str(tmp_path))
    assert [pair.source for pair in corpus.train] == [("a", "cat", ".")]
    assert_disjoint(corpus)


def test_malformed_folders_of_pairs_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"found no file train\.en"):
        load_pairs(str(tmp_path))
    multi30k(tmp_path)
    (tmp_path / "val.de").write_text("one\ntwo\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"val\.en: found 1 lines beside 2"):
        load_pairs(str(tmp_path))
    with pytest.raises(InputError, match="did you mean 'emoji'"):
        load_pairs("emoij")
    multi30k(tmp_path, train=("A horse.",))
    with pytest.raises(InputError, match="no training pair"):
        load_pairs(str(tmp_path))


def wheel(folder, *, drop=""):
    """A wheel with one verse in a training, a validation and a test book, in the package's own format."""
    greek, english, records = ["id\taltId\ttext"], ["id\tsource_verse\ttext\tskip_space_after\texclude"], []
    for book, name in (("40", "Ἀβραὰμ"), ("48", "Παῦλος"), ("58", "Πολυμερῶς")):
        greek += [f"n{book}001001001\tx\t{name}", f'n{book}001001002\tx\t"καὶ']
        english += [
            f"{book}001001001\t{book}001001\tAnd\t\t",
            f"{book}001001002\t{book}001001\tN{book}\ty\t",
            f"{book}001001003\t{book}001001\t.\t\ty",
        ]
        records += [
            {"source": [f"n{book}001001001"], "target": [f"{book}001001002", "66001001001"]},
            {"source": [f"n{book}001001002"], "target": [f"{book}001001001"]},
        ]
    members = {
        "data/sources/SBLGNT.tsv": "\n".join(greek),
        "data/eng/targets/BSB/nt_BSB.tsv": "\n".join(english),
        "data/eng/alignments/BSB/SBLGNT-BSB-manual.json": json.dumps({"records": records}),
    }
    with zipfile.ZipFile(folder / "bible_alignments-0.4.2-py3-none-any.whl", "w") as archive:
        for member, text in members.items():
            if member != drop:
                archive.writestr(member, text + "\n")


def test_bible_alignments_are_read_from_the_wheel_with_their_gold_links(tmp_path):
    wheel(tmp_path)
    corpus = load_pairs("bible-alignments", data=str(tmp_path))
    assert corpus.version == "0.4.2"
    assert corpus.languages == ("el", "en")
    (train,), (valid,), (test,) = corpus.train, corpus.valid, corpus.test
    assert train.source == ("αβρααμ", '"και')
    assert train.target == ("and", "n40", ".")
    assert train.reference == "and n40."
    assert train.links == test.links == frozenset({(0, 1), (1, 0)})
    assert (valid.target[1], test.target[1]) == ("n48", "n58")
    assert corpus.provenance["links"] == {"train": 2, "valid": 2, "test": 2}


def test_bible_alignments_that_are_missing_or_broken_say_how_to_get_them(tmp_path):
    for data in (None, str(tmp_path)):
        with pytest.raises(InputError, match="pip download --no-deps"):
            load_pairs("bible-alignments", data=data)
    wheel(tmp_path, drop="data/sources/SBLGNT.tsv")
    with pytest.raises(InputError, match="a wheel that cannot be read"):
        load_pairs("bible-alignments", data=str(tmp_path))
    (tmp_path / "bible_alignments-0.4.2-py3-none-any.whl").write_bytes(b"no zip")
    with pytest.raises(InputError, match="a wheel that cannot be read"):
        load_pairs("bible-alignments", data=str(tmp_path))

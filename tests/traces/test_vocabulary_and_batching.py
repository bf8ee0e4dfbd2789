"""Words, their numbers, and sequences put side by side."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traces.corpora.batching import ordered_batches, pad, shuffled_batches
from traces.corpora.vocabulary import END, PAD, SPECIALS, UNKNOWN, Vocabulary, split_words

WORDS = st.lists(st.sampled_from("abcdefgh"), max_size=60)


def test_split_words_keeps_apostrophes_and_ends_every_line_that_holds_words():
    assert split_words("Don't go,\n\n  he said.\n") == ["Don't", "go", ",", "<eos>", "he", "said", ".", "<eos>"]
    assert split_words("the <unk> of $ N\n", tokenised=True) == ["the", "<unk>", "of", "$", "N", "<eos>"]


@given(WORDS, st.integers(1, 4), st.integers(0, 5))
def test_vocabulary_holds_the_frequent_words_and_no_other(words, least, largest):
    vocabulary = Vocabulary(words, least, largest)
    kept = vocabulary.words[len(SPECIALS) :]
    assert all(words.count(word) >= least for word in kept)
    assert [words.count(word) for word in kept] == sorted((words.count(word) for word in kept), reverse=True)
    left_out = {word for word in words if word not in kept and words.count(word) >= least}
    assert len(kept) == largest if left_out else len(kept) <= (largest or 8)
    if left_out and kept:
        assert max(map(words.count, left_out)) <= min(map(words.count, kept))
    indices = vocabulary.encode(words)
    assert [vocabulary.words[index] for index in indices] == [w if w in kept else SPECIALS[UNKNOWN] for w in words]


def test_vocabulary_does_not_depend_on_the_order_of_the_words():
    one, other = Vocabulary(["b", "a", "c", "a"]), Vocabulary(["c", "a", "a", "b"])
    assert one.words == other.words == (*SPECIALS, "a", "b", "c")


def test_vocabulary_takes_special_words_of_a_text_for_what_they_are():
    vocabulary = Vocabulary(["<unk>", "a", "<eos>"])
    assert len(vocabulary) == len(SPECIALS) + 1
    assert vocabulary.encode(["<unk>", "<eos>", "new"]).tolist() == [UNKNOWN, END, UNKNOWN]
    assert vocabulary.decode([2, 4, 0, 3, 4]) == ["a"]


@given(st.lists(st.integers(1, 30), max_size=120), st.integers(1, 7), st.integers(0, 3))
def test_shuffled_batches_are_full_and_repeat_no_item(lengths, batch, epoch):
    batches = list(shuffled_batches(lengths, batch, seed=1, epoch=epoch))
    assert all(len(indices) == batch for indices in batches)
    assert len(batches) == len(lengths) // batch
    items = [int(index) for indices in batches for index in indices]
    assert len(set(items)) == len(items)


def test_shuffled_batches_are_the_same_for_the_same_seed_and_epoch_alone():
    def drawn(seed, epoch):
        return [indices.tolist() for indices in shuffled_batches(list(range(1, 101)), 5, seed, epoch)]

    assert drawn(0, 0) == drawn(0, 0)
    assert drawn(0, 0) != drawn(0, 1)
    assert drawn(0, 0) != drawn(1, 0)


def test_shuffled_batches_hold_items_of_like_length():
    lengths = np.random.default_rng(0).integers(1, 50, 400)
    spread = [np.ptp(lengths[indices]) for indices in shuffled_batches(list(lengths), 10, 0, 0)]
    assert np.mean(spread) < 6  # 40 and more without sorting


@given(st.lists(st.integers(1, 30), max_size=50), st.integers(1, 7))
def test_ordered_batches_hold_every_item_once_by_length(lengths, batch):
    items = [int(index) for indices in ordered_batches(lengths, batch) for index in indices]
    assert sorted(items) == list(range(len(lengths)))
    assert [lengths[i] for i in items] == sorted(lengths)


@given(st.integers(1, 60), st.integers(1, 8))
def test_a_few_ordered_batches_are_spread_from_short_to_long(items, most):
    every = [indices.tolist() for indices in ordered_batches(range(items), 2)]
    few = [indices.tolist() for indices in ordered_batches(range(items), 2, most)]
    assert len(few) == min(most, len(every))
    places = [every.index(indices) for indices in few]
    gaps = np.diff([-1, *places, len(every)])
    assert (gaps[1:-1] >= 1).all()
    assert gaps.max() <= -(-len(every) // len(few)) + 1


@given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=6), min_size=1, max_size=5))
def test_pad_keeps_every_sequence_and_fills_with_padding(sequences):
    padded, lengths = pad([np.array(sequence, np.int64) for sequence in sequences])
    assert padded.shape == (max(map(len, sequences)), len(sequences))
    for column, sequence in enumerate(sequences):
        assert padded[: lengths[column], column].tolist() == sequence
        assert (padded[lengths[column] :, column] == PAD).all()


def test_pad_of_nothing_is_an_error_of_the_caller():
    with pytest.raises(ValueError, match="zero-size"):
        pad([])

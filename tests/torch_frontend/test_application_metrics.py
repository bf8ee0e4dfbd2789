"""Figures of merit against hand-made cases."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

# With a version, which this folder of the same name has not: it is a namespace package where PyTorch is missing.
torch = pytest.importorskip("torch", minversion="2.4")

from traces.torch_frontend.metrics import (  # noqa: E402
    alignment_error_rate,
    bits_per_character,
    bleu,
    exact_matches,
    perplexity,
)


@given(st.integers(2, 1000))
def test_uniform_guessing_has_the_logarithm_in_bits_and_the_number_as_perplexity(symbols):
    assert bits_per_character(math.log(symbols)) == pytest.approx(math.log2(symbols))
    assert perplexity(math.log(symbols)) == pytest.approx(symbols)


def test_perplexity_of_a_ruined_model_is_infinite():
    assert perplexity(1e4) == math.inf


def test_alignment_error_rate_of_hand_made_cases():
    sure, possible = {(0, 0), (1, 1)}, {(0, 0), (1, 1), (2, 1)}
    assert alignment_error_rate([sure], [sure], [possible]) == 0
    assert alignment_error_rate([possible], [sure], [possible]) == 0
    assert alignment_error_rate([{(5, 5)}], [sure], [possible]) == 1
    assert alignment_error_rate([set()], [sure], [possible]) == 1
    # A = 2, S = 2; one of A is sure, the other only possible: 1 - (1 + 2) / 4
    assert alignment_error_rate([{(0, 0), (2, 1)}], [sure], [possible]) == pytest.approx(0.25)
    # Sums over the pairs before it divides: 1 - (2 + 2 + 0 + 0) / (2 + 2 + 1 + 1)
    assert alignment_error_rate([sure, {(9, 9)}], [sure, {(0, 1)}], [possible, {(0, 1)}]) == pytest.approx(1 / 3)
    assert alignment_error_rate([], [], []) == 0


LINKS = st.sets(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=8)


@given(st.lists(st.tuples(LINKS, LINKS), min_size=1, max_size=4))
def test_alignment_error_rate_is_one_minus_f1_where_all_links_are_sure(pairs):
    answered, gold = zip(*pairs, strict=True)
    right = sum(len(a & g) for a, g in pairs)
    total = sum(len(a) + len(g) for a, g in pairs)
    if total:
        assert alignment_error_rate(answered, gold, gold) == pytest.approx(1 - 2 * right / total)


def test_bleu_of_the_reference_is_100_and_takes_several_references():
    pytest.importorskip("sacrebleu")
    texts = ["the cat sat on the mat .", "two dogs run over a green field"]
    assert bleu(texts, [[text] for text in texts])[0] == pytest.approx(100)
    assert bleu(texts, [["another sentence of words", texts[0]], [texts[1]]])[0] == pytest.approx(100)
    score, signature = bleu(["a b c d e"], [["v w x y z"]])
    assert score < 5
    assert "tok:13a" in signature


def test_exact_matches_count_any_reference():
    assert exact_matches(["a b", "c", ""], [["x", "a  b"], ["d"], ["e"]]) == pytest.approx(1 / 3)

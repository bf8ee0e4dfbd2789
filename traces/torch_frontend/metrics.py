"""Figures of merit of the applications, each with its definition."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from traces.corpora.sources import optional_module

Links = frozenset[tuple[int, int]] | set[tuple[int, int]]
"""Links (source word, target word) of one sentence pair."""


def bits_per_character(nats: float) -> float:
    """Return the mean of -log2 p of the next character, from its mean -ln p in nats."""
    return nats / math.log(2)


def perplexity(nats: float) -> float:
    """Return exp of the mean -ln p of the next word; every word of the text counts, ``<eos>`` and ``<unk>`` too.

    Infinite where it exceeds the largest float.
    """
    try:
        return math.exp(nats)
    except OverflowError:
        return math.inf


def bleu(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, str]:
    """Compute corpus BLEU as sacrebleu does, with its tokenisation 13a and exponential smoothing.

    Parameters
    ----------
    hypotheses : sequence of str
        Running text; its words may be separated by blanks, for 13a separates punctuation anyway.
    references : sequence of sequence of str
        One or more for each hypothesis; their number may differ.

    Returns
    -------
    score : float
        0 to 100.
    signature : str
        Sacrebleu's, which says how it was computed.

    Raises
    ------
    InputError
        Where sacrebleu is not installed.
    """
    metrics = optional_module("sacrebleu.metrics", "BLEU", "apps")
    most = max(map(len, references))
    # Sacrebleu takes one stream per reference; None where a hypothesis has fewer.
    streams = [[texts[index] if index < len(texts) else None for texts in references] for index in range(most)]
    # Without force it warns of texts whose full stops stand alone; to 13a they are the same.
    metric = metrics.BLEU(force=True)
    score = metric.corpus_score(list(hypotheses), streams)
    return float(score.score), str(metric.get_signature())


def alignment_error_rate(answered: Iterable[Links], sure: Iterable[Links], possible: Iterable[Links]) -> float:
    """Compute the alignment error rate of Och and Ney (Computational Linguistics 29, 2003; recalled).

    AER = 1 - (|A and S| + |A and P|) / (|A| + |S|), summed over all sentence pairs before it is divided, where A are
    the answered links, S the sure ones and P the possible ones; a sure link is possible, too.

    Returns
    -------
    float
        0 (every sure link answered, and none but possible ones) to 1; 0 where there is nothing to align.
    """
    right = total = 0
    for answer, certain, allowed in zip(answered, sure, possible, strict=True):
        right += len(answer & certain) + len(answer & (allowed | certain))
        total += len(answer) + len(certain)
    return 1 - right / total if total else 0.0


def exact_matches(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Return the share of hypotheses that equal one of their references, word for word."""
    right = sum(
        hypothesis.split() in [text.split() for text in texts]
        for hypothesis, texts in zip(hypotheses, references, strict=True)
    )
    return right / len(hypotheses)

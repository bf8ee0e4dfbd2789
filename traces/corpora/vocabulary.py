"""Words and their numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

PAD, UNKNOWN, BEGIN, END = range(4)
SPECIALS = ("<pad>", "<unk>", "<bos>", "<eos>")
"""The first entries of every word vocabulary, in the order of `PAD`, `UNKNOWN`, `BEGIN`, `END`."""

_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


def split_words(text: str, tokenised: bool = False) -> list[str]:
    """Split text into words and punctuation marks; each line that holds any ends with ``<eos>``.

    Parameters
    ----------
    text : str
    tokenised : bool
        Split at blanks alone, so that ``<unk>`` and ``$`` stay as a corpus has them.

    Returns
    -------
    list of str
    """
    words: list[str] = []
    for line in text.split("\n"):
        found = line.split() if tokenised else _WORD.findall(line)
        if found:
            words += [*found, SPECIALS[END]]
    return words


class Vocabulary:
    """The words of a training text, after `SPECIALS`, from the most frequent to the rarest (ties by alphabet).

    Parameters
    ----------
    words : iterable of str
        The training text. A special word among them is that special.
    least : int
        Words that occur less often are ``<unk>``.
    largest : int
        Keep at most so many words beside the specials; 0 keeps all.

    Attributes
    ----------
    words : tuple of str
        The word of each index.
    """

    def __init__(self, words: Iterable[str], least: int = 1, largest: int = 0) -> None:
        counts = Counter(words)
        kept = sorted((word for word, count in counts.items() if count >= least), key=lambda w: (-counts[w], w))
        kept = [word for word in kept if word not in SPECIALS]
        self.words: tuple[str, ...] = (*SPECIALS, *(kept[:largest] if largest else kept))
        self._index = {word: index for index, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, words: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the index of each word, int64 [words]; `UNKNOWN` where it is not in the vocabulary."""
        return np.array([self._index.get(word, UNKNOWN) for word in words], np.int64)

    def decode(self, indices: Iterable[int]) -> list[str]:
        """Return the words up to the first `END`, without padding and begin marks."""
        words = []
        for index in indices:
            if index == END:
                break
            if index not in (PAD, BEGIN):
                words.append(self.words[index])
        return words

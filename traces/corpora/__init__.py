"""Real data to train on, from installed packages or the user's files; none is committed to the project.

``text`` for language models, ``pairs`` for translation, ``captions`` for images with captions. Every corpus is
split into training, validation and test parts that share nothing, and can say where it comes from.
"""

from traces.corpora.text import NAMES, TEST_PLAYS, VALID_PLAYS, Corpus, load, split_by_position, strip_markdown

__all__ = [
    "NAMES",
    "TEST_PLAYS",
    "VALID_PLAYS",
    "Corpus",
    "load",
    "split_by_position",
    "strip_markdown",
]

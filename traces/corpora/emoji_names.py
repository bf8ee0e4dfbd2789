"""Emoji and their names in several languages, from the PyPI package ``emoji``; what is held out is a combination.

A name such as "woman firefighter: medium skin tone" is a base with attributes (skin tones, hair). A held-out
combination has a base and attributes that occur in training, only never together: whoever describes or translates
it has composed it.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from traces.corpora.sources import optional_module
from traces.errors import InputError

VALID_PERCENT = TEST_PERCENT = 12
"""Share of the combinations with attributes that are for validation and for the test."""

_ATTRIBUTE = re.compile(r"\b(?:(?:medium-)?(?:light|dark)|medium) skin tone\b|\b(?:red|curly|white) hair\b|\bbald\b")


@dataclass(frozen=True)
class Emoji:
    """An emoji and its names.

    Attributes
    ----------
    character : str
        One or more code points.
    names : dict of str to str
        Name by language, such as ``{"en": "woman firefighter medium skin tone"}``.
    """

    character: str
    names: dict[str, str]

    @property
    def base(self) -> str:
        """The English name without attributes."""
        return " ".join(_ATTRIBUTE.sub(" ", self.names["en"]).split())

    @property
    def attributes(self) -> tuple[str, ...]:
        """Skin tones and hair in the order of the English name."""
        return tuple(_ATTRIBUTE.findall(self.names["en"]))


def load_emoji(languages: Sequence[str], where: str) -> tuple[list[Emoji], str]:
    """Load the fully qualified emoji that have a name in every language, ordered by code points.

    Returns
    -------
    list of Emoji
    version : str
        Of the package.

    Raises
    ------
    InputError
        Where the package is not installed or knows no such language.
    """
    package = optional_module("emoji", where, "apps")
    for language in languages:
        if language not in package.LANGUAGES:
            raise InputError.of(f"{where} language", repr(language), f"one of {', '.join(package.LANGUAGES)}")
        package.config.load_language(language)
    found = []
    for character, data in sorted(package.EMOJI_DATA.items()):
        if data["status"] <= package.STATUS["fully_qualified"] and all(language in data for language in languages):
            names = {language: " ".join(data[language].strip(":").split("_")) for language in {"en", *languages}}
            found.append(Emoji(character, names))
    return found, str(package.__version__)


def split_of(emoji: Sequence[Emoji]) -> list[str]:
    """Say for each emoji whether it is for ``train``, ``valid`` or ``test``.

    Emoji with the same base and attributes go together. Those without attributes train. The others are drawn by a
    digest of the combination, so that a new version of the package moves no old one; a base or an attribute that
    would then not occur in training keeps its combinations there.
    """
    combinations = sorted({(one.base, one.attributes) for one in emoji})
    split = {combination: _drawn(*combination) for combination in combinations}

    def in_training() -> tuple[Counter[str], Counter[str]]:
        kept = [combination for combination in combinations if split[combination] == "train"]
        return Counter(base for base, _ in kept), Counter(one for _, attributes in kept for one in attributes)

    bases, attributes = in_training()
    for combination in combinations:
        if not bases[combination[0]] or not all(attributes[one] for one in combination[1]):
            split[combination] = "train"
    return [split[one.base, one.attributes] for one in emoji]


def _drawn(base: str, attributes: tuple[str, ...]) -> str:
    if not attributes:
        return "train"
    digest = hashlib.sha256("|".join((base, *attributes)).encode()).digest()
    share = int.from_bytes(digest[:8], "big") % 100
    return "test" if share < TEST_PERCENT else "valid" if share < TEST_PERCENT + VALID_PERCENT else "train"

"""The user's mistakes, told in one clear message each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input.

    Parameters
    ----------
    where : str
        File and place, such as ``configs/x.yaml:3:36 array.rows`` or ``run.npz: steps/000120/lstm0/input``.
    found : str
        What was found there.
    expected : str
        What would be right.
    hint : str, optional
        What to try, for instance the nearest known key.
    """

    where: str
    found: str
    expected: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f" (hint: {self.hint})" if self.hint else ""
        where = self.where or "''"  # a file's name that is empty
        return _on_one_line(f"{where}: found {self.found}; expected {self.expected}{hint}")


class InputError(Exception):
    """The user's input is at fault. Command lines print it without a traceback and exit with code 2.

    Carries every problem that was found, so that all of them can be mended in one go.
    """

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems))

    def __reduce__(self) -> tuple[type[InputError], tuple[tuple[Problem, ...]], dict[str, object]]:
        return type(self), (self.problems,), self.__dict__  # as it was made: it may come from another process

    @classmethod
    def of(cls, where: str, found: str, expected: str, hint: str = "") -> InputError:
        """Make an error of a single problem."""
        return cls(Problem(where, found, expected, hint))


def _on_one_line(text: str) -> str:
    """Write what is not printable as Python would, so that a key or a name of a stranger's file steers no terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def nearest(word: str, known: Iterable[str]) -> str:
    """Say which known word is meant, in whatever case, for a hint; empty where none is near."""
    folded: dict[str, str] = {}
    for one in known:
        folded.setdefault(one.casefold(), one)
    from difflib import get_close_matches

    close = get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.5)
    return f"did you mean {folded[close[0]]!r}?" if close else ""

"""RELIABILITY.md says what the commands found, and names tests and commands that there are."""

from __future__ import annotations

import re

import pytest

from reliability.page import PATH, PROMISES, page
from reliability.promises import FIGURES, ROOT, Promise, found


def test_page_is_what_the_commands_found() -> None:
    assert PATH.read_text(encoding="utf-8") == page(), "run `make reliability`"


def test_every_file_of_figures_belongs_to_a_promise() -> None:
    assert {path.stem for path in FIGURES.glob("*.json")} <= {promise.key for promise in PROMISES}
    assert len({promise.key for promise in PROMISES}) == len(PROMISES)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.key)
def test_promise_names_tests_and_a_command_that_there_are(promise: Promise) -> None:
    assert promise.tests
    for test in promise.tests:
        file, _, name = test.partition("::")
        assert (ROOT / file).exists(), file
        assert not name or f"def {name.partition('[')[0]}(" in (ROOT / file).read_text(encoding="utf-8"), test
    if promise.command is not None:
        target = promise.command.removeprefix("make ").split()[0]
        assert re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M), target
        assert found(promise) is not None, f"run `{promise.command}`"

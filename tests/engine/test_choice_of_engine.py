"""The engine that is named is the one that runs: both give the same, so no result could tell."""

from __future__ import annotations

from typing import Any

import pytest

import simulator.engine.compiled
import simulator.engine.event
from simulator import engine


@pytest.mark.parametrize("name", engine.ENGINES)
def test_engine_that_is_named_walks_the_plan(name: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    walked: list[tuple[str, Any, Any]] = []
    for module in (simulator.engine.compiled, simulator.engine.event):
        own = module.__name__.rpartition(".")[2]
        monkeypatch.setattr(module, "run", lambda plan, window, own=own: walked.append((own, plan, window)))
    engine.run("a plan", name, "a window")  # type: ignore[arg-type]
    assert walked == [(name, "a plan", "a window")]
    assert set(engine.ENGINES) == {"compiled", "event"}

"""Reports of a small trace, replayed once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from plain.cases import machine

from simulator.report import Report
from simulator.run import simulate
from traces import DenseLayer, synthetic_trace

LOOKAHEAD = {"mechanism": "lookahead", "depth": 8, "refill": 4, "banks": 2}


@pytest.fixture
def no_window(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Draw without a window; a plot that is shown is a failure, and figures are closed."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    monkeypatch.setattr(pyplot, "show", lambda *_, **__: pytest.fail("a plot was shown"))
    yield
    pyplot.close("all")


@pytest.fixture(scope="session")
def small_trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_trace(
        tmp_path_factory.mktemp("report") / "small.npz",
        layers=2,
        input_size=6,
        hidden_size=8,
        sequence_length=3,
        batch_size=5,
        sparsity=0.8,
        steps=[3, 7],
        dense_layers=[DenseLayer("classifier", 8, 20)],
    )


@pytest.fixture(scope="session")
def report(small_trace: Path) -> Report:
    """A machine with a memory system, beside its dense twin and its bound, with intervals."""
    arch = machine(name="small-lookahead", skipping=LOOKAHEAD, memory={})
    return simulate(arch, small_trace, record_intervals=True)


@pytest.fixture(scope="session")
def lone_report(small_trace: Path) -> Report:
    """The same without anything to compare with."""
    return simulate(machine(name="small-lookahead", skipping=LOOKAHEAD, memory={}), small_trace, baseline=False)


@pytest.fixture(scope="session")
def ideal_memory_report(small_trace: Path) -> Report:
    return simulate(machine(skipping=LOOKAHEAD), small_trace)

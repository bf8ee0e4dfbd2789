"""A small machine, small traces, and a space over them."""

from __future__ import annotations

from pathlib import Path

import pytest

from traces import DenseLayer, synthetic_trace

MACHINE = """\
name: small
clock_mhz: 500
precision: {operand: fp16, accumulator: fp32}
array: {rows: 4, columns: 4}
skipping: {mechanism: lookahead, depth: 4, refill: 2, banks: null}
memory: ideal
energy_table: cmos_45nm
"""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``small.yaml``, ``plain.yaml`` (dense), ``a.npz`` and ``b.npz``; not to be written to."""
    home = tmp_path_factory.mktemp("space")
    (home / "small.yaml").write_text(MACHINE, encoding="utf-8")
    dense = MACHINE.replace("name: small", "name: plain").replace(
        "{mechanism: lookahead, depth: 4, refill: 2, banks: null}", "{mechanism: dense}"
    )
    (home / "plain.yaml").write_text(dense, encoding="utf-8")
    for name, seed, steps in (("a", 1, [10, 20, 30]), ("b", 2, [5])):
        synthetic_trace(
            home / f"{name}.npz",
            layers=1,
            hidden_size=6,
            input_size=5,
            sequence_length=3,
            batch_size=4,
            sparsity=0.7,
            steps=steps,
            seed=seed,
            dense_layers=[DenseLayer("classifier", 6, 5)],
        )
    return home

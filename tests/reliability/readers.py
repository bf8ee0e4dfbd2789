"""Everything that reads a file of a user, by what it reads; and what it says where it refuses one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulator.arch import load_arch
from simulator.arch.weights import Weights
from simulator.energy.loading import load_energy_table
from simulator.energy.skip_logic import read_skip_logic
from simulator.energy.sram import read_sram_csv
from simulator.explore.quality import Quality
from simulator.explore.rows import read_table
from simulator.explore.space import load_space
from simulator.explore.subjects import read_subject
from simulator.report.saved import read_report
from traces import Trace
from traces.corpora.text import load as load_corpus
from traces.dnnsim import read_parameters
from traces.errors import InputError
from traces.matrix_files import read_mask
from traces.thresholds.text import parse_policy

READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "trace": ("run.npz", Trace),
    "machine": ("m.yaml", load_arch),
    "energy table": ("e.yaml", load_energy_table),
    "space": ("s.yaml", load_space),
    "report": ("report.json", read_report),
    "run to compare": ("report.json", lambda path: read_subject(str(path))),
    "results": ("results.csv", read_table),
    "parquet": ("results.parquet", read_table),
    "quality": ("q.csv", lambda path: Quality.read(f"{path}:x:min", ["a"])),
    "SRAM": ("s.csv", lambda path: read_sram_csv(path, 45, "there", True)),
    "skip logic": ("l.csv", read_skip_logic),
    "policy": ("p.json", lambda path: parse_policy(str(path))),
    "weights": ("w.npz", lambda path: Weights(file=path.name).mask("lstm0.W", 3, 5, path.parent)),
    "weights of one matrix": ("w.npy", lambda path: Weights(file=path.name).mask("lstm0.W", 3, 5, path.parent)),
    "digest of weights": ("w.npz", lambda path: Weights(file=path.name).file_digest(path.parent)),
    "matrix": ("m.npy", read_mask),
    "Matrix Market": ("m.mtx", read_mask),
    "scipy": ("m.npz", read_mask),
    "DNNsim": ("trace_params.csv", read_parameters),
    "corpus": ("text.txt", lambda path: load_corpus(str(path))),
}


def refusal(read: Callable[[Path], Any], path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read(path)
    told = str(caught.value)
    assert told
    return told

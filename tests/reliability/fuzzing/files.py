"""Surfaces of files that a user writes or gets: machines, tables, spaces, reports, results, stores."""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from plain.cases import machine

from reliability.fuzzing.grammar import ODD_TEXTS, as_json, as_yaml, damaged_bytes, damaged_text, damaged_tree
from reliability.fuzzing.surface import Surface
from reliability.fuzzing.texts import loaded, shipped
from simulator.arch import config_root, load_arch
from simulator.arch.dram_standard import load_dram_standard
from simulator.arch.schema import Architecture
from simulator.energy.loading import load_energy_table
from simulator.energy.skip_logic import read_skip_logic
from simulator.energy.sram import read_sram_csv
from simulator.explore.compare import compare
from simulator.explore.frontier import Objective, frontier
from simulator.explore.quality import Quality
from simulator.explore.rows import read_table
from simulator.explore.sensitivity import sensitivities
from simulator.explore.space import load_space
from simulator.explore.store import Store
from simulator.explore.subjects import read_subject
from simulator.explore.sweep_page import sweep_page
from simulator.report.html import run_page
from simulator.report.saved import read_report
from simulator.study.results import Results
from traces import synthetic_trace
from traces.dnnsim import read_parameters
from traces.errors import InputError

_ARCH = ("simulator.arch.document", "simulator.arch.problems", "simulator.arch.schema", "simulator.arch.yaml_loader",
         "simulator.arch.parts", "simulator.arch.memory_system", "simulator.arch.mechanism", "simulator.arch.overrides",
         "simulator.arch.scale_out", "simulator.arch.tile_mechanism", "simulator.arch.data_files",
         "traces.errors")  # fmt: skip


@cache
def _trees(folder: str) -> tuple[Any, ...]:
    return tuple(loaded(raw) for raw in shipped(folder))


@cache
def _words(folder: str) -> tuple[str, ...]:
    """Every key and every text in the shipped files of a kind."""
    found: dict[str, None] = {}

    def walk(data: Any) -> None:
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            if isinstance(key, str):
                found[key] = None
            if isinstance(value, dict | list):
                walk(value)
            elif isinstance(value, str) and len(value) < 30:
                found[value] = None

    for tree in _trees(folder):
        walk(tree)
    return tuple(found)


def _file_of(folder: str, rng: Random) -> bytes:
    return as_yaml(damaged_tree(rng.choice(_trees(folder)), rng, _words(folder)), rng)


# --- machines and their tables --------------------------------------------------------------------------------


def _checked(arch: Architecture) -> None:
    assert Architecture.parse(arch.to_dict(), None, arch.folder).digest == arch.digest


def _take_machine(path: str) -> None:
    _checked(load_arch(path))


SETTINGS = (
    "array.rows=64", "array.columns=1", "clock_mhz=100", "skipping.depth=8", "skipping.mechanism=dense", "memory=ideal",
    "skipping={mechanism: ideal}", "chips=4", "chips.gradients=sparse", "arrays=2", "memory.dram.queue=1", "name=x",
    "memory.buffers.skip.capacity_kib=64", "precision.operand=bf16", "energy_table=cmos_7nm", "memory.formats.skip=csr",
    "memory.mapping.tile_k=32", "memory.dram.timing=hbm2_2000",
)  # fmt: skip


def _overrides(rng: Random) -> bytes:
    lines = []
    for _ in range(rng.randrange(1, 4)):
        line = rng.choice(SETTINGS)
        key, _, value = line.partition("=")
        way = rng.randrange(5)
        if way == 0:
            line = f"{rng.choice(SETTINGS).partition('=')[0]}={value}"
        elif way == 1:
            line = f"{key}={rng.choice(ODD_TEXTS)}"
        elif way == 2:
            line = damaged_text(line, rng)
        elif way == 3:
            line = f"{key}={rng.choice((0, 1, -1, 2**31, 2**63 - 1, 1e-300, 65536, 0.001))}"
        lines.append(line.replace("\n", " "))
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def _take_overrides(data: bytes) -> None:
    _checked(load_arch("zero_skip", data.decode("utf-8", "surrogateescape").split("\n")))


def _take_energy(path: str) -> None:
    table = load_energy_table(path)
    assert len(table.digest) == 64
    assert load_energy_table(path).digest == table.digest


def _take_dram(path: str) -> None:
    standard = load_dram_standard(path)
    assert len(standard.digest) == 64
    assert standard.channel_mb_per_s > 0


def _lines_of(seeds: Sequence[bytes], rng: Random) -> bytes:
    """Damage a table of lines: cells, lines, then perhaps bytes."""
    lines = rng.choice(seeds).decode().split("\n")
    for _ in range(rng.choice((0, 1, 1, 2))):
        at = rng.randrange(len(lines))
        cells = lines[at].split(",")
        way = rng.randrange(6)
        if way < 3:
            cells[rng.randrange(len(cells))] = rng.choice((*ODD_TEXTS, '"', '"a,b"', "nan", "-1", "1e400", "inf", "0"))
            lines[at] = ",".join(cells)
        elif way == 3:
            lines[at] = damaged_text(lines[at], rng)
        elif way == 4:
            lines.insert(at, rng.choice(lines))
        else:
            del lines[at]
            lines = lines or [""]
    raw = "\n".join(lines).encode("utf-8", "surrogatepass")
    return damaged_bytes(raw, rng) if rng.random() < 0.2 else raw


@cache
def _csv(name: str) -> tuple[bytes, ...]:
    return ((config_root() / "energy" / name).read_bytes(),)


def _take_sram(path: str) -> None:
    rows = read_sram_csv(Path(path), 45, "there", True)
    assert rows
    assert all(row.capacity_kib > 0 and row.read_pj >= 0 for row in rows)
    assert [row.capacity_kib for row in rows] == sorted({row.capacity_kib for row in rows})


def _take_skip_logic(path: str) -> None:
    assert read_skip_logic(Path(path)).rows


# --- spaces ---------------------------------------------------------------------------------------------------

SPACES: list[dict[str, Any]] = [
    {
        "name": "s", "archs": ["zero_skip", "dense"], "traces": ["sample:charlm_t0"], "steps": {"early": "0:100",
        "late": "900:"},
        "axes": {"skipping.depth": [4, 8], "array.rows": {"from": 16, "to": 64, "factor": 2}},
        "where": [{"array.rows": {"at_most": "array.columns"}}], "sample": {"kind": "random", "points": 3, "seed": 1},
    },
    {"name": "t", "archs": ["zero_skip"], "traces": {"a": "sample:charlm_t0", "b": "charlm_t1e-6"}, "steps": ["0:9",
    "9:"]},
]  # fmt: skip
SPACE_WORDS = ("archs", "traces", "steps", "axes", "where", "sample", "kind", "grid", "latin_hypercube", "points",
"quality",
               "zero_skip", "dense", "sample:charlm_t0", "*.npz", "../*", "a/b.npz", "q.csv:x:min", "[", "**",
               "file:///x", "x://y")  # fmt: skip


def _space(rng: Random) -> bytes:
    seeds = [*SPACES, *_trees("sweeps")]
    return as_yaml(damaged_tree(rng.choice(seeds), rng, SPACE_WORDS), rng)


def _take_space(path: str) -> None:
    space = load_space(path)
    assert space.machines
    assert space.traces
    assert space.phases
    assert len(set(space.columns)) == len(space.columns)


# --- reports --------------------------------------------------------------------------------------------------


@cache
def _report() -> str:
    """The JSON of a small run."""
    from simulator.run import simulate

    with tempfile.TemporaryDirectory() as folder:
        path = synthetic_trace(Path(folder) / "a.npz", layers=1, hidden_size=4, input_size=3, sequence_length=2,
        batch_size=2,
                               steps=[1, 2], sparsity=0.5)  # fmt: skip
        return json.dumps(simulate(machine(memory={}), path).to_dict())


@cache
def _report_tree() -> Any:
    return json.loads(_report())


def _saved(rng: Random) -> bytes:
    return as_json(damaged_tree(_report_tree(), rng, ("cycles", "total", "macs", "by_product", "stalls")), rng)


def _take_saved(path: str) -> None:
    raw = Path(path).read_bytes()
    error: InputError | None = None
    try:
        report = read_report(path)
        if not zlib.crc32(raw) % 8:  # a page takes ten times as long
            page = run_page(report)
            assert page.count("<script") == 2
    except InputError as refusal:
        error = refusal
    subject = read_subject(path)  # less is asked of what is compared: it may take what a page cannot
    json.dumps([found.to_dict() for found in compare(subject, [subject])], allow_nan=False)
    if error is not None:
        raise error


# --- tables of results, stores --------------------------------------------------------------------------------

RESULTS = (
    b"key,status,arch,arch_digest,array.rows,trace,trace_sha256,steps,steps_replayed,cycles_total,time_us,cycles_dh,"
    b"stall_fill_cycles,energy_mac_pj,energy_total_pj,dram_read_bytes,dram_write_bytes,speedup,error\n"
    b"a1,ok,m,d1,4,one.npz,s1,0:9,9,100,50.0,90,10,3,60.5,7,8,1.5,\n"
    b"a2,ok,m,d2,8,one.npz,s1,0:9,9,80,70.0,80,0,3,40.25,7,8,2.5,\n"
    b"b1,ok,m,d1,4,two.npz,s2,0:9,9,10,5.0,10,0,3,4,7,8,1.0,\n"
    b',invalid,m,,32,two.npz,,,,,,,,,,,,,"no tile, that fits"\n',
)
OBJECTIVES = (Objective("cycles_total", "min"), Objective("speedup", "max"))


def _take_results(path: str) -> None:
    table = read_table(path)
    assert all(len(row) == len(table.columns) for row in table.rows)
    found = frontier(table, OBJECTIVES, per=("trace",))
    assert 1 <= len(found.kept) <= len(table.rows)
    for one in sensitivities(table, ["cycles_total"]):
        json.dumps(one.to_dict(), allow_nan=False)
    subject = read_subject(f"{path}:{table.rows[0].get('key', '')}")
    json.dumps(compare(subject, [subject])[0].to_dict(), allow_nan=False)
    if not zlib.crc32(Path(path).read_bytes()) % 8:
        assert sweep_page(table, "t").count("<script") == 2


STORED: list[Any] = [
    {"key": "a", "status": "ok", "cycles_total": 10, "time_us": 1.5, "error": None},
    {"key": "b", "status": "invalid", "error": "no tile"},
]


def _store(rng: Random) -> bytes:
    lines = [as_json(damaged_tree(rng.choice(STORED), rng, ("key", "status")), rng) for _ in range(rng.randrange(1, 4))]
    if rng.random() < 0.02:
        lines.append(rng.choice((b"[", b'{"a":')) * rng.choice((900, 5000, 100_000)))
    return b"\n".join(lines) + rng.choice((b"\n", b"\n", b"", b"\n\n"))


def _take_store(path: str) -> None:
    store = Store(Path(path).parent, Path(path).stem)
    for key in ("a", "b"):
        outcome = store.find(key)
        if outcome is not None:
            json.dumps(outcome, allow_nan=False)
            assert all(cell is None or isinstance(cell, str | int | float) for cell in outcome.values())


def _take_study(path: str) -> None:
    results = Results(Path(path).parent)
    for row in results.rows.values():
        json.dumps(row, allow_nan=False)


QUALITY = (b"trace,perplexity\na.npz,10.5\nb.npz,11\n",)


def _take_quality(path: str) -> None:
    quality = Quality.read(f"{Path(path).name}:perplexity:min", ["a.npz", "b.npz"], Path(path).parent)
    json.dumps(quality.joined({"trace": "b.npz"}), allow_nan=False)


PARAMETERS = (b"fc1,10,1,1,1,0\nconv2,in,8,3,3,1,1\nlstm3,4,1,1,1,0\n",)


def _take_parameters(path: str) -> None:
    layers = read_parameters(Path(path))
    assert len({layer.name for layer in layers}) == len(layers)
    assert all("/" not in layer.name for layer in layers)


FILES = (
    Surface("machine files", lambda rng: _file_of("machines", rng), _take_machine, lambda: shipped("machines"), 120_000,
            _ARCH, None, "m.yaml"),
    Surface("machines changed by --set", _overrides, _take_overrides, lambda: [b"array.rows=64\nskipping.depth=8"],
    100_000,
            _ARCH),
    Surface("energy tables", lambda rng: _file_of("energy", rng), _take_energy, lambda: shipped("energy"), 20_000,
            ("simulator.energy.table", "simulator.energy.rows", "simulator.energy.loading", *_ARCH), None, "e.yaml"),
    Surface("DRAM standards", lambda rng: _file_of("dram", rng), _take_dram, lambda: shipped("dram"), 100_000,
            ("simulator.arch.dram_standard", *_ARCH), None, "d.yaml"),
    Surface("CSV of SRAM energies", lambda rng: _lines_of(_csv("sram_cacti.csv"), rng), _take_sram,
    lambda: _csv("sram_cacti.csv"), 100_000,
            ("simulator.energy.sram", "traces.errors"), None, "s.csv"),
    Surface("CSV of skip logic", lambda rng: _lines_of(_csv("skip_logic.csv"), rng), _take_skip_logic,
    lambda: _csv("skip_logic.csv"), 100_000,
            ("simulator.energy.skip_logic", "traces.errors"), None, "l.csv"),
    Surface("spaces", _space, _take_space, lambda: [json.dumps(space).encode() for space in SPACES], 100_000,
            ("simulator.explore.space", "simulator.explore.axes", "simulator.explore.rules", *_ARCH), None, "s.yaml"),
    Surface("saved reports", _saved, _take_saved, lambda: [_report().encode()], 100_000,
            ("simulator.report.saved", "simulator.explore.subjects", "simulator.arch.problems", "traces.errors"),
            None, "report.json"),
    Surface("tables of results", lambda rng: _lines_of(RESULTS, rng), _take_results, lambda: RESULTS, 100_000,
            ("simulator.explore.rows", "simulator.explore.subjects", "simulator.explore.sensitivity",
            "traces.errors"), None,
            "results.csv"),
    Surface("lines of a store", _store, _take_store,
    lambda: [b"\n".join(json.dumps(o).encode() for o in STORED) + b"\n"], 120_000,
            ("simulator.explore.store", "traces.errors"), None, "a.jsonl"),
    Surface("results of a study", _store, _take_study, lambda: [json.dumps(STORED[0]).encode() + b"\n"], 100_000,
            ("simulator.study.results", "traces.errors"), None, "results.jsonl"),
    Surface("tables of quality", lambda rng: _lines_of(QUALITY, rng), _take_quality, lambda: QUALITY, 150_000,
            ("simulator.explore.rows", "simulator.explore.quality", "traces.errors"), None, "q.csv"),
    Surface("layers of a DNNsim folder", lambda rng: _lines_of(PARAMETERS, rng), _take_parameters, lambda: PARAMETERS,
    200_000,
            ("traces.dnnsim", "traces.errors"), None, "trace_params.csv"),
)  # fmt: skip

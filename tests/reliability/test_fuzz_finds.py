"""What fuzzing found wrong once, and what a stranger's file may try: each a test of its own."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract.threshold_policies import TARGET
from plain import plain_trace

from reliability.fuzzing.archives import Entry, npy, zipped
from reliability.fuzzing.files import _report
from reliability.readers import READERS, refusal
from simulator.arch import load_arch
from simulator.arch.document import LONGEST_BYTES, parse_document
from simulator.energy.loading import load_energy_table
from simulator.energy.skip_logic import read_skip_logic
from simulator.energy.sram import COLUMNS
from simulator.explore.axes import parse_axis
from simulator.explore.store import Store
from simulator.report.saved import read_report
from simulator.study.results import Results
from traces import Layer, Trace, TraceWriter
from traces.errors import InputError, Problem
from traces.matrix_files import read_mask
from traces.thresholds import from_mapping
from traces.thresholds.text import parse_policy

# --- zip ------------------------------------------------------------------------------------------------------

HEADER, MEMBERS = plain_trace.small_trace()


def trace_of(path: Path, *more: Entry) -> Path:
    raw = np.frombuffer(json.dumps(HEADER).encode(), np.uint8)
    entries = [Entry(f"{name}.npy".encode(), npy(array)) for name, array in {"header": raw, **MEMBERS}.items()]
    path.write_bytes(zipped([*entries, *more]))
    return path


@pytest.mark.parametrize(
    "name",
    ["../../outside.npy", "/etc/outside.npy", "..\\outside.npy", "C:outside.npy", "steps/../header.npy", "./header.npy",
     "header.npy/", "\u202eheader.npy", "hea\u0301der.npy", "HEADER.npy"],
)  # fmt: skip
def test_a_member_whose_name_is_a_path_trick_is_refused_and_written_nowhere(name: str, tmp_path: Path) -> None:
    within = tmp_path / "a" / "b"
    within.mkdir(parents=True)
    path = trace_of(within / "run.npz", Entry(name.encode(), npy(np.zeros(3, np.uint8)), flags=0x800))
    assert refusal(Trace, path)
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == [path]


def test_a_member_that_is_a_link_is_refused(tmp_path: Path) -> None:
    path = trace_of(tmp_path / "run.npz")
    info = zipfile.ZipInfo("steps/000003/lstm0/link.npy")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(info, "/etc/passwd")
    assert "link" in refusal(Trace, path)


def test_weights_that_unpack_to_far_more_are_refused_by_their_stated_shape(tmp_path: Path) -> None:
    zeros = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (2**36, 8)})
    packed = zeros.compress(head.getvalue() + bytes(2**20)) + zeros.flush()
    (tmp_path / "w.npz").write_bytes(zipped([Entry(b"lstm0.W.npy", head.getvalue(), packed=packed)]))
    told = refusal(READERS["weights"][1], tmp_path / "w.npz")
    assert "shape (68719476736, 8); expected shape (3, 5)" in told


@pytest.mark.parametrize("change", ["encrypted", "method", "patched", "header", "shape"])
def test_weights_that_numpy_cannot_read_are_refused(change: str, tmp_path: Path) -> None:
    entry = Entry(b"lstm0.W.npy", npy(np.eye(3, 5)))
    if change == "encrypted":
        entry.flags = 1
    elif change == "method":
        entry.method, entry.packed = 99, entry.data
    elif change == "patched":
        entry.flags = 0x20
    elif change == "header":
        entry.data = entry.data.replace(b"(3, 5), }", b"(3, 5),  ")
    else:
        entry.data = entry.data.replace(b"(3, 5), }" + b" " * 19, b"(3, 99999999999999999999), }")
    (tmp_path / "w.npz").write_bytes(zipped([entry]))
    assert "weights.file" in refusal(READERS["weights"][1], tmp_path / "w.npz")


def test_a_member_larger_than_any_that_is_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = trace_of(tmp_path / "run.npz")
    with Trace(path) as trace:
        monkeypatch.setattr("traces.archive.LARGEST_MEMBER_BYTES", 150)  # the masks have 36 bytes behind a head of 128
        with pytest.raises(InputError, match="164 bytes; expected at most 150"):
            trace.step(3)


class Bomb:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle was loaded",))


@pytest.mark.parametrize("name", ["m.npy", "m.npz", "w.npy", "w.npz"])
def test_pickles_in_matrices_and_weights_are_refused_without_loading_them(name: str, tmp_path: Path) -> None:
    array = np.array([Bomb()], dtype=object)
    with (tmp_path / name).open("wb") as file:
        if name.endswith("npy"):
            np.save(file, array)
        else:
            np.savez(file, **{"lstm0.W": array, "format": array, "shape": array, "data": array})
    read = read_mask if name.startswith("m") else READERS["weights"][1]
    assert refusal(read, tmp_path / name)


# --- matrices, at which scipy ends the process ----------------------------------------------------------------

IMPORT = "import sys; from pathlib import Path; from traces.matrix_files import read_mask; read_mask(Path(sys.argv[1]))"
GENERAL = b"%%MatrixMarket matrix coordinate real general\n% x\n4 5 3\n"
WHOLE = b"%%MatrixMarket matrix array integer general\n2 2\n1\n0\n0\n7"


@pytest.mark.parametrize(
    "text",
    [GENERAL + b"1 1 1.5\n2 3 -2\n4 5 0\x02", GENERAL + b"1 1 1.\x002 3 -2\n4 5 0\n",
    GENERAL + b"1 1 1.5\n2 3 -2\n4 5 0-1",
     WHOLE + b"\xb7", WHOLE + b" ", WHOLE[:-1] + b"%", WHOLE[:-4] + b"\n1e3", WHOLE[:-1] + b"0.5\n"],
)  # fmt: skip
def test_a_market_file_with_a_line_that_is_no_element_is_refused_and_ends_no_process(
    text: bytes, tmp_path: Path
) -> None:
    (tmp_path / "m.mtx").write_bytes(text)
    assert "is no element of the field" in refusal(read_mask, tmp_path / "m.mtx")


def test_an_index_pointer_that_falls_is_refused_and_ends_no_process(tmp_path: Path) -> None:
    parts = {"format": np.array(b"csc"), "shape": np.array([4, 4]), "data": np.ones(4), "indices": np.arange(4),
             "indptr": np.array([0, 2**31, 4, 2, 0])}  # fmt: skip
    np.savez(tmp_path / "m.npz", **parts)
    told = subprocess.run(
        [sys.executable, "-c", IMPORT, tmp_path / "m.npz"], capture_output=True, text=True, check=False
    )
    assert told.returncode == 1
    assert "an index pointer that falls" in told.stderr


def test_blocks_without_rows_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("scipy.sparse")
    parts = {"format": np.array(b"bsr"), "shape": np.array([4, 4]), "data": np.ones((4, 0, 2)),
             "indices": np.arange(4), "indptr": np.arange(5)}  # fmt: skip
    np.savez(tmp_path / "m.npz", **parts)
    assert "cannot be read" in refusal(read_mask, tmp_path / "m.npz")


@pytest.mark.parametrize("form", ["coo", "csr"])
def test_a_small_file_of_a_wide_matrix_takes_no_more_memory_than_its_mask(form: str, tmp_path: Path) -> None:
    import tracemalloc

    sparse = pytest.importorskip("scipy.sparse")
    wide = sparse.coo_matrix((np.ones(2, np.float32), ([0, 1], [5, 2**26 - 1])), shape=(2, 2**26)).asformat(form)
    sparse.save_npz(tmp_path / "m.npz", wide)
    tracemalloc.start()
    mask = read_mask(tmp_path / "m.npz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert mask.count() == 2
    assert mask.packed[0, 0, 0] == 1 << 5
    assert peak < 1.5 * mask.packed.nbytes


def test_a_tall_matrix_whose_packed_mask_is_too_large_is_refused(tmp_path: Path) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    sparse.save_npz(tmp_path / "m.npz", sparse.coo_matrix(([1], ([0], [0])), shape=(2**31, 1)))
    assert "at most" in refusal(read_mask, tmp_path / "m.npz")


def test_an_npy_head_that_does_not_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.npy").write_bytes(npy(np.eye(3)).replace(b"(3, 3), }", b"(3, 3),  "))
    assert "cannot be read" in refusal(read_mask, tmp_path / "m.npy")


# --- YAML -----------------------------------------------------------------------------------------------------

SAID = "name: x\nclock_mhz: {clock}\narray: {{rows: {rows}, columns: 4}}\n"
REST = """\
precision: {operand: fp16, accumulator: fp32}
skipping: {mechanism: dense}
memory: ideal
energy_table: cmos_45nm
"""


def machine_told(tmp_path: Path, rows: str = "4", clock: str = "500", more: str = "") -> str:
    (tmp_path / "m.yaml").write_text(SAID.format(rows=rows, clock=clock) + REST + more, encoding="utf-8")
    return refusal(load_arch, tmp_path / "m.yaml")


def test_a_billion_laughs_are_refused_at_the_first_anchor() -> None:
    lines = ['a0: &a0 "lol"'] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    problems = parse_document("\n".join(lines), "f.yaml").problems
    assert str(problems[0]).startswith("f.yaml:1:5 a0: found the anchor &a0")


def test_yaml_that_holds_itself_is_refused() -> None:
    problems = parse_document("a: &a {b: *a}", "f.yaml").problems
    assert [problem.found for problem in problems] == ["the anchor &a", "the alias *a"]


def test_a_merge_key_merges_nothing(tmp_path: Path) -> None:
    assert "unknown key '<<'" in machine_told(tmp_path, more="<<: {name: y}\n")


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system ['id']", "!!int '4'", "!!binary aGk=", "!x 4"])
def test_a_tag_is_refused_in_a_machine(tag: str, tmp_path: Path) -> None:
    assert "the tag" in machine_told(tmp_path, rows=tag)


def test_a_key_twice_is_refused_in_a_machine(tmp_path: Path) -> None:
    assert "the key 'name' again" in machine_told(tmp_path, more="name: y\n")


@pytest.mark.parametrize("rows", ["'4'", '"4"', "4.0", "4.5", "true", "[4]", "null", "1_000", "४", "4 "])
def test_a_number_as_anything_else_is_refused(rows: str, tmp_path: Path) -> None:
    if rows == "4 ":
        (tmp_path / "m.yaml").write_text(SAID.format(rows=rows, clock=1) + REST, encoding="utf-8")
        assert load_arch(tmp_path / "m.yaml").array.rows == 4
    else:
        assert "array.rows" in machine_told(tmp_path, rows=rows)


@pytest.mark.parametrize("clock", [".nan", ".inf", "-.inf", "1e999", "nan", "inf"])
def test_what_is_not_finite_is_refused_in_a_machine(clock: str, tmp_path: Path) -> None:
    assert "clock_mhz" in machine_told(tmp_path, clock=clock)


@pytest.mark.parametrize(
    "rows", ["0", "-1", "-9223372036854775808", "9223372036854775807", "9223372036854775808", "9" * 5000]
)
def test_sizes_beyond_any_machine_are_refused(rows: str, tmp_path: Path) -> None:
    assert "array.rows" in machine_told(tmp_path, rows=rows)


def test_a_line_of_a_quarter_megabyte_is_read_or_refused_in_time(tmp_path: Path) -> None:
    assert "name" in machine_told(tmp_path, more=f"name: {'x' * (LONGEST_BYTES - 300)}\n")


def test_names_that_look_alike_are_different_keys(tmp_path: Path) -> None:
    assert "unknown key" in machine_told(tmp_path, more="n\u0430me: y\n")  # a Cyrillic a
    assert not parse_document("é: 1\ne\u0301: 2", "f.yaml").problems


@pytest.mark.parametrize("key", ["\\e[31m", "\\n", "\\u202e", "\\x9b", "\\u2028", "\\r"])
def test_a_message_is_one_printable_line_whatever_a_key_holds(key: str, tmp_path: Path) -> None:
    told = machine_told(tmp_path, more=f'"{key}": 1\n')
    assert told.isprintable()
    assert "unknown key" in told


# --- tables, stores, policies ---------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["[" * 100_000, '{"a":' * 100_000, '{"key": "a", "x": NaN}',
'{"key": "a", "x": Infinity}',
                                  '{"key": "a", "x": 1e999}', '{"key": "a", "x": [1]}',
                                  '{"key": "a", "x": 1' + "0" * 400 + "}"])  # fmt: skip
def test_a_line_of_a_store_that_is_no_row_is_refused(line: str, tmp_path: Path) -> None:
    (tmp_path / "code.jsonl").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="an outcome"):
        Store(tmp_path, "code").find("a")


def test_a_result_of_a_study_that_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text("[" * 100_000 + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="a result"):
        Results(tmp_path)


def test_a_policy_inside_itself_four_hundred_times_is_refused() -> None:
    policy: dict[str, Any] = TARGET
    for _ in range(400):
        policy = {"kind": "warm_up", "steps": 1, "policy": policy}
    with pytest.raises(InputError, match="levels of nesting"):
        from_mapping(policy)


@pytest.mark.parametrize("number", ["1" + "0" * 400, "NaN", "Infinity", "-1", "1e999", '"1"', "true", "null"])
def test_a_threshold_that_is_no_finite_number_is_refused(number: str) -> None:
    with pytest.raises(InputError, match="threshold"):
        parse_policy(f'{{"kind": "fixed", "threshold": {number}}}')


@pytest.mark.parametrize("name", ["x" * 300 + ".csv", "a\\0b", "../" * 2000, "."])
def test_a_table_that_names_a_file_that_cannot_be_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(
        (load_text("cmos_45nm"))
        .replace("file: sram_cacti.csv", f'file: "{name}"')
        .replace("skip_logic.csv", f'"{name}"'),
        encoding="utf-8",
    )
    assert refusal(load_energy_table, tmp_path / "e.yaml")


def load_text(name: str) -> str:
    from simulator.arch import config_root

    return (config_root() / "energy" / f"{name}.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("line", ["# port_bits = " + "9" * 5000, ",".join(COLUMNS) + "\n" + "1" * 200_000])
def test_a_csv_of_endless_numbers_is_refused(line: str, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(line + "\n", encoding="utf-8")
    assert refusal(READERS["SRAM"][1], tmp_path / "s.csv")
    (tmp_path / "l.csv").write_text(line.replace("port_bits", "int32_adder") + "\n", encoding="utf-8")
    assert refusal(read_skip_logic, tmp_path / "l.csv")


def test_an_axis_of_steps_too_small_to_count_is_refused() -> None:
    for data in ({"from": 1.0, "to": 2.0, "step": 1e-320}, {"from": 1.0, "to": 1.0000000000000002, "step": 1e-17}):
        with pytest.raises(InputError):
            parse_axis("array.rows", data, lambda loc, _: ".".join(map(str, loc)))


def test_a_result_of_a_study_that_is_infinite_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text('{"key": "a", "time_us": 1.1e9995}\n', encoding="utf-8")
    assert "numbers finite" in refusal(Results, tmp_path)


@pytest.mark.parametrize(
    ("key", "name", "value"), [("mac_slots", "idle: imbalance", 10**400), ("dram_bytes", "read", -1)]
)
def test_counts_of_a_report_that_cannot_be_are_refused(key: str, name: str, value: int, tmp_path: Path) -> None:
    told = json.loads(_report())
    assert name in told[key]
    told[key][name] = value
    (tmp_path / "report.json").write_text(json.dumps(told), encoding="utf-8")
    assert f"{key}.{name}" in refusal(read_report, tmp_path / "report.json")


@pytest.mark.parametrize("name", ["", "/", ".."])
def test_a_trace_cannot_be_written_to_a_folder(name: str) -> None:
    header = {"layers": [Layer("l", "lstm", 1, 1, ("i", "f", "o", "g"))], "batch_size": 1, "sequence_length": 1}
    assert "a directory" in refusal(lambda path: TraceWriter(path, header), Path(name))


def test_an_empty_name_is_shown() -> None:
    assert str(Problem("", "a folder", "a file")) == "'': found a folder; expected a file"

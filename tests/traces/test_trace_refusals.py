"""What a trace file may not be: each case is refused by one clear `InputError`."""

from __future__ import annotations

import json
import tracemalloc
import zipfile

import numpy as np
import pytest
from plain import plain_trace
from plain.wrong_headers import WRONG_HEADERS, changed, layer

from traces import BitMask, InputError, Trace

HEADER, MEMBERS = plain_trace.small_trace()
MASK = "steps/000003/lstm0/gate_gradient"
GRU_MASK = "steps/000003/gru0/gate_gradient"
VALUES = "steps/000003/lstm0/gate_gradient_values"


def refusal(path):
    """Read a whole file and return the one message that refuses it."""
    with pytest.raises(InputError) as caught, Trace(path) as trace:
        list(trace)
    assert str(path) in str(caught.value)
    assert all(problem.found and problem.expected for problem in caught.value.problems)
    return str(caught.value)


def without(mapping, key):
    return {name: value for name, value in mapping.items() if name != key}


def test_a_missing_file_is_refused_with_the_nearest_name(tmp_path):
    plain_trace.save(tmp_path / "run.npz", HEADER, MEMBERS)
    message = refusal(tmp_path / "rum.npz")
    assert "no such file" in message
    assert "did you mean 'run.npz'?" in message
    assert "no such file" in refusal(tmp_path / "nowhere" / "run.npz")


def test_a_directory_is_refused(tmp_path):
    assert "a directory" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("content", "found"),
    [(b"", "an empty file"), (b"step,loss\n", "not a zip"), (b"\x93NUMPY\x01\x00", "not a zip")],
)
def test_a_file_that_is_no_zip_archive_is_refused(tmp_path, content, found):
    (tmp_path / "run.npz").write_bytes(content)
    assert found in refusal(tmp_path / "run.npz")


def test_a_truncated_file_is_refused(tmp_path):
    path = plain_trace.save(tmp_path / "run.npz", HEADER, MEMBERS)
    path.write_bytes(path.read_bytes()[:-30])
    assert "truncated or damaged" in refusal(path)


def test_a_foreign_npz_is_refused_by_its_members(tmp_path):
    path = plain_trace.save(tmp_path / "run.npz", None, {"weights": np.ones(3)})
    assert "without a 'header' (members: weights)" in refusal(path)


def test_an_archive_with_a_member_that_is_no_array_is_refused(tmp_path):
    path = plain_trace.save(tmp_path / "run.npz", HEADER, MEMBERS)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("notes.txt", "hello")
    assert "notes.txt: found a member that is no array" in refusal(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")  # zipfile warns of what this test makes
def test_a_member_that_occurs_twice_is_refused(tmp_path):
    path = plain_trace.save(tmp_path / "run.npz", HEADER, MEMBERS)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(MASK + ".npy", b"")
    assert "this member twice" in refusal(path)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


@pytest.mark.parametrize("name", ["header", MASK])
def test_pickled_objects_are_refused_without_loading_them(tmp_path, name):
    bomb = np.array([Bomb()], dtype=object)
    header = bomb if name == "header" else HEADER
    path = plain_trace.save(tmp_path / "run.npz", header, MEMBERS | ({} if name == "header" else {name: bomb}))
    assert f"{name}: found pickled Python objects, which are never loaded" in refusal(path)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (b"{", "not JSON"),
        (b"", "not JSON"),
        (b'{"format": "\xff"}', "not UTF-8"),
        (b"[1]", "found a list; expected a JSON object"),
        (b"null", "found null"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"format": "skipstone-trace", "format": "x"}', "the key 'format' twice"),
        (b'{"a": ' + b"1" * 5000 + b"}", "not JSON"),
        (np.zeros((2, 2), np.uint8), "shape (2, 2)"),
        (np.array(json.dumps(HEADER)), "dtype"),
        (np.zeros(5, np.int8), "dtype '|i1'"),
    ],
)
def test_a_header_that_is_no_json_object_is_refused(tmp_path, header, found):
    assert found in refusal(plain_trace.save(tmp_path / "run.npz", header, MEMBERS))


@pytest.mark.parametrize("key", ["format", "version", "layers", "batch_size", "sequence_length", "steps"])
def test_each_required_header_key_is_missed_by_name(tmp_path, key):
    message = refusal(plain_trace.save(tmp_path / "run.npz", without(HEADER, key), MEMBERS))
    assert key in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("key", ["name", "kind", "input_size", "hidden_size"])
def test_each_required_layer_key_is_missed_by_name(tmp_path, key):
    header = changed(layers=[without(HEADER["layers"][0], key), *HEADER["layers"][1:]])
    message = refusal(plain_trace.save(tmp_path / "run.npz", header, MEMBERS))
    assert f"layers[0].{key}: found nothing" in message


@pytest.mark.parametrize(
    ("version", "found"),
    [
        (2, "skipstone-trace version 2; expected version 1"),
        (0, "version 0"),
        ("1", "'1'"),
        (True, "True"),
        (1.5, "1.5"),
    ],
)
def test_an_unknown_version_is_refused_by_name(tmp_path, version, found):
    header = {"format": "skipstone-trace", "version": version}
    assert found in refusal(plain_trace.save(tmp_path / "run.npz", header, {}))


@pytest.mark.parametrize(("header", "found"), WRONG_HEADERS, ids=[found for _, found in WRONG_HEADERS])
def test_a_wrong_header_value_is_refused_where_it_stands(tmp_path, header, found):
    message = refusal(plain_trace.save(tmp_path / "run.npz", header, MEMBERS))
    assert found in message
    assert f"{tmp_path}/run.npz: header" in message


def test_every_problem_of_a_header_is_told_at_once(tmp_path):
    header = layer(0, kind="x", hidden_size=0)
    header["steps"][0]["loss"] = "x"
    assert len(refusal(plain_trace.save(tmp_path / "run.npz", header, MEMBERS)).splitlines()) == 3


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("steps/000004/lstm0/gate_gradient", "the step 000004"),
        ("steps/3/lstm0/gate_gradient", "the step 3"),
        ("steps/0000003/lstm0/gate_gradient", "the step 0000003"),
        ("steps/000003/lstm/gate_gradient", "the layer 'lstm'"),
        ("steps/000003/lstm0/gate_gradients", "did you mean 'gate_gradient'?"),
        ("steps/000003/lstm0/gate_gradient_hidden", "a tensor of a lstm layer"),
        ("steps/000003/top/hidden", "a tensor of a linear layer"),
        ("steps/000003/classifier/gate_gradient", "the layer 'classifier'"),
        ("steps/000003/lstm0/gate_gradient/more", "an unknown member"),
        ("weights", "an unknown member"),
    ],
)
def test_a_member_that_the_header_does_not_know_is_refused(tmp_path, name, found):
    path = plain_trace.save(tmp_path / "run.npz", HEADER, MEMBERS | {name: MEMBERS[MASK]})
    assert found in refusal(path)


def test_a_missing_gate_gradient_is_refused(tmp_path):
    path = plain_trace.save(tmp_path / "run.npz", HEADER, without(MEMBERS, MASK))
    assert f"{MASK}: found no such member" in refusal(path)


def set_padding(name, bit):
    array = MEMBERS[name].copy()
    array[0, 0, -1] |= 1 << bit
    return array


def set_padded_step(name, t, b):
    array = MEMBERS[name].copy()
    array[t, b, 0] |= 1
    return array


HALF = MEMBERS[VALUES].astype(np.float16)
WRONG_MEMBERS = [
    (MASK, MEMBERS[MASK].astype(np.int8), "dtype '|i1'; expected dtype uint8"),
    (MASK, MEMBERS[MASK].astype(bool), "dtype '|b1'"),
    (MASK, MEMBERS[MASK].astype(np.float32), "dtype '<f4'"),
    (MASK, np.zeros((4, 3, 3), [("a", "u1")]), "dtype [('a', '|u1')]"),
    (MASK, MEMBERS[MASK][:3], "shape (3, 3, 3); expected shape (4, 3, 3)"),
    (MASK, MEMBERS[MASK].reshape(-1), "shape (36,)"),
    (MASK, MEMBERS[MASK].swapaxes(0, 1), "shape (3, 4, 3)"),
    (MASK, np.zeros((4, 3, 4), np.uint8), "shape (4, 3, 4)"),
    (MASK, np.uint8(3), "shape ()"),
    (MASK, set_padding(MASK, 4), "padding bit"),
    (MASK, set_padding(MASK, 7), "padding bit"),
    (GRU_MASK, set_padded_step(GRU_MASK, 2, 1), "time step 2 of sequence 1, which has 2 time steps"),
    (GRU_MASK, set_padded_step(GRU_MASK, 0, 2), "time step 0 of sequence 2, which has 0 time steps"),
    ("steps/000003/lstm0/input", np.full((4, 3, 2), 255, np.uint8), "padding bit"),
    (VALUES, MEMBERS[VALUES].astype(np.float64), "dtype '<f8'; expected dtype float16 or float32"),
    (VALUES, MEMBERS[VALUES][:-1], "one value for each set bit"),
    (VALUES, np.append(HALF, np.float16(1)), "one value for each set bit"),
    (VALUES, MEMBERS[VALUES][None], "shape (1,"),
]


@pytest.mark.parametrize(("name", "array", "found"), WRONG_MEMBERS, ids=[found for *_, found in WRONG_MEMBERS])
def test_a_wrong_array_is_refused_by_its_member(tmp_path, name, array, found):
    message = refusal(plain_trace.save(tmp_path / "run.npz", HEADER, MEMBERS | {name: array}))
    assert found in message
    assert f"run.npz: {name}" in message


def test_a_hidden_side_gradient_beyond_the_end_of_a_sequence_is_refused(tmp_path):
    name = "steps/000003/gru0/gate_gradient_hidden"
    ones = BitMask.ones(4, 3, 24).packed
    assert "time step 2 of sequence 1" in refusal(plain_trace.save(tmp_path / "a", HEADER, MEMBERS | {name: ones}))


def test_an_input_mask_may_be_set_beyond_the_end_of_a_sequence(tmp_path):
    name = "steps/000003/lstm0/input"
    path = plain_trace.save(tmp_path / "a", HEADER, MEMBERS | {name: BitMask.ones(4, 3, 9).packed})
    with Trace(path) as trace:
        assert trace.step(3).layers["lstm0"].input.count() == 4 * 3 * 9


def npy_header(shape, descr="|u1"):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def replace_member(path, name, chunks, method=zipfile.ZIP_DEFLATED):
    """Write the small trace with one member given as raw bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        source = plain_trace.save(path.with_suffix(".source"), HEADER, MEMBERS)
        with zipfile.ZipFile(source) as original:
            for info in original.infolist():
                if info.filename != name + ".npy":
                    archive.writestr(info.filename, original.read(info))
        info = zipfile.ZipInfo(name + ".npy")
        info.compress_type = method
        with archive.open(info, "w") as member:
            for chunk in chunks:
                member.write(chunk)
    return path


@pytest.mark.parametrize("name", ["header", MASK, VALUES])
@pytest.mark.parametrize("honest", [True, False])
def test_a_zip_bomb_is_refused_without_decompressing_it(tmp_path, name, honest):
    # 80 MiB of zeros in 80 KB; the .npy header tells the truth about them, or the shape that would be right.
    size = 80 * 2**20
    shape, descr = (size,), "|u1"
    if not honest:
        shape = {"header": "(200,)", MASK: "(4, 3, 3)", VALUES: str(MEMBERS[VALUES].shape)}[name]
    if name == VALUES:
        shape, descr = (size // 4,) if honest else shape, "<f4"
    zeros = bytes(2**20)
    path = replace_member(tmp_path / "a", name, [npy_header(shape, descr), *[zeros] * (size // len(zeros))])
    assert path.stat().st_size < 200_000
    tracemalloc.start()
    try:
        message = refusal(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "expected" in message
    assert peak < 4 * 2**20


def test_a_member_shorter_than_its_declaration_is_refused(tmp_path):
    path = replace_member(tmp_path / "a", MASK, [npy_header("(4, 3, 3)"), bytes(35)])
    assert "found a member of 163 bytes; expected 164 bytes" in refusal(path)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "not in the .npy format"),
        (b"hello, world", "not in the .npy format"),
        (b"\x93NUMPY\x09\x00\x00\x00", "not in the .npy format"),
        (b"\x93NUMPY\x01\x00\x05\x00{1:2}", "unreadable .npy header"),
        (npy_header("(4, 3, 3)").replace(b"False", b"Maybe"), "unreadable .npy header"),
        (npy_header("(-4, 3, 3)"), "unreadable .npy header"),
        (npy_header("(" + "9" * 5000 + ",)"), "found"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\x7f", "an .npy header of 2147483647 bytes"),
    ],
)
def test_a_member_without_a_readable_declaration_is_refused(tmp_path, content, found):
    assert found in refusal(replace_member(tmp_path / "a", MASK, [content]))


def test_an_unusual_compression_method_is_refused(tmp_path):
    chunks = [npy_header("(4, 3, 3)"), bytes(36)]
    path = replace_member(tmp_path / "a", MASK, chunks, method=zipfile.ZIP_BZIP2)
    assert "compression method 12" in refusal(path)


def test_an_encrypted_member_is_refused(tmp_path):
    path = plain_trace.save(tmp_path / "run.npz", HEADER, MEMBERS)
    raw = bytearray(path.read_bytes())
    entry_start = raw.index(b"PK\x01\x02")
    raw[entry_start + 8] |= 1
    path.write_bytes(raw)
    assert "an encrypted member" in refusal(path)


def test_a_wrong_checksum_is_refused(tmp_path):
    path = plain_trace.save(tmp_path / "run.npz", HEADER, MEMBERS, compressed=False)
    raw = bytearray(path.read_bytes())
    data = MEMBERS[MASK].tobytes()
    raw[raw.index(data)] ^= 1
    path.write_bytes(raw)
    message = refusal(path)
    assert MASK in message
    assert "CRC" in message

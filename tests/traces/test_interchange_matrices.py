"""Matrices of other programs as traces, masks of products as matrices, and what is refused."""

from __future__ import annotations

import io
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from simulator.workload import lower
from traces import DenseLayer, InputError, Layer, Trace, synthetic_trace
from traces import matrix_files as files
from traces.interchange import export_matrix, import_matrix, product_mask

SUFFIXES = (".npy", ".mtx", ".npz")
LAYERS = (
    Layer("lstm0", "lstm", 9, 5, input_needs_gradient=True),
    Layer("gru1", "gru", 5, 3),
    Layer("out", "linear", 3, 11),
)


def needs_scipy(suffix: str) -> None:
    if suffix != ".npy":
        pytest.importorskip("scipy")


@pytest.fixture
def trace(tmp_path):
    path = synthetic_trace(
        tmp_path / "run.npz",
        layers=LAYERS,
        dense_layers=[DenseLayer("head", 11, 4)],
        sequence_length=4,
        batch_size=3,
        sparsity=0.6,
        hidden_sparsity=0.3,
        steps=[7, 9],
        valid_steps=[4, 0, 3],
    )
    with Trace(path) as opened:
        yield opened


masks = nps.arrays(np.bool_, st.tuples(st.integers(1, 20), st.integers(1, 20)))


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=40)
@given(mask=masks)
def test_a_mask_comes_back_as_it_was_written(tmp_path_factory, suffix, mask):
    needs_scipy(suffix)
    path = files.write_mask(tmp_path_factory.mktemp("matrix") / f"m{suffix}", mask)
    read = files.read_mask(path)
    assert read.shape == (1, *mask.shape)
    assert (read.unpack()[0] == mask).all()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=25)
@given(mask=masks, columns=st.integers(1, 9))
def test_import_of_an_export_gives_the_same_product(tmp_path_factory, suffix, mask, columns):
    needs_scipy(suffix)
    folder = tmp_path_factory.mktemp("trip")
    out = import_matrix(files.write_mask(folder / f"first{suffix}", mask), folder / "a.npz", columns)
    with Trace(out) as first:
        assert (product_mask(first, 0, "matrix", "dx") == mask).all()
        assert (product_mask(first, 0, "matrix", "dW") == mask.T).all()
        export_matrix(first, 0, "matrix", "dx", folder / f"second{suffix}")
        export_matrix(first, 0, "matrix", "dW", folder / f"third{suffix}")
    with Trace(import_matrix(folder / f"second{suffix}", folder / "b.npz", columns)) as again:
        assert (product_mask(again, 0, "matrix", "dx") == mask).all()
    with Trace(import_matrix(folder / f"third{suffix}", folder / "c.npz", columns)) as turned:
        assert (product_mask(turned, 0, "matrix", "dx") == mask.T).all()
    assert (folder / f"first{suffix}").read_bytes() == (folder / f"second{suffix}").read_bytes()


@pytest.mark.parametrize("dtype", ["?", "i1", "u8", "<f4", ">f4", "f8", "c8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_of_any_kind_and_order_are_taken(tmp_path, dtype, order):
    mask = np.random.default_rng(3).random((7, 13)) < 0.4
    np.save(tmp_path / "m.npy", np.asarray(mask.astype(dtype), order=order))
    assert (files.read_mask(tmp_path / "m.npy").unpack()[0] == mask).all()


def test_what_is_not_a_number_is_not_zero_and_negative_zero_is(tmp_path):
    np.save(tmp_path / "m.npy", np.array([[np.nan, np.inf, -0.0, 1e-45, 0.0]], np.float32))
    assert files.read_mask(tmp_path / "m.npy").unpack()[0].tolist() == [[True, True, False, True, False]]


def test_stated_zeros_and_sums_of_a_sparse_matrix_are_zeros(tmp_path):
    scipy_sparse = pytest.importorskip("scipy.sparse")
    (tmp_path / "m.mtx").write_text(
        "%%MatrixMarket matrix coordinate real symmetric\n% a remark\n3 3 3\n2 1 5.0\n3 3 0.0\n3 2 1\n"
    )
    expected = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], bool)
    assert (files.read_mask(tmp_path / "m.mtx").unpack()[0] == expected).all()
    (tmp_path / "d.mtx").write_text("%%MatrixMarket matrix array integer general\n2 2\n1\n0\n0\n4\n")
    assert (files.read_mask(tmp_path / "d.mtx").unpack()[0] == np.eye(2)).all()
    twice = scipy_sparse.coo_matrix(([2.0, -2.0, 3.0], ([0, 0, 1], [1, 1, 2])), shape=(2, 3))
    scipy_sparse.save_npz(tmp_path / "m.npz", twice)
    assert files.read_mask(tmp_path / "m.npz").unpack()[0].tolist() == [[False] * 3, [False, False, True]]


def test_rows_are_packed_a_part_at_a_time(tmp_path, monkeypatch):
    mask = np.random.default_rng(5).random((23, 9)) < 0.5
    np.save(tmp_path / "m.npy", mask)
    monkeypatch.setattr(files, "_ROWS_AT_ONCE_ELEMENTS", 40)
    assert (files.read_mask(tmp_path / "m.npy").unpack()[0] == mask).all()


@pytest.mark.parametrize("step", [7, 9])
def test_masks_of_products_are_those_that_the_simulator_lays_on_lanes(trace, step):
    seen = set()
    for product in lower(trace, trace.step(step)).products:
        if product.mask is None:
            continue
        mask = product_mask(trace, step, product.layer, product.name, product.time)
        expected = np.unpackbits(product.mask.packed, axis=1, count=product.mask.bits, bitorder="little").astype(bool)
        if product.mask.lanes_hold == "bits":
            expected = expected.T
        assert mask.shape == (product.m, product.k)
        assert (mask == expected).all(), (product.layer, product.name)
        seen.add((product.layer, product.name))
    assert len(seen) == 2 * 5 + 2  # gates_h, dh, dx, dW and dU of two layers; dx and dW of the linear one


def test_serial_products_without_a_time_are_those_of_all_times(trace):
    parts = [product_mask(trace, 7, "lstm0", "dh", time) for time in range(4)]
    assert [len(part) for part in parts] == [2, 2, 2, 1]
    assert (np.concatenate(parts) == product_mask(trace, 7, "lstm0", "dh")).all()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("lstm1", "dW", None), "no recorded layer 'lstm1'.*did you mean 'lstm0'"),
        (("head", "dW", None), "no recorded layer 'head'.*a dense layer has no recorded mask"),
        (("lstm0", "dh0", None), "no product 'dh0'; expected one of gates_x.*did you mean 'dh'"),
        (("lstm0", "y", None), "no product 'y'"),
        (("out", "dU", None), "no product 'dU'; expected one of y, dx, dW"),
        (("lstm0", "gates_x", None), r"no recorded mask of gates_x's operand \(input\)"),
        (("lstm0", "dW", 1), "time 1; expected a time for gates_h and dh alone"),
        (("lstm0", "dh", 4), "time 4; expected 0 to 3"),
        (("lstm0", "dh", -1), "time -1; expected 0 to 3"),
    ],
)
def test_a_product_that_is_not_there_is_refused(trace, asked, message):
    with pytest.raises(InputError, match=message):
        product_mask(trace, 7, *asked)


def test_a_step_that_is_not_there_or_all_padding_is_refused(trace, tmp_path):
    with pytest.raises(InputError, match="no step 8"):
        product_mask(trace, 8, "lstm0", "dW")
    path = synthetic_trace(
        tmp_path / "empty.npz", layers=LAYERS[2:], sequence_length=2, batch_size=2, sparsity=0.5, valid_steps=[0, 0]
    )
    with Trace(path) as empty, pytest.raises(InputError, match="no real row, only padding"):
        product_mask(empty, 0, "out", "dx")


def npy_bytes(array: np.ndarray, **options: bool) -> bytes:
    data = io.BytesIO()
    np.save(data, array, **options)
    return data.getvalue()


def claim(shape: str) -> bytes:
    """An .npy file that states a shape and has 8 bytes of data."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00v\x00" + text.encode() + bytes(8)


WRONG_NPY = {
    "empty file": (b"", "not in the .npy format"),
    "text": (b"1,2,3\n", "not in the .npy format"),
    "pickle": (pickle.dumps(np.ones((2, 2))), "not in the .npy format"),
    "objects": (npy_bytes(np.array([[1, None]], object), allow_pickle=True), "cannot be read"),
    "truncated header": (npy_bytes(np.ones((2, 2)))[:30], "cannot be read"),
    "truncated data": (npy_bytes(np.ones((40, 40)))[:-8], "cannot be read"),
    "a huge claim": (claim("(99999999, 99999999)"), "cannot be read|at most"),
    "a negative claim": (claim("(-1, 4)"), "cannot be read"),
    "code for a header": (claim("(__import__('os').getpid(), 1)"), "cannot be read"),
    "three axes": (npy_bytes(np.ones((2, 2, 2))), "an array of 3 axes"),
    "one axis": (npy_bytes(np.ones(4)), "an array of 1 axes"),
    "no rows": (npy_bytes(np.ones((0, 4))), "an empty matrix, 0 x 4"),
    "no columns": (npy_bytes(np.ones((4, 0))), "an empty matrix, 4 x 0"),
    "texts": (npy_bytes(np.array([["a"]])), "dtype <U1"),
    "records": (npy_bytes(np.zeros((1, 1), "i4,f4")), "dtype"),
    "dates": (npy_bytes(np.zeros((1, 1), "M8[s]")), r"dtype datetime64\[s\]"),
}


@pytest.mark.parametrize("case", WRONG_NPY)
def test_a_wrong_npy_is_refused(tmp_path, case):
    content, message = WRONG_NPY[case]
    path = tmp_path / "m.npy"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        import_matrix(path, tmp_path / "out.npz")
    assert [file.name for file in tmp_path.iterdir()] == ["m.npy"]


BANNER = "%%MatrixMarket matrix coordinate real general\n"
WRONG_MTX = {
    "empty file": ("", "cannot be read"),
    "no banner": ("3 3 1\n1 1 1\n", "cannot be read"),
    "too few entries": (BANNER + "3 3 9\n1 1 1\n", "states 9 entries|cannot be read"),
    "many claimed entries": (BANNER + "99999 9999 99999999\n1 1 1\n", "states 99999999 entries"),
    "huge sizes": (BANNER + "99999999999 99999999 1\n1 1 1\n", "a matrix of 99999999999 x 99999999"),
    "outside": (BANNER + "2 2 1\n3 1 1\n", "cannot be read"),
    "below": (BANNER + "2 2 1\n0 1 1\n", "cannot be read"),
    "words": (BANNER + "2 2 1\none 1 1\n", "cannot be read"),
    "no rows": (BANNER + "0 2 0\n", "an empty matrix, 0 x 2"),
    "binary": ("\x00\x01\x02" * 30, "cannot be read"),
}


@pytest.mark.parametrize("case", WRONG_MTX)
def test_a_wrong_mtx_is_refused(tmp_path, case):
    pytest.importorskip("scipy")
    text, message = WRONG_MTX[case]
    path = tmp_path / "m.mtx"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        import_matrix(path, tmp_path / "out.npz")
    assert [file.name for file in tmp_path.iterdir()] == ["m.mtx"]


def saved(path: Path, **members: np.ndarray) -> Path:
    np.savez(path, **members)
    return path


CSR = {
    "indices": np.array([0, 1], np.int32),
    "indptr": np.array([0, 1, 2], np.int32),
    "format": np.array(b"csr"),
    "shape": np.array([2, 2]),
    "data": np.ones(2),
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"indices": np.array([0, 7], np.int32)}, "cannot be read"),
        ({"indices": np.array([0, -1], np.int32)}, "cannot be read"),
        ({"indptr": np.array([0, 9, 2], np.int32)}, "cannot be read"),
        ({"format": np.array(b"nix")}, "cannot be read"),
        ({"shape": np.array([2, 0])}, "cannot be read|an empty matrix"),
        ({"shape": np.array([2, 2**40])}, "a matrix of 2 x|cannot be read"),
        ({"data": np.array([1, None], object)}, "cannot be read"),
        ({"data": None}, "cannot be read"),
        ({"format": None}, "an .npz file of something else"),
    ],
)
def test_a_wrong_sparse_npz_is_refused(tmp_path, change, message):
    pytest.importorskip("scipy")
    assert (files.read_mask(saved(tmp_path / "good.npz", **CSR)).unpack()[0] == np.eye(2)).all()
    members = {name: array for name, array in (CSR | change).items() if array is not None}
    path = saved(tmp_path / "m.npz", **members)
    with pytest.raises(InputError, match=message):
        files.read_mask(path)


def test_a_trace_an_archive_of_something_else_and_no_archive_are_told_apart(tmp_path, trace):
    pytest.importorskip("scipy")
    with pytest.raises(InputError, match="a Skipstone trace; expected a matrix"):
        files.read_mask(trace.path)
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("readme", "nothing")
    with pytest.raises(InputError, match="something else"):
        files.read_mask(tmp_path / "other.npz")
    (tmp_path / "no.npz").write_text("nothing")
    with pytest.raises(InputError, match="cannot be read"):
        files.read_mask(tmp_path / "no.npz")


@pytest.mark.parametrize("suffix", [".mtx", ".npz"])
def test_without_scipy_the_line_to_install_it_is_told(tmp_path, monkeypatch, suffix):
    for name in [name for name in sys.modules if name == "scipy" or name.startswith("scipy.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "scipy", None)
    path = tmp_path / f"m{suffix}"
    path.write_text("any")
    with pytest.raises(InputError, match=r"no scipy.*pip install 'skipstone\[interchange\]'"):
        files.read_mask(path)
    with pytest.raises(InputError, match=r"no scipy.*pip install 'skipstone\[interchange\]'"):
        files.write_mask(path, np.ones((1, 1), np.bool_))
    assert path.read_text() == "any"
    files.write_mask(tmp_path / "m.npy", np.ones((1, 1), np.bool_))
    assert files.read_mask(tmp_path / "m.npy").count() == 1


def test_other_suffixes_folders_and_missing_files_are_refused(tmp_path, trace):
    np.save(tmp_path / "matrix.npy", np.ones((2, 2)))
    with pytest.raises(InputError, match=r"no such file.*did you mean 'matrix\.npy'"):
        files.read_mask(tmp_path / "matrx.npy")
    with pytest.raises(InputError, match=r"the suffix '\.csv'; expected a matrix in a file that ends in \.npy"):
        files.read_mask(tmp_path / "matrix.csv")
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(InputError, match="a directory"):
        files.read_mask(tmp_path / "folder.npy")
    with pytest.raises(InputError, match=r"the suffix '\.csv'"):
        export_matrix(trace, 7, "lstm0", "dW", tmp_path / "m.csv")
    with pytest.raises(InputError, match="cannot be written"):
        export_matrix(trace, 7, "lstm0", "dW", tmp_path / "nowhere" / "m.npy")
    with pytest.raises(InputError, match="cannot be written"):
        export_matrix(trace, 7, "lstm0", "dW", tmp_path / "folder.npy")
    with pytest.raises(InputError, match="input_size: found 0"):
        import_matrix(tmp_path / "matrix.npy", tmp_path / "out.npz", columns=0)
    assert not (tmp_path / "out.npz").exists()
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


def test_a_matrix_that_is_too_large_is_refused(tmp_path, monkeypatch):
    np.save(tmp_path / "m.npy", np.ones((9, 9)))
    monkeypatch.setattr(files, "LARGEST_ELEMENTS", 80)
    with pytest.raises(InputError, match="a matrix of 9 x 9; expected at most 80 elements"):
        files.read_mask(tmp_path / "m.npy")


def test_the_same_matrix_gives_the_same_trace_bytes(tmp_path):
    np.save(tmp_path / "m.npy", np.eye(5))
    first = import_matrix(tmp_path / "m.npy", tmp_path / "a.npz").read_bytes()
    assert import_matrix(tmp_path / "m.npy", tmp_path / "b.npz").read_bytes() == first

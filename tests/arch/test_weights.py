"""Pruned weights: drawn ones, stored ones, and files that are not as they must be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from simulator.arch import Weights, load_arch
from traces.errors import InputError

MACHINE = """
name: small
clock_mhz: 800
precision: {operand: fp16, accumulator: fp32}
array: {rows: 1, columns: 4}
skipping: {mechanism: broadcast_fifo, pes: 4, depth: 8, weights: {file: masks/w.npz}}
memory: ideal
energy_table: cmos_45nm
"""


def unpacked(weights: Weights, name: str, positions: int, columns: int, folder: Path | None = None) -> np.ndarray:
    packed = weights.mask(name, positions, columns, folder)
    assert packed is not None
    return np.unpackbits(packed, axis=1, count=columns, bitorder="little").astype(bool)


def test_drawn_weights_have_their_density_and_a_stream_for_each_matrix() -> None:
    weights = Weights(density=0.1, seed=7)
    W, U = unpacked(weights, "lstm0.W", 300, 400), unpacked(weights, "lstm0.U", 300, 400)
    assert abs(W.mean() - 0.1) < 0.01
    assert not np.array_equal(W, U)
    assert np.array_equal(W, unpacked(Weights(density=0.1, seed=7), "lstm0.W", 300, 400))
    assert not np.array_equal(W, unpacked(Weights(density=0.1, seed=8), "lstm0.W", 300, 400))
    assert not unpacked(Weights(density=0), "lstm0.W", 3, 4).any()
    assert unpacked(Weights(density=1), "lstm0.W", 3, 4).all()


def test_a_transposed_weight_is_the_same_weight() -> None:
    weights = Weights(density=0.3)
    assert np.array_equal(unpacked(weights, "lstm0.W'", 20, 30), unpacked(weights, "lstm0.W", 30, 20).T)


@pytest.mark.parametrize("name", ["lstm0.x", "lstm0.h", "W.x", "lstm0."])
def test_activations_are_no_weights(name: str) -> None:
    assert Weights(density=0.5).mask(name, 4, 4) is None


def test_another_process_draws_the_same() -> None:
    script = "from simulator.arch import Weights; print(Weights(density=0.5).mask('a.W', 5, 40).tobytes().hex())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    own = Weights(density=0.5).mask("a.W", 5, 40)
    assert own is not None
    assert done.stdout.strip() == own.tobytes().hex()


@pytest.mark.parametrize("dtype", [np.bool_, np.float32, np.int8])
def test_stored_weights_keep_what_is_not_zero(tmp_path: Path, dtype: type) -> None:
    values = (np.random.default_rng(0).random((6, 10)) < 0.4).astype(dtype)
    np.savez(tmp_path / "w.npz", **{"lstm0.W": values})
    np.save(tmp_path / "w.npy", values)
    for file in ("w.npz", "w.npy"):
        assert np.array_equal(unpacked(Weights(file=file), "lstm0.W", 6, 10, tmp_path), values != 0)
        assert np.array_equal(unpacked(Weights(file=file), "lstm0.W'", 10, 6, tmp_path), values.T != 0)


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    import os

    file = tmp_path / "w.npy"
    np.save(file, np.ones((2, 3)))
    assert unpacked(Weights(file=str(file)), "a.W", 2, 3).all()
    np.save(file, np.zeros((2, 3)))
    os.utime(file, ns=(1, 1))
    assert not unpacked(Weights(file=str(file)), "a.W", 2, 3).any()


def test_files_that_are_not_as_they_must_be_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", **{"lstm0.W": np.ones((6, 10)), "text.W": np.array([["x"]])})
    (tmp_path / "broken.npz").write_bytes((tmp_path / "w.npz").read_bytes()[:100])
    (tmp_path / "empty.npy").write_bytes(b"")
    np.save(tmp_path / "pickled.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    for file, name, said in (
        ("w.npz", "lstm0.U", r"no array 'lstm0.U' among lstm0.W, text.W; .*did you mean 'lstm0.W'"),
        ("w.npz", "zzz.U", r"no array 'zzz.U'.*hint: an array of ones"),
        ("w.npz", "lstm0.W'", r"lstm0.W: found shape \(6, 10\); expected shape \(10, 6\)"),
        ("w.npz", "text.W", r"text.W: found dtype <U1; expected bools or numbers"),
        ("nowhere.npz", "lstm0.W", r"nowhere.npz: found No such file"),
        ("broken.npz", "lstm0.W", r"broken.npz: found .*expected a .npz file"),
        ("empty.npy", "lstm0.W", r"empty.npy: found .*expected a .npz file"),
        ("pickled.npy", "lstm0.W", r"pickled.npy: found .*expected a .npz file"),
        (".", "lstm0.W", r"found .*expected a .npz file"),
    ):
        shape = (1, 1) if name == "text.W" else (6, 10)
        with pytest.raises(InputError, match=said):
            Weights(file=file).mask(name, *shape, tmp_path)


def test_a_machines_weights_are_found_beside_its_file(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    mask = np.eye(4, dtype=bool)
    np.savez(tmp_path / "masks" / "w.npz", **{"lstm0.W": mask})
    (tmp_path / "m.yaml").write_text(MACHINE)
    arch = load_arch(tmp_path / "m.yaml")
    assert arch.to_dict()["skipping"]["weights"] == {"file": "masks/w.npz", "density": None, "seed": 0}
    assert np.array_equal(unpacked(arch.skipping.weights, "lstm0.W", 4, 4, arch.folder), mask)  # type: ignore[attr-defined]
    assert arch.replaced("array.rows", 1) == arch

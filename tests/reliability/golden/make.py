"""Makes the golden files that are not there yet: `PYTHONPATH=tests:. python -m reliability.golden.make`.

A golden file is never made again: it is what this version or another program wrote once, and stays readable for ever.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from plain import plain_trace
from plain.cases import machine

from reliability.golden import DIGESTS, FOLDER, digest_of_bytes, digest_of_table, digest_of_trace
from simulator.explore import Space, run_sweep
from simulator.run import simulate
from traces import DenseLayer, Layer, TraceWriter, synthetic_trace

LOOKAHEAD = {"mechanism": "lookahead", "depth": 8, "refill": 4, "banks": 2}
SIZES: dict[str, Any] = {"input_size": 4, "hidden_size": 6, "sequence_length": 3, "batch_size": 2}


def _by_the_writer(path: Path) -> None:
    header, members = plain_trace.small_trace(seed=1)
    layers = [Layer(one["name"], one["kind"], one["input_size"], one["hidden_size"]) for one in header["layers"]]
    shapes = {"batch_size": header["batch_size"], "sequence_length": header["sequence_length"]}
    with TraceWriter(
        path,
        {
            "layers": layers,
            "dense_layers": [DenseLayer("classifier", 3, 65)],
            "policy": {"kind": "fixed", "threshold": 1e-6},
            "training": {"total_steps": 500, "steps_per_epoch": 60},
            "task": "golden",
            "seed": 1,
            **shapes,
        },
    ) as writer:
        for entry in header["steps"]:
            tensors: dict[str, dict[str, Any]] = {layer.name: {} for layer in layers}
            for name, array in members.items():
                _, step, layer_name, tensor = name.split("/")
                if int(step) == entry["step"]:
                    layer = next(one for one in layers if one.name == layer_name)
                    bits = layer.mask_bits.get(tensor)
                    tensors[layer_name][tensor] = array if bits is None else _unpacked(array, bits)
            writer.add_step(entry["step"], tensors, loss=entry["loss"], valid_steps=entry.get("valid_steps"))
        writer.append_curve(step=3, train_loss=2.5)


def _unpacked(packed: Any, bits: int) -> Any:
    return np.unpackbits(packed, axis=-1, count=bits, bitorder="little").astype(bool)


def _of_minor_fields(path: Path) -> None:
    """Fields that a later version may add, at every place where there may be one."""
    header, members = plain_trace.small_trace(seed=2)
    header["later"] = {"of": ["the", {"header": None}], "number": 1e300}
    for where in (*header["layers"], *header["dense_layers"], *header["steps"], header["policy"]):
        where["later"] = {"nested": [1, 2.5, True, None, "中"]}
    header["curve"] = {"step": [3, 120], "later": [None, 0.5]}
    header["training"] = {"total_steps": 200, "later": 7}
    plain_trace.save(path, header, members)


def _of_other_orders(path: Path) -> None:
    """Members in Fortran order, big-endian values of float16, a step number of seven digits."""
    header, members = plain_trace.small_trace(seed=3)
    header["steps"][1]["step"] = 1_000_120
    changed = {}
    for name, array in members.items():
        other = np.asfortranarray(array) if array.dtype == np.uint8 else array.astype(">f2")
        changed[name.replace("steps/000120", "steps/1000120")] = other
    plain_trace.save(path, header, changed)


def _zipped(path: Path, seed: int, put: Callable[[dict[str, bytes], Path], None]) -> None:
    header, members = plain_trace.small_trace(seed=seed)
    raw = {"header": np.frombuffer(json.dumps(header).encode(), np.uint8), **members}
    files = {}
    for name, array in raw.items():
        told = io.BytesIO()
        np.lib.format.write_array(told, array, allow_pickle=False)
        files[f"{name}.npy"] = told.getvalue()
    put(files, path)


def _by_pythons_zipfile(files: dict[str, bytes], path: Path) -> None:
    """The header last, clocks, ZIP64 fields, levels and methods side by side."""
    with zipfile.ZipFile(path, "w") as archive:
        for index, name in enumerate(sorted(files, reverse=True)):
            one = zipfile.ZipInfo(name, date_time=(2024, 2, 29, 12, 30, 58))
            one.compress_type = zipfile.ZIP_DEFLATED if index % 2 else zipfile.ZIP_STORED
            with archive.open(one, "w", force_zip64=index % 3 == 0) as file:
                file.write(files[name])


class _Pipe(io.RawIOBase):
    """What cannot be sought in: zipfile then writes sizes behind the data."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return int(self._file.write(data))


def _into_a_pipe(files: dict[str, bytes], path: Path) -> None:
    with path.open("wb") as file, zipfile.ZipFile(_Pipe(file), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def _by_info_zip(files: dict[str, bytes], path: Path) -> None:
    folder = path.with_suffix(".folder")
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    words = ["zip", "-q", "-r", "-D", "-9", str(path), "."]
    subprocess.run(words, cwd=folder, check=True)
    shutil.rmtree(folder)


TRACES: dict[str, Callable[[Path], None]] = {
    "trace_writer": _by_the_writer,
    "trace_savez": lambda path: plain_trace.save(path, *plain_trace.small_trace(seed=4), compressed=False) and None,
    "trace_savez_compressed": lambda path: plain_trace.save(path, *plain_trace.small_trace(seed=5)) and None,
    "trace_minor_fields": _of_minor_fields,
    "trace_other_orders": _of_other_orders,
    "trace_python_zipfile": lambda path: _zipped(path, 6, _by_pythons_zipfile),
    "trace_pipe": lambda path: _zipped(path, 7, _into_a_pipe),
    "trace_info_zip": lambda path: _zipped(path, 8, _by_info_zip),
}


def _report(path: Path, **settings: Any) -> None:
    part = path.with_suffix(".part")
    trace = synthetic_trace(part, layers=2, steps=[3, 7], sparsity=0.8, **SIZES)
    memory: Any = settings.pop("memory", {})
    arch = machine(name="golden", skipping=LOOKAHEAD, memory=memory)
    path.write_text(simulate(arch, trace, **settings).to_json(), encoding="utf-8")
    part.unlink()


REPORTS: dict[str, Callable[[Path], None]] = {
    "report": _report,
    "report_alone": lambda path: _report(path, baseline=False),
    "report_ideal_memory": lambda path: _report(path, memory="ideal"),
}


def _table(path: Path) -> None:
    folder = path.with_suffix(".folder")
    folder.mkdir()
    synthetic_trace(folder / "run.npz", steps=[1], **SIZES)
    shutil.copy(FOLDER / "machine.yaml", folder)
    space = {"name": "golden", "archs": ["machine.yaml"], "traces": ["run.npz"], "axes": {"skipping.depth": [4, 0, 8]}}
    run_sweep(Space.parse(space, folder), folder / "out", workers=1)
    shutil.copy(folder / "out" / "results.csv", path)
    shutil.rmtree(folder)


def main() -> None:
    """Make what is missing."""
    kinds = (
        (TRACES, ".npz", digest_of_trace),
        (REPORTS, ".json", digest_of_bytes),
        ({"rows": _table}, ".csv", digest_of_table),
    )
    digests = json.loads(DIGESTS.read_text(encoding="utf-8")) if DIGESTS.exists() else {}
    for makers, suffix, digest in kinds:
        for name, make in makers.items():
            path = FOLDER / f"{name}{suffix}"
            if path.exists():
                print(f"{path.name}: is there", file=sys.stderr)
                continue
            make(path)
            digests[path.name] = {"file": digest_of_bytes(path), "read": digest(path)}
    DIGESTS.write_text(json.dumps(digests, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""What whoever mends a bug needs: a folder that replays the run which contradicted the model.

It stands in the working folder, where it cannot be overlooked, or where that cannot be written to in the folder for
temporary files. It is written whole or not at all, once for each violation, and only so many of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.arch import Architecture
from simulator.arch.yaml_loader import is_path
from simulator.engine import EngineName, InvariantError
from traces import Trace
from traces.version import __version__

PREFIX = "skipstone-bug-"
MOST_FOLDERS = 16
"""In one place; a sweep of thousands of points that all fail has no more to say."""
LARGEST_TRACE_BYTES = 4 << 20
"""A trace up to this size is copied; of a larger one, path and digest are told."""
_PACKAGES = ("numpy", "numba", "simpy", "pydantic", "PyYAML", "pandas")
_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "NUMBA_DISABLE_JIT", "PYTHONHASHSEED")


@dataclass(frozen=True)
class FailedRun:
    """What was run.

    Attributes
    ----------
    machine : Architecture
        Resolved, so that no ``--set`` is needed.
    trace : Trace
    steps : sequence of int
        Recorded steps: the one that failed, or all where the whole run did.
    engine : str
    baseline : bool
        Whether dense twin and bound are needed to see it.
    """

    machine: Architecture
    trace: Trace
    steps: Sequence[int]
    engine: EngineName = "compiled"
    baseline: bool = False

    def command(self, trace_file: str) -> str:
        """The command line that replays it in the reproducer's folder."""
        words = ["simulate", "--arch", "machine.yaml", "--trace", trace_file]
        words += ["--steps", f"{self.steps[0]}:{self.steps[-1] + 1}", "--engine", self.engine]
        return shlex.join(words + ([] if self.baseline else ["--no-baseline"]))


@contextmanager
def reproducible(run: FailedRun) -> Iterator[None]:
    """Write what reproduces a violation that is found within, and name the folder in the error."""
    try:
        yield
    except InvariantError as error:
        if not error.bundle:
            if not error.place and len(run.steps) == 1:
                error.place = f"step {run.steps[0]}"
            error.bundle = str(write_reproducer(error, run) or "")
        raise


def write_reproducer(error: InvariantError, run: FailedRun) -> Path | None:
    """Write the folder of a violation, if there is none of it yet.

    Returns
    -------
    Path or None
        The folder; None where none could be written, or enough of them are there: what the error says is all then.
    """
    import shutil
    import tempfile

    sha256 = run.trace.sha256
    what = (error.invariant, error.place, error.found, run.machine.digest, sha256, list(run.steps), run.engine)
    name = PREFIX + hashlib.sha256(repr(what).encode()).hexdigest()[:12]
    for place in (Path.cwd(), Path(tempfile.gettempdir())):
        folder, partial = place / name, place / f".{uuid.uuid4().hex}.partial"
        if folder.exists():
            return folder
        try:
            if sum(1 for _ in place.glob(f"{PREFIX}*")) >= MOST_FOLDERS:
                return None
            partial.mkdir()
            _fill(partial, error, run)
            partial.rename(folder)
        except OSError:
            shutil.rmtree(partial, ignore_errors=True)
            if folder.exists():  # another process was quicker
                return folder
            continue
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        return folder
    return None


def _fill(folder: Path, error: InvariantError, run: FailedRun) -> None:
    trace_file = _copied(run.trace, folder)
    told: dict[str, Any] = {
        "invariant": error.invariant,
        "place": error.place,
        "found": error.found,
        "reproduce": f"in this folder: {run.command(trace_file)}",
        "command_line": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "machine": {"name": run.machine.name, "digest": run.machine.digest},
        "trace": {"file": trace_file, "sha256": run.trace.sha256, "seed": run.trace.header.get("seed")},
        "steps": list(run.steps),
        "engine": run.engine,
        "versions": dict(_versions()),
        "environment": {name: os.environ[name] for name in _SETTINGS if name in os.environ},
    }
    _write(folder / "machine.yaml", _resolved(run.machine))
    _write(folder / "reproducer.json", told)


def _copied(trace: Trace, folder: Path) -> str:
    """Copy a small trace, and give its name as the folder's command line says it."""
    import shutil

    path = Path(trace.path)
    if path.stat().st_size <= LARGEST_TRACE_BYTES:
        copy = folder / "trace.npz"
        shutil.copyfile(path, copy)
        with copy.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == trace.sha256:
                return copy.name
        copy.unlink()  # it is another file by now
    return str(path.resolve())


def _resolved(machine: Architecture) -> dict[str, Any]:
    """Give a machine as data, with the files that it names by their whole paths."""
    data = machine.to_dict()
    skipping, memory = data["skipping"], data["memory"]
    named = [(data, "energy_table")]
    named += [(memory["dram"], "timing")] if isinstance(memory, dict) else []
    named += [(skipping["weights"], "file")] if isinstance(skipping.get("weights"), dict) else []
    for owner, key in named:
        name = owner.get(key)
        for start in (machine.folder, Path.cwd()):
            if name and is_path(name) and start is not None and (start / name).is_file():
                owner[key] = str((start / name).resolve())
                break
    return data


def _versions() -> Iterator[tuple[str, str]]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    yield "skipstone", __version__
    yield "python", platform.python_version()
    yield "system", f"{platform.system()} {platform.machine()}"
    for package in _PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            continue


def _write(path: Path, data: Mapping[str, Any]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())

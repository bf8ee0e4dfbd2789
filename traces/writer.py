"""Recording: a trace file that is complete whenever it can be seen.

Members are appended, compressed, to a hidden file beside the trace, `.NAME.partial`. A checkpoint copies that
file as it is, ends the copy with header and directory, syncs it and renames it to the trace's own name; so a
recording that is killed at any moment leaves its last checkpoint and at most hidden files that the next
writer of the same trace replaces.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from traces import statistics
from traces.archive import ArchiveReader, Array, Member, append, check_size, directory, encode, end_of
from traces.bitmask import BitMask
from traces.errors import InputError, Problem, nearest
from traces.header import Header, check_header, encode_header, plain, refuse, valid_steps
from traces.records import Floats, Step, make_record, member_name, read_header, read_step
from traces.regular_files import in_place_of_file
from traces.schema import FORMAT, VERSION, entry_problems, training_problems
from traces.version import __version__
from traces.whole_file import sync_folder

FILE_EXPECTED = "the name of a trace file (.npz)"
_CHECKPOINT_SHARE = 20
"""Timed checkpoints may take one part in so many of the running time, however large the trace becomes."""


class TraceWriter:
    """Write a trace file, step by step; a context manager.

    When the context is left, also by an exception or Ctrl-C, the steps recorded until then are written as a
    complete trace. (Left by an exception before any step was added, it leaves the folder as it was.) The same
    content gives the same bytes, however many checkpoints or resumptions there were.

    Parameters
    ----------
    path : str or path-like
        The file to write. An existing file is replaced at the first checkpoint.
    header : dict
        ``layers`` (`Layer` or dict), ``batch_size`` and ``sequence_length``, and what else is known of the
        run; ``format``, ``version``, ``steps`` and ``created_by`` are filled in. Numpy values are converted;
        a number that is not finite becomes null.
    checkpoint_every_seconds : float or None
        Least time between two checkpoints that `add_step` makes by itself. They are spaced further where
        they would take more than a twentieth of the running time. 0: after every step; None: never.

    Raises
    ------
    InputError
        Where the header is not correct, the file cannot be written, or another process is writing it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        header: Mapping[str, Any],
        checkpoint_every_seconds: float | None = 60.0,
    ) -> None:
        where = f"{path}: header"
        data = plain(header, where)
        if data.get("steps"):
            raise InputError.of(f"{where} steps", "steps", "none: they are added one by one")
        versions = {"skipstone": __version__, "numpy": np.__version__, "python": platform.python_version()}
        created_by = data.get("created_by") or {}
        if not isinstance(created_by, dict):
            raise InputError.of(f"{where} created_by", repr(created_by), "an object of program versions")
        fixed = {"format": FORMAT, "version": VERSION, **data, "steps": []}
        fixed["created_by"] = {**versions, **created_by}
        self._begin(Path(path), check_header(fixed, where), checkpoint_every_seconds)

    @classmethod
    def resume(cls, path: str | os.PathLike[str], checkpoint_every_seconds: float | None = 60.0) -> TraceWriter:
        """Continue an existing trace: its members are checked and kept bit for bit, its header extended."""
        writer = cls.__new__(cls)
        archive = ArchiveReader(Path(path))
        try:
            header = read_header(archive)
            writer._begin(Path(path), header, checkpoint_every_seconds)
            try:
                for number in header.entries:
                    read_step(archive, header, number)
                for name in archive.names:
                    if name != "header":
                        writer._append(*archive.copy(name))
            except BaseException:
                writer._discard()
                raise
        finally:
            archive.close()
        writer._changed = False
        return writer

    def _begin(self, path: Path, header: Header, checkpoint_every_seconds: float | None) -> None:
        if not path.name:  # "" and "/": nothing can lie beside it
            raise InputError.of(str(path), "a directory", FILE_EXPECTED)
        self.path = path
        self._header = header
        self._data = dict(header.data)
        self._entries = dict(header.entries)
        self._members: list[Member] = []
        self._every_seconds = checkpoint_every_seconds
        self._changed = True  # whether the file at `path` lacks anything
        self._partial_path = path.with_name(f".{path.name}.partial")
        self._copy_path = path.with_name(f".{path.name}.checkpoint")
        self._partial = _lock(self._partial_path, path)
        self._copy_path.unlink(missing_ok=True)  # left by a writer that was killed
        self._renamed = False
        self._checkpoint_seconds = 0.0
        self._checkpoint_end = time.monotonic()

    def __enter__(self) -> TraceWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not (self._entries and self._changed):
            self._discard()
        else:
            self.close()

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps recorded until now, ascending."""
        return tuple(sorted(self._entries))

    def entry(self, number: int) -> dict[str, Any]:
        """Return the header's entry of a step that was recorded."""
        return self._entries[number]

    @property
    def header(self) -> dict[str, Any]:
        """The header as it would be written now."""
        return {**self._data, "steps": [self._entries[number] for number in self.steps]}

    def add_step(self, number: int, layers: Mapping[str, Mapping[str, Any]], **info: Any) -> None:
        """Record one optimiser step.

        Parameters
        ----------
        number : int
            The optimiser step; each at most once.
        layers : dict of dict
            For every layer of the header its tensors by name: masks (``gate_gradient``, ``input``,
            ``hidden``, ``gate_gradient_hidden``) as `BitMask` or bool [T, B, bits], and
            ``gate_gradient_values`` as float16 or float32 [nnz]. A None is left out.
        **info
            The rest of the step's entry in the header, such as ``loss`` and ``valid_steps``. ``sparsity`` is
            measured from the masks unless it is given.

        Raises
        ------
        InputError
            Where a tensor is missing, unknown or not of the header's shapes, or the step cannot be written; then
            nothing of it is recorded.
        """
        where = f"{self.path}: step {number}"
        self._check_open()
        entry = plain({"valid_steps": None, **info, "step": number}, where)
        names = [layer.name for layer in self._header.layers] + [dense.name for dense in self._header.dense_layers]
        refuse(entry_problems(entry, self._header.batch_size, self._header.sequence_length, where, names))
        number = entry["step"]
        refuse(training_problems(self._data.get("training"), number, f"{where}: header training"))
        if number in self._entries:
            raise InputError.of(where, "a step that is already recorded", "each step once")
        known = {layer.name: layer for layer in self._header.layers}
        problems = [
            Problem(f"{where}: {name}", "an unknown layer", f"{', '.join(known)}", nearest(str(name), known))
            for name in layers
            if name not in known
        ]
        problems += [Problem(f"{where}: {name}", "no tensors", "a mask") for name in known if name not in layers]
        refuse(problems)
        records = {
            name: make_record(layers[name], layer, self._header, valid_steps(entry, name), f"{where}: {name}")
            for name, layer in known.items()
        }
        if entry.get("sparsity") is None:
            step = Step(number, entry, valid_steps(entry), records)
            entry["sparsity"] = statistics.step_sparsity(step, self._header.layers)
        arrays = [
            (member_name(number, name, tensor), _array(value))
            for name, record in records.items()
            for tensor, value in record.tensors.items()
        ]
        for member, array in arrays:
            check_size(member, array)
        self._write(arrays)
        self._entries[number] = entry
        self._changed = True
        self._checkpoint_if_due()

    def set_curve(self, curve: Mapping[str, Any]) -> None:
        """Set the training curve: lists by column name (``step``, ``train_loss``, ``valid_loss``)."""
        self._check_open()
        self._set_data({**self._data, "curve": plain(curve, f"{self.path}: header curve")})

    def append_curve(self, **values: float | None) -> None:
        """Append a point to the training curve; columns not named get a null, so that all stay aligned."""
        curve = {name: list(column) for name, column in (self._data.get("curve") or {}).items()}
        length = max(map(len, curve.values()), default=0)
        for name in {**curve, **values}:
            column = curve.setdefault(name, [])
            column += [None] * (length - len(column)) + [values.get(name)]
        self.set_curve(curve)

    def update_header(self, **values: Any) -> None:
        """Set free header keys (a corpus, a final score); those that describe shapes or steps are fixed."""
        self._check_open()
        where = f"{self.path}: header"
        fixed = {"format", "version", "layers", "dense_layers", "batch_size", "sequence_length", "steps"}
        for key in fixed & set(values):
            raise InputError.of(f"{where} {key}", "a change of this key", "the value it was opened with")
        self._set_data({**self._data, **plain(values, where)})

    def checkpoint(self) -> None:
        """Make the file at `path` a complete trace of the steps recorded until now, and go on."""
        self._check_open()
        start = time.monotonic()
        with _writing(self.path):
            self._partial.flush()
            with self._copy_path.open("wb") as copy:
                with self._partial_path.open("rb") as source:
                    shutil.copyfileobj(source, copy, 2**20)
                self._finish(copy)
            self._replace(self._copy_path)
        self._checkpoint_end = time.monotonic()
        self._checkpoint_seconds = self._checkpoint_end - start

    def close(self) -> None:
        """Write the complete trace and end the recording; closing it twice does no harm."""
        if self._partial.closed:
            return
        try:
            with _writing(self.path):
                self._finish(self._partial)
                self._replace(self._partial_path)
                self._renamed = True
        finally:
            self._discard()

    def _write(self, arrays: Sequence[tuple[str, Array]]) -> None:
        """Write the members of a step, all or none.

        They are compressed here and now. In a thread beside the next training step it took longer: a BLAS that has all
        cores waits for the one that is busy with something else.
        """
        count = len(self._members)
        try:
            for name, array in arrays:
                self._append(*encode(name, array, runs_only=True))
        except BaseException:
            del self._members[count:]  # what is in the file of them is overwritten by what comes next
            raise

    def _append(self, member: Member, data: bytes) -> None:
        with _writing(self.path):
            offset = self._end
            self._partial.seek(offset)
            written = append(self._partial, member, data, offset)
        self._members.append(written)

    @property
    def _end(self) -> int:
        """Offset behind the last complete member."""
        return end_of(self._members[-1]) if self._members else 0

    def _finish(self, file: IO[bytes]) -> None:
        """End the archive in `file`, which holds the members: header, directory, sync."""
        raw = np.frombuffer(encode_header(self.header), np.uint8)
        file.seek(self._end)
        file.truncate()
        header = append(file, *encode("header", raw), self._end)
        file.write(directory([*self._members, header], end_of(header)))
        file.flush()
        os.fsync(file.fileno())

    def _replace(self, finished: Path) -> None:
        finished.replace(self.path)
        sync_folder(self.path)
        self._changed = False

    def _checkpoint_if_due(self) -> None:
        if self._every_seconds is None:
            return
        passed = time.monotonic() - self._checkpoint_end
        if self._every_seconds == 0 or passed >= max(self._every_seconds, _CHECKPOINT_SHARE * self._checkpoint_seconds):
            self.checkpoint()

    def _set_data(self, data: dict[str, Any]) -> None:
        where = f"{self.path}: header"
        check_header({**data, "steps": []}, where)
        refuse(training_problems(data.get("training"), max(self._entries, default=0), f"{where} training"))
        self._data = data
        self._changed = True

    def _check_open(self) -> None:
        if self._partial.closed:
            raise ValueError(f"the trace {self.path} is closed")

    def _discard(self) -> None:
        """End the recording without touching the file at `path`."""
        if not self._renamed:  # else a file of that name is another writer's
            self._partial_path.unlink(missing_ok=True)
        with suppress(OSError):  # a full disk has no room for what is left in its buffer, and nobody wants that
            self._partial.close()


def _array(tensor: BitMask | Floats) -> Array:
    """Return a tensor as the file holds it: little-endian."""
    if isinstance(tensor, BitMask):
        return tensor.packed
    return np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<"))


def _lock(partial: Path, path: Path) -> IO[bytes]:
    """Open the hidden file of a recording, empty, and hold it for this writer alone."""
    while True:
        with _writing(path):
            if path.is_dir():
                raise InputError.of(str(path), "a directory", FILE_EXPECTED)
            if found := in_place_of_file(path):  # a rename would put the trace in a device's place
                raise InputError.of(str(path), found, FILE_EXPECTED)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW  # a stranger's link leads nowhere
            file = os.fdopen(os.open(partial, flags, 0o666), "w+b")
        try:
            # The lock ends with its process, however that ends, so a leftover file never blocks a writer.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if partial.exists() and partial.stat().st_ino == os.fstat(file.fileno()).st_ino:
                file.truncate(0)
                return file
        except BlockingIOError:
            file.close()
            found = "a file that another recording is writing"
            raise InputError.of(str(path), found, "one recording per file") from None
        except BaseException:
            file.close()
            raise
        file.close()  # the other writer renamed or removed it between opening and locking: look again


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn a failure of the file system into a message: a full disk is no fault of the program."""
    try:
        yield
    except OSError as error:
        found = f"a file that cannot be written ({error.strerror or error})"
        raise InputError.of(str(path), found, "a folder that exists, may be written and has space") from error

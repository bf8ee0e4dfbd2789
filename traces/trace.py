"""A trace file: what one training run recorded, read one optimiser step at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from traces import statistics
from traces.archive import ArchiveReader
from traces.errors import InputError
from traces.header import DenseLayer, Layer
from traces.records import LayerRecord, Step, read_header, read_step

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DenseLayer", "Layer", "LayerRecord", "Step", "Trace"]


class Trace:
    """A trace file, open for reading; also a context manager.

    The header and the list of members are checked at once; a step's arrays are read, and checked, when the
    step is asked for, and belong to the caller: the trace itself keeps none.

    Parameters
    ----------
    path : str or path-like
        The `.npz` file; its format is described in `traces/README.md`.

    Attributes
    ----------
    path : Path
    header : dict
        The header as it is in the file, unknown keys included.
    layers, dense_layers : tuple of Layer, tuple of DenseLayer
    batch_size, sequence_length : int
        B and T.
    steps : tuple of int
        The recorded optimiser steps, ascending.

    Raises
    ------
    InputError
        Where the file is missing, damaged, foreign or contradicts its own header. No other exception is
        raised for what a file holds.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._archive = ArchiveReader(self.path)
        try:
            self._header = read_header(self._archive)
        except InputError:
            self.close()
            raise
        self.header: dict[str, Any] = self._header.data
        self.layers = self._header.layers
        self.dense_layers = self._header.dense_layers
        self.batch_size = self._header.batch_size
        self.sequence_length = self._header.sequence_length
        self.steps = tuple(self._header.entries)
        self._sha256 = ""

    def __repr__(self) -> str:
        return f"Trace({str(self.path)!r}: {len(self.layers)} layers, {len(self)} steps)"

    def __enter__(self) -> Trace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[type[Trace], tuple[Path]]:
        # A worker process opens the file for itself.
        return Trace, (self.path,)

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        for number in self.steps:
            yield self.step(number)

    @property
    def closed(self) -> bool:
        """Whether the file was closed, so that no step can be read."""
        return self._archive.file.closed

    def close(self) -> None:
        """Close the file; steps that were read stay usable."""
        self._archive.close()

    @property
    def sha256(self) -> str:
        """SHA-256 of the file's bytes, in hexadecimal; computed when it is first asked for.

        Ask for it before `close`, or it is a `ValueError`.
        """
        if not self._sha256:
            self._sha256 = self._archive.sha256()
        return self._sha256

    def changed(self) -> bool:
        """Whether the open file's bytes are not those of `sha256` any more: somebody wrote into it."""
        return self._archive.sha256() != self.sha256

    @property
    def policy(self) -> dict[str, Any] | None:
        """The threshold policy of the run as a mapping, such as ``{"kind": "fixed", "threshold": 1e-6}``."""
        return self.header.get("policy")

    @property
    def curve(self) -> dict[str, list[Any]] | None:
        """The training curve, lists by column name, such as ``step``, ``train_loss`` and ``valid_loss``."""
        return self.header.get("curve")

    @property
    def training(self) -> dict[str, Any] | None:
        """How long the training was: ``total_steps`` and ``steps_per_epoch``, each as far as it is known."""
        return self.header.get("training")

    def entry(self, number: int) -> dict[str, Any]:
        """Return the header's entry for a step without reading its arrays."""
        if number not in self._header.entries:
            steps = ", ".join(map(str, self.steps[:8])) + (", ..." if len(self) > 8 else "")
            raise InputError.of(str(self.path), f"no step {number}", f"one of the recorded steps {steps}")
        return self._header.entries[number]

    def frame(self) -> pd.DataFrame:
        """Give a tidy table of the zeros, read from the masks: one row per recorded step, layer and gate.

        Returns
        -------
        DataFrame
            Columns ``step, layer, gate``; ``zeros`` and ``elements``, counts of gate gradients in real time steps;
            ``sparsity`` and ``zero_columns``, shares from 0 to 1, see `traces.statistics.layer_rows`.
        """
        import pandas as pd

        names = ["step", "layer", "gate", "zeros", "elements", "sparsity", "zero_columns"]
        return pd.DataFrame(statistics.trace_rows(self), columns=names)

    def _repr_html_(self) -> str:
        from traces.notebook import to_html

        return to_html(self)

    def step(self, number: int) -> Step:
        """Read one step.

        Raises
        ------
        InputError
            Where the step was not recorded, or an array of it is damaged or contradicts the header.
        """
        self.entry(number)
        return read_step(self._archive, self._header, number)

"""What happened in training: traces of which gate gradients were zero.

Its names are imported from their homes when they are first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from traces.version import __version__

if TYPE_CHECKING:
    from traces.bitmask import BitMask as BitMask
    from traces.errors import InputError as InputError
    from traces.header import DenseLayer as DenseLayer
    from traces.header import Layer as Layer
    from traces.synthetic import synthetic_trace as synthetic_trace
    from traces.torch_frontend import record as record
    from traces.torch_frontend import sparsify as sparsify
    from traces.trace import LayerRecord as LayerRecord
    from traces.trace import Step as Step
    from traces.trace import Trace as Trace
    from traces.writer import TraceWriter as TraceWriter

_HOMES = {
    "BitMask": "traces.bitmask",
    "DenseLayer": "traces.header",
    "InputError": "traces.errors",
    "Layer": "traces.header",
    "LayerRecord": "traces.trace",
    "Step": "traces.trace",
    "Trace": "traces.trace",
    "TraceWriter": "traces.writer",
    "record": "traces.torch_frontend",
    "sparsify": "traces.torch_frontend",
    "synthetic_trace": "traces.synthetic",
}

__all__ = [
    "BitMask",
    "DenseLayer",
    "InputError",
    "Layer",
    "LayerRecord",
    "Step",
    "Trace",
    "TraceWriter",
    "__version__",
    "record",
    "sparsify",
    "synthetic_trace",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'traces' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})

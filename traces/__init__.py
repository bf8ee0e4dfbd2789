"""What happened in training: traces of which gate gradients were zero."""

from traces.bitmask import BitMask
from traces.errors import InputError
from traces.header import DenseLayer, Layer
from traces.synthetic import synthetic_trace
from traces.trace import LayerRecord, Step, Trace
from traces.version import __version__
from traces.writer import TraceWriter

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
    "synthetic_trace",
]

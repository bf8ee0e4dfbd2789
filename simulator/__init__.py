"""A cycle-level, event-driven model of a zero-skipping MAC array that replays recorded traces.

Importing it registers the shipped mechanisms, so that machine files may name them; everything else is
imported when it is first asked for.
"""

from __future__ import annotations

import gc
import importlib
from typing import TYPE_CHECKING, Any

_collecting = gc.isenabled()
gc.disable()  # what imports make stays, and looking through it for garbage takes a tenth of their time
try:
    import simulator.skipping  # noqa: F401 - defines, and so registers, the shipped mechanisms
finally:
    if _collecting:
        if not gc.get_freeze_count():  # into the oldest generation with all of it, without looking through it
            gc.freeze()
            gc.unfreeze()
        gc.enable()

if TYPE_CHECKING:
    from simulator.arch.schema import Architecture as Architecture
    from simulator.arch.yaml_loader import load_arch as load_arch

_HOMES = {
    "Architecture": "simulator.arch.schema",
    "load_arch": "simulator.arch.yaml_loader",
    "search": "simulator.explore",
    "simulate": "simulator.run",
    "sweep": "simulator.explore",
}

__all__ = ["Architecture", "load_arch", "search", "simulate", "sweep"]


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'simulator' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})

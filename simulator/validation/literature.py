"""All tables, in the order of the printed page."""

from __future__ import annotations

from collections.abc import Callable

from simulator.validation.dual_side import dual_side
from simulator.validation.eie import eie
from simulator.validation.eyeriss import eyeriss_v2_pe
from simulator.validation.identities import barrier, delta_rnn, sparse_tensor_core, systolic
from simulator.validation.scnn import scnn
from simulator.validation.sigma import sigma
from simulator.validation.table import Table
from simulator.validation.tensordash import tensordash, tensordash_curves

TABLES: tuple[Callable[[], Table], ...] = (
    eie,
    dual_side,
    scnn,
    sigma,
    tensordash,
    tensordash_curves,
    barrier,
    eyeriss_v2_pe,
    sparse_tensor_core,
    delta_rnn,
    systolic,
)


def literature(progress: Callable[[int, int], None] | None = None) -> tuple[Table, ...]:
    """Regenerate every table; a few seconds.

    Parameters
    ----------
    progress : callable, optional
        Called with (tables done, all of them).
    """
    made = list[Table]()
    for make in TABLES:
        if progress is not None:
            progress(len(made), len(TABLES))
        made.append(make())
    return tuple(made)

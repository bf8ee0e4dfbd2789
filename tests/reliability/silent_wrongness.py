"""No wrong number without a word."""

from __future__ import annotations

from reliability.promises import Promise

INVARIANTS_HOLD = Promise(
    "invariants",
    3,
    "Every run is checked against the model's invariants before a number of it is told, printed or stored; a violation "
    "ends with exit code 1 and a folder that replays it, and is a row without numbers in a sweep.",
    (
        "tests/engine/test_invariants.py",
        "tests/commands/test_contradiction.py",
        "tests/engine/test_event_properties.py",
    ),
    "make invariants",
)
NO_OVERFLOW = Promise(
    "no-overflow",
    3,
    "No integer overflows: a step whose counts or times might reach 2^62 is refused before it is planned, a run whose "
    "sums reach 2^63 when they do; counts beyond 2^53 are exact in every file.",
    (
        "tests/mapping/test_limits.py",
        "tests/engine/test_activity_memory.py",
        "tests/explore/test_large_counts.py",
        "tests/mapping/test_plan_identities.py::test_shares_of_huge_totals_do_not_overflow",
    ),
)
SAME_BYTES = Promise(
    "same-bytes",
    3,
    "The same inputs give the same bytes of every output, whatever the process, the threads, the hash seed, the "
    "locale, the time zone, the folder, its order and the rights. Recorded floats are those of numpy's BLAS: another "
    "one, another processor or, of large layers, another number of its threads may round otherwise.",
    (
        "tests/reliability/test_determinism.py",
        "tests/explore/test_sweep.py",
        "tests/engine/test_engines_agree.py",
    ),
    "make invariants",
)
PROMISES: tuple[Promise, ...] = (INVARIANTS_HOLD, NO_OVERFLOW, SAME_BYTES)

"""Whatever dies, fills up or goes away: nothing is lost."""

from __future__ import annotations

from reliability.promises import Promise

KILLED = Promise(
    "kills",
    2,
    "Recording, sweeping, searching and report writing may be killed at any moment (`kill -9`): every file is then "
    "absent, as it was, or whole, no process lives on, and the same command comes to the same bytes.",
    ("tests/reliability/test_killing.py",),
    "make faults",
)

PROMISES: tuple[Promise, ...] = (KILLED,)

"""Nothing that is read can crash, hang or fool the program."""

from __future__ import annotations

from reliability.promises import Promise

FUZZED = Promise(
    "fuzzing",
    1,
    "Whatever is in a file or on a command line: it is accepted and reads back the same, or refused in one message; "
    "no traceback, no hang, no memory beyond the bound, no file left behind.",
    ("tests/reliability/test_fuzzing.py", "tests/reliability/test_fuzz_finds.py", "tests/traces/test_trace_fuzz.py"),
    "make fuzz",
)
PROMISES: tuple[Promise, ...] = (FUZZED,)

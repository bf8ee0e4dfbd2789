"""Old files, old and new Pythons and packages."""

from __future__ import annotations

from reliability.promises import Promise

COMPATIBILITY = Promise(
    key="compatibility",
    item=6,
    text="Python 3.11 to 3.13, each with the lowest packages that `pyproject.toml` allows and have wheels and with the "
    "newest: the tests that meet other packages pass, and the sample's report has the same bytes",
    tests=("tests/reliability/test_lock.py", "tests/project/test_packaging.py"),
    command="make compatibility",
)
PROMISES: tuple[Promise, ...] = (
    Promise(
        key="trace-format",
        item=6,
        text="Traces of version 1 stay readable for ever, whatever program zipped them; fields that a later version "
        "adds are kept where a trace is written anew; another major version is refused by its number",
        tests=(
            "tests/reliability/test_golden_files.py",
            "tests/traces/test_trace_writing.py::test_resuming_a_trace_of_plain_numpy_keeps_its_members_bit_for_bit",
            "tests/traces/test_trace_refusals.py::test_an_unknown_version_is_refused_by_name",
        ),
    ),
    Promise(
        key="report-format",
        item=6,
        text="Reports have a `schema_version`; those of version 1, tables and machines stay readable, keys that are "
        "added later are let through, and a report of another version is refused by its number",
        tests=("tests/reliability/test_golden_files.py", "tests/explore/test_compare.py"),
    ),
    COMPATIBILITY,
)

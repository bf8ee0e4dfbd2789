"""What is run, read, sent and installed."""

from __future__ import annotations

from reliability.promises import Promise

AUDIT = Promise(
    key="audit",
    item=4,
    text="Dependencies are locked to versions and digests (`requirements/`), under licences that are known and free to "
    "use; the registry is asked for known vulnerabilities",
    tests=("tests/reliability/test_lock.py",),
    command="make audit",
)
PROMISES: tuple[Promise, ...] = (
    Promise(
        key="foreign-code",
        item=4,
        text="No source evaluates text, loads pickles, starts a shell, reads unsafe YAML or opens a connection; the "
        "exceptions are named with their reasons (`tests/reliability/foreign_code.py`, `SECURITY.md`)",
        tests=("tests/reliability/test_foreign_code.py", "tests/traces/test_trace_refusals.py"),
    ),
    Promise(
        key="escaping",
        item=4,
        text="Whatever a name holds, pages, plots, notebooks and the terminal show it as text: nothing of it runs, "
        "fetches or steers",
        tests=(
            "tests/report/test_escaping.py",
            "tests/commands/test_hostile_words.py",
            "tests/report/test_html_page.py::test_hostile_names_stay_text",
            "tests/explore/test_sweep_page.py::test_hostile_cells_and_heads_stay_text",
            "tests/browser/test_run_in_browser.py::test_hostile_names_are_read_and_never_run",
            "tests/browser/test_sweep_in_browser.py::test_hostile_cells_are_read_and_never_run",
            "tests/report/test_plot_files.py::test_hostile_names_are_escaped",
            "tests/traces/test_inspect_command.py::test_text_of_a_hostile_file_cannot_steer_the_terminal",
        ),
    ),
    Promise(
        key="network",
        item=4,
        text="No command opens a socket or starts a program, of its own or in its workers; with `--scheduler` it is a "
        "client of that address alone, over TLS where that says so",
        tests=(
            "tests/reliability/test_no_network.py",
            "tests/explore/test_cluster_trust.py::test_a_cluster_with_tls_is_used_with_its_certificate_alone",
        ),
    ),
    AUDIT,
)

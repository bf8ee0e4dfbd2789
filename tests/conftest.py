import pytest
from hypothesis import settings

# The same cases on every machine and day; a slow worker is no failure.
settings.register_profile("skipstone", derandomize=True, deadline=None)
settings.load_profile("skipstone")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in the summary how many cases the hardware ran: a reader of `make test`'s log looks there."""
    for report in terminalreporter.stats.get("passed", []):
        for name, text in report.user_properties:
            if name == "told in the summary":
                terminalreporter.write_line(text)

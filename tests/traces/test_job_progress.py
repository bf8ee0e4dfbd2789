"""Progress of long jobs: on a terminal a bar, elsewhere a line now and then, and nothing of what is soon done."""

from __future__ import annotations

import io
import re
import sys
import time

import pytest

from traces.job_progress import Pace, PlainLines, duration, progress


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_rate_and_time_left_count_what_this_run_did() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.describe(40, 100) == ""  # they were there before
    clock.now += 5
    assert pace.describe(50, 100) == "2.0 a second, 0:00:25 left"
    clock.now += 35
    assert pace.describe(60, 100) == "2.0 s each, 0:01:20 left"
    assert pace.describe(100, 100) == ""


def test_lines_come_at_the_start_at_the_end_and_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    lines = PlainLines("points", clock)
    for done in range(26):
        lines(done, 25)
        clock.now += 1
    assert capsys.readouterr().err.splitlines() == [
        "0/25 points",
        "10/25 points, 1.0 a second, 0:00:15 left",
        "20/25 points, 1.0 a second, 0:00:05 left",
        "25/25 points",
    ]


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00:00"), (59.6, "0:01:00"), (3725, "1:02:05")])
def test_durations_are_hours_minutes_and_seconds(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_without_a_total_only_the_rate_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    lines = PlainLines("replays", clock)
    for done in range(0, 21, 10):
        lines(done, None)
        clock.now += 10
    assert capsys.readouterr().err.splitlines() == ["0 replays", "10 replays, 1.0 a second", "20 replays, 1.0 a second"]


def test_without_a_terminal_a_patient_job_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(False, "steps", patience_seconds=1e-9) as tell:
        assert tell is None
    with progress(False, "steps") as tell:
        assert tell is not None
        tell(2, 2)
    assert capsys.readouterr().err == "2/2 steps\n"


class Terminal(io.StringIO):
    """What is a terminal as far as anybody asks."""

    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Make stderr a terminal, from within the test: pytest sets its own before each."""
    found = Terminal()
    monkeypatch.setattr(sys, "stderr", found)
    monkeypatch.setenv("TERM", "xterm")
    return found


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_a_bar_tells_what_is_counted_and_how_much(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = shown(monkeypatch)
    with progress(False, "points") as tell:
        assert tell is not None
        tell(3, 8)
    assert re.search(r"points .* 0/\? ", plain(terminal.getvalue()))
    assert re.search(r"points .* 3/8 ", plain(terminal.getvalue()))


def test_a_job_that_ends_before_patience_does_shows_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = shown(monkeypatch)
    with progress(False, "points", patience_seconds=60.0) as tell:
        assert tell is not None
        tell(3, 8)
    assert terminal.getvalue() == ""


def test_a_job_that_is_silent_for_long_shows_its_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = shown(monkeypatch)
    with progress(False, "points", patience_seconds=0.01) as tell:
        assert tell is not None
        tell(3, 8)
        until = time.monotonic() + 30
        while "points" not in terminal.getvalue() and time.monotonic() < until:
            time.sleep(0.01)
    assert re.search(r"points .* 3/8 ", plain(terminal.getvalue()))


def test_quiet_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = shown(monkeypatch)
    with progress(True, "points") as tell:
        assert tell is None
    assert terminal.getvalue() == ""

from __future__ import annotations

import pytest

from simulator.commands.progress import Pace, PlainLines, duration


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

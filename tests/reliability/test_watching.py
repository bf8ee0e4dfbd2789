"""What the soak says of a program under way is what it does."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from reliability.watching import Lines, Sample, cpu_between, medians, watch

HOLDS = """
import sys, time
held = bytearray(50_000_000)
end = time.process_time() + 0.3
while time.process_time() < end:
    pass
print("held", file=sys.stderr)
time.sleep(1)
sys.exit(3)
"""


def test_a_program_is_watched_to_its_end() -> None:
    watched = watch([sys.executable, "-c", HOLDS], lambda: 7)
    assert (watched.code, watched.told) == (3, "held\n")
    assert all(sample.done == 7 and sample.worker_mb == 0 for sample in watched.samples)
    assert 50 < watched.samples[-1].mb <= watched.peak_mb < 200
    assert 0.3 <= watched.samples[-1].cpu_seconds < watched.seconds


def test_what_is_watched_can_be_killed() -> None:
    sleeps = [sys.executable, "-c", "import time; time.sleep(3600)"]
    assert watch(sleeps, act=lambda pid, done: os.kill(pid, signal.SIGKILL)).code == -signal.SIGKILL


def test_whole_lines_are_counted_as_they_come(tmp_path: Path) -> None:
    lines = Lines(lambda: tmp_path / "x")
    assert lines() == 0
    for text, count in (("a\nb", 1), ("c\n", 2), ("", 2), ("d\ne\n", 4)):
        with (tmp_path / "x").open("a") as file:
            file.write(text)
        assert lines() == count


def test_medians_are_of_the_second_and_the_last_quarter_and_times_of_what_is_between() -> None:
    samples = [Sample(done, float(done), 0.0, done * done) for done in range(0, 101, 5)]
    assert medians(samples, lambda sample: sample.mb, 100) == (35, 85)
    assert medians(samples[::10], lambda sample: sample.mb, 100) == (50, 100)  # the nearest, where there is none
    assert cpu_between(samples, 10, 20) == pytest.approx(30)

"""Progress of the simulator's commands: that of all jobs, from the floor below."""

from __future__ import annotations

from traces.job_progress import QUIET_SECONDS, Observer, Pace, PlainLines, duration, progress

__all__ = ["QUIET_SECONDS", "Observer", "Pace", "PlainLines", "duration", "progress"]

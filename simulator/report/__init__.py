"""What we say about a run."""

from simulator.report.course import Course, GradientZeros
from simulator.report.result import SCHEMA_VERSION, Report, energy_saving, speedup

__all__ = ["SCHEMA_VERSION", "Course", "GradientZeros", "Report", "energy_saving", "speedup"]

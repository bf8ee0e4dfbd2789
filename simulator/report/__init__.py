"""What we say about a run."""

from simulator.report.course import Course, GradientZeros
from simulator.report.result import SCHEMA_VERSION, Report, energy_saving, speedup
from simulator.report.scale_out import ScaleOut

__all__ = ["SCHEMA_VERSION", "Course", "GradientZeros", "Report", "ScaleOut", "energy_saving", "speedup"]

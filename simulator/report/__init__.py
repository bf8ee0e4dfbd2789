"""What we say about a run."""

from simulator.report.result import SCHEMA_VERSION, Report

__all__ = ["SCHEMA_VERSION", "Report"]

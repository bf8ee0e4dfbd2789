"""Many trainings with thresholded gate gradients, each judged by its quality and by what machines make of its zeros."""

from simulator.study.execution import Outcome, run_study
from simulator.study.page import write_page
from simulator.study.paper import GROUPS, SCALES, paper_study
from simulator.study.results import Results
from simulator.study.runs import StudyRun
from simulator.study.tables import report

__all__ = ["GROUPS", "SCALES", "Outcome", "Results", "StudyRun", "paper_study", "report", "run_study", "write_page"]

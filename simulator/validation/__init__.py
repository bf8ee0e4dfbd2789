"""Published numbers beside ours: one file a design, one table each."""

from simulator.validation.literature import TABLES, literature
from simulator.validation.table import Row, Table, mean_error

__all__ = ["TABLES", "Row", "Table", "literature", "mean_error"]

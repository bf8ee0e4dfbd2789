"""What a check of values may find. Never the user's mistake: each of these is a bug of the model."""

from __future__ import annotations


class Mismatch(Exception):  # noqa: N818 - says what was found, as its subclasses do
    """The modelled schedule contradicts numpy, or the cycles that were counted."""


class ValueMismatch(Mismatch):
    """An output of a product, computed through the schedule, is not what numpy has.

    Attributes
    ----------
    product : str
        Step, layer, product and time step.
    row, column : int
        Of the product's outputs.
    found, expected : float
        Through the schedule, and by numpy.
    """

    def __init__(self, product: str, row: int, column: int, found: float, expected: float, wrong: int) -> None:
        self.product, self.row, self.column, self.found, self.expected = product, row, column, found, expected
        others = f" ({wrong} outputs of this product differ)" if wrong > 1 else ""
        super().__init__(
            f"{product}: row {row}, column {column}: found {found!r} through the schedule; "
            f"expected {expected!r}, as numpy has it{others}"
        )


class CycleMismatch(Mismatch):
    """A pass takes another number of cycles or MACs by its schedule than by its count.

    Attributes
    ----------
    product : str
        Step, layer, product and time step.
    place : str
        K tile, pass and column tile, and the lane that ended last; or the job.
    found, expected : int
        By the schedule, and by the count.
    """

    def __init__(self, product: str, place: str, what: str, found: int, expected: int) -> None:
        self.product, self.place, self.found, self.expected = product, place, found, expected
        super().__init__(f"{product}: {place}: {found} {what} by the schedule; expected {expected}, as counted")

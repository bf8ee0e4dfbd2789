"""Names beside marks that neither lie on each other nor on a mark nor leave the axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import hypot
from typing import TYPE_CHECKING, Literal, NamedTuple

from simulator.report.plots.style import GREYS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

_MARK_POINTS = 4.0  # half of the square that a mark takes
_STEP_POINTS = 9.0  # from one place to the next further away
_RINGS = 14
_WIDER = 1.06  # another renderer's letters may be wider
_LED_POINTS = 16.0  # a name further from its mark has a line to it


@dataclass(frozen=True)
class Label:
    """A name of a mark.

    Attributes
    ----------
    x, y : float
        The mark, in the data's units.
    text, color : str
    """

    x: float
    y: float
    text: str
    color: str = "black"


def place_labels(ax: Axes, labels: Sequence[Label], font_points: float = 7) -> None:
    """Write each name at the nearest free place around its mark, those that come first first.

    Call it when all marks are drawn: their positions, and the limits of the axes, are those of this moment.

    Parameters
    ----------
    ax : Axes
        Of a figure with a canvas. Its legend, if it has one, is kept free, too.
    labels : sequence of Label
    font_points : float
    """
    figure = ax.figure.figure  # the whole one, where the axes are in a part of it
    figure.canvas.draw()  # a layout decides where the axes are
    figure.set_layout_engine("none")
    from matplotlib.transforms import Bbox

    pixels = figure.dpi / 72
    marks = [ax.transData.transform((label.x, label.y)) for label in labels]
    half = _MARK_POINTS * pixels
    taken = [Bbox([[x - half, y - half], [x + half, y + half]]) for x, y in marks]
    legend = ax.get_legend()
    if legend is not None:
        taken.append(legend.get_window_extent())
    for label, (x, y) in zip(labels, marks, strict=True):
        text = ax.annotate(
            label.text, (label.x, label.y), (0, 0), textcoords="offset points", fontsize=font_points, color=label.color
        )
        size = text.get_window_extent()
        width, height = _WIDER * size.width, size.height
        places = [(place, _box(x, y, place, width, height, pixels)) for place in _places(width / pixels)]
        place, box = next((one for one in places if _free(one[1], taken, ax.bbox)), places[0])
        text.set_position((place.right, place.up))
        text.set(ha=place.ha, va=place.va)
        taken.append(box)
        end = (min(max(x, box.x0), box.x1), min(max(y, box.y0), box.y1))
        if hypot(end[0] - x, end[1] - y) > _LED_POINTS * pixels:
            line = ax.transData.inverted().transform([(x, y), end])
            ax.plot(line[:, 0], line[:, 1], color=GREYS[4], linewidth=0.6, zorder=0.9, scalex=False, scaley=False)


class _Place(NamedTuple):
    """Where a text stands: points to the right of its mark and above it, and what of the text stands there."""

    right: float
    up: float
    ha: Literal["left", "center", "right"]
    va: Literal["bottom", "center", "top"]


def _places(width: float) -> Iterator[_Place]:
    """Give the places around a mark from near to far, for a text of so many points."""
    for ring in range(_RINGS):
        far = _MARK_POINTS + 1 + ring * _STEP_POINTS
        yield _Place(far, 0, "left", "center")
        yield _Place(-far, 0, "right", "center")
        sides: tuple[tuple[float, Literal["bottom", "top"]], ...] = ((far, "bottom"), (-far, "top"))
        for up, va in sides:
            yield _Place(0, up, "left", va)
            yield _Place(0, up, "center", va)
            yield _Place(0, up, "right", va)
            yield _Place(far, up, "left", va)
            yield _Place(-far, up, "right", va)
            yield _Place(-width / 2, up, "right", va)


def _box(x: float, y: float, place: _Place, width: float, height: float, pixels: float) -> Bbox:
    """Give the room of a text of so many pixels at a place around the mark at x, y."""
    from matplotlib.transforms import Bbox

    left = x + place.right * pixels - {"left": 0.0, "center": width / 2, "right": width}[place.ha]
    low = y + place.up * pixels - {"bottom": 0.0, "center": height / 2, "top": height}[place.va]
    return Bbox.from_bounds(left, low, width, height)


def _free(box: Bbox, taken: Sequence[Bbox], inside: Bbox) -> bool:
    within = inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1
    return within and not any(box.overlaps(other) for other in taken)

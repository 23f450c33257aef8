"""Which values a panel of losses shows, and where a curve leaves it."""

import math
from collections.abc import Iterable, Sequence

WHOLE_CURVE = 3  # if no run has more epochs, everything is shown
EARLY = 10  # one epoch in ten, from the first, may lie outside of the panel
MARGIN = 0.05  # of the range, above and below
EXTENSION = 0.3  # of the range of the late epochs: as far, early epochs extend the panel


def late_values(columns: Sequence[Sequence[float]]) -> list[float]:
    """The values that a panel always shows: those after the first tenth of the longest run.

    Of a run that is shorter than that tenth, the last.
    """
    longest = max(map(len, columns), default=0)
    early = 0 if longest <= WHOLE_CURVE else max(1, longest // EARLY)
    return [value for column in columns for value in column[early:] or column[-1:]]


def visible_range(
    columns: Sequence[Sequence[float]], always: Iterable[float] = ()
) -> tuple[float, float] | None:
    """The limits of the y axis, so that late epochs take most of its height.

    Late epochs are all shown, early ones where they are near: the first epochs of a training often
    lie so high that nothing could be seen of the others.

    Args:
        columns: Values of each curve; those that are not finite are not plotted.
        always: Further values that are shown.

    Returns:
        Bottom and top; None to leave them to matplotlib, if no two values differ.
    """
    late = list(filter(math.isfinite, [*late_values(columns), *always]))
    every = [value for column in columns for value in column if math.isfinite(value)] + late
    if not late or min(late) == max(late):
        late = every
    if not late or min(late) == max(late):
        return None
    bottom = _extend(min(late), max(late), min(every))
    top = _extend(max(late), min(late), max(every))
    margin = MARGIN * (top - bottom)
    return bottom - margin, top + margin


def _extend(end: float, other_end: float, farthest: float) -> float:
    """The end of the range, or the farthest value if that is near."""
    return farthest if abs(farthest - end) <= EXTENSION * abs(end - other_end) else end


def last_return(x: Sequence[float], heights: Sequence[float]) -> float | None:
    """Where a curve comes back from above 0 for the last time; None if it is nowhere above.

    Args:
        x: Rising.
        heights: Values of the curve; those that are not finite are not plotted.
    """
    outside = [place for place, height in enumerate(heights) if 0 < height < math.inf]
    if not outside:
        return None
    last = outside[-1]
    if last + 1 == len(x) or not math.isfinite(heights[last + 1]):
        return x[last]
    part = heights[last] / (heights[last] - heights[last + 1])
    return x[last] + part * (x[last + 1] - x[last])

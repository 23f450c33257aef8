"""Which values a panel of losses shows, and where a curve leaves it."""

import math
from collections.abc import Iterable, Sequence

WHOLE_CURVE = 3  # up to this number of epochs, everything is shown
EARLY = 10  # one epoch in ten, from the first, may lie outside of the panel
MARGIN = 0.05  # of the range, above and below
EXTENSION = 0.3  # of the range of the late epochs: as far, early epochs extend the panel


def late_epochs(column: Sequence[float]) -> Sequence[float]:
    """The values that a panel always shows: all but those of the first tenth of the epochs."""
    if len(column) <= WHOLE_CURVE:
        return column
    return column[max(1, len(column) // EARLY) :]


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
    every = list(filter(math.isfinite, (value for column in columns for value in column)))
    late = [value for column in columns for value in late_epochs(column)]
    late = list(filter(math.isfinite, [*late, *always]))
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

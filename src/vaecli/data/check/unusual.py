"""Images that differ from the rest of their data set: empty, dark, bright, blurry, odd-shaped.

What is usual is taken from the data set itself, by medians and quantiles, so that a set of dark or
soft images is no fault, and a few faults do not change what is usual.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .finding import Finding, counted, singles
from .measures import Measures

Values = NDArray[np.float64]

# Dark: even the brightest part of an image is dark, by itself and beside the median image. Bright
# likewise, by the darkest part. In grey levels, and as a part of the median.
MAX_RANGE = 45
MAX_RANGE_RATIO = 0.35
# Blurry: far below the median sharpness, and below the lower quartile by more than the distance
# of quartile and median explains (on a logarithmic scale). Measured on icons, digits, photographs.
BLURRY_RATIO = 0.7
BLURRY_SPREAD = 1.75
# Odd-shaped: this much beyond the usual width / height or size, which nearly all images have.
USUAL = (3, 97)  # percentiles
ODD_ASPECT = math.log(1.5)
ODD_SIZE = math.log(2)


def unusual_findings(images: Sequence[Measures]) -> list[Finding]:
    """Findings about single images, each image in one of them; shape is one more reason."""
    if not images:
        return []
    full = [image for image in images if not image.is_empty]
    empty = [image for image in images if image.is_empty]
    dark = _darkest(full)
    bright = _brightest(full)
    known = {image.name for image in dark + bright}
    blurry = [image for image in _blurriest(full) if image.name not in known]
    findings = (
        _finding("empty", empty, "of one colour", "Remove {them}: there is nothing to learn."),
        _finding("dark", dark, "nearly black", "Brighten or remove {them}."),
        _finding("bright", bright, "nearly white", "Darken or remove {them}."),
        _finding(
            "blurry",
            blurry,
            "much blurrier than the others",
            "Remove {them} if sharp samples matter: a model learns the blur too.",
        ),
        _finding(
            "odd-shape",
            _odd_shapes(images),
            "much narrower, wider, smaller or larger than the others",
            "Remove {them}, or add --resize pad, which keeps the whole image.",
        ),
    )
    return [finding for finding in findings if finding is not None]


def _finding(kind: str, images: Sequence[Measures], what: str, advice: str) -> Finding | None:
    if not images:
        return None
    them = f"the {len(images):,} files"
    if len(images) == 1:
        them = "the file"
    return Finding(
        kind,
        "warning",
        singles([image.name for image in images]),
        f"{counted(len(images), 'image is', 'images are')} {what}.",
        advice.format(them=them),
    )


def _lowest(images: Sequence[Measures], values: Values, limit: float) -> list[Measures]:
    """The images whose value is below the limit, the lowest first."""
    order = np.argsort(values, kind="stable")
    return [images[i] for i in order if values[i] < limit]


def _darkest(images: Sequence[Measures]) -> list[Measures]:
    brightest_part = np.array([image.high for image in images])
    return _lowest(images, brightest_part, _range_limit(brightest_part))


def _brightest(images: Sequence[Measures]) -> list[Measures]:
    below_white = np.array([255 - image.low for image in images])
    return _lowest(images, below_white, _range_limit(below_white))


def _range_limit(ranges: Values) -> float:
    if not len(ranges):
        return 0.0
    return min(MAX_RANGE, MAX_RANGE_RATIO * float(np.median(ranges)))


def _blurriest(images: Sequence[Measures]) -> list[Measures]:
    if not images:
        return []
    sharpness = np.array([image.sharpness for image in images])
    quartile, median = np.percentile(sharpness, (25, 50))
    limit = 0.0
    if quartile > 0:
        usual_spread = (median / quartile) ** BLURRY_SPREAD
        limit = min(BLURRY_RATIO * median, quartile / usual_spread)
    return _lowest(images, sharpness, float(limit))


def _odd_shapes(images: Sequence[Measures]) -> list[Measures]:
    """The images of unusual width / height or size, the most unusual first."""
    width = np.log([image.width for image in images])
    height = np.log([image.height for image in images])
    excess = np.maximum(
        _beyond(width - height) / ODD_ASPECT, _beyond((width + height) / 2) / ODD_SIZE
    )
    return _lowest(images, -excess, -1.0)


def _beyond(values: Values) -> Values:
    """How far each value is outside of the usual range; 0 inside."""
    low, high = np.percentile(values, USUAL)
    excess: Values = np.maximum(np.maximum(low - values, values - high), 0)
    return excess

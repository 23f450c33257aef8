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
# Blurry: far below the median sharpness, and below the lowest tenth by as much as that is below the
# median (on a logarithmic scale). Chosen on icons, digits, photographs and textures.
BLURRY_RATIO = 0.55
EDGE_RATIO = 0.6  # of the median steepest edge: a smooth drawing with a sharp outline is sharp
# Where sharpness varies this much, soft images such as skies are usual: only the worst are named.
VARIED = 0.8  # the lowest tenth, as a part of the median
MOST_OF_VARIED = 0.01  # of the images, and at least three
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
    them = f"the {len(images):,} images"
    if len(images) == 1:
        them = "the image"
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
    tenth, median = np.percentile(sharpness, (10, 50))
    limit = min(BLURRY_RATIO * median, tenth * tenth / max(median, 1e-9))
    edge = np.array([image.edge for image in images])
    soft = edge < EDGE_RATIO * np.median(edge)
    found = _lowest(images, np.where(soft, sharpness, np.inf), float(limit))
    if tenth < VARIED * median:
        return found[: max(3, int(MOST_OF_VARIED * len(images)))]
    return found


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

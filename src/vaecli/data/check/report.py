"""`check`: everything there is to say of a data set, from one pass over its images."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...system.errors import DataError
from ..preparation import LARGEST_ASPECT, LARGEST_OWN_SIZE
from ..readers.item import Listing
from .classes import class_findings
from .copies import copy_findings
from .finding import Finding, counted, singles
from .measures import Broken, Measures, measure_all
from .near import MAX_IMAGES
from .unusual import unusual_findings


@dataclass(frozen=True)
class Report:
    """What is in a data set, and its faults.

    Attributes:
        images: Number of images, with those that are broken.
        readable: Number of images that can be read.
        splits: Number of readable images by the name of the split; empty if it is drawn.
        classes: Number of readable images by the name of the class; empty without labels.
        sizes: Number of readable images by (width, height), the most frequent first.
        modes: Number of readable images by how a file stores a pixel, likewise.
        range: Smallest and largest value of a pixel in any channel, as decoded, from 0 to 255.
        skipped: Number of entries that are no images, by the reason.
        notices: What the reader of the data set says.
        findings: Faults, errors first, then warnings, then what is good to know.
    """

    images: int
    readable: int
    splits: Mapping[str, int]
    classes: Mapping[str, int]
    sizes: Mapping[tuple[int, int], int]
    modes: Mapping[str, int]
    range: tuple[int, int]
    skipped: Mapping[str, int]
    notices: Sequence[str]
    findings: Sequence[Finding]

    def to_json(self) -> dict[str, Any]:
        """The report as an object of JSON; the keys are the attributes, and stay."""
        return {
            "images": self.images,
            "readable": self.readable,
            "splits": dict(self.splits),
            "classes": dict(self.classes),
            "sizes": {f"{width}x{height}": count for (width, height), count in self.sizes.items()},
            "modes": dict(self.modes),
            "range": list(self.range),
            "skipped": dict(self.skipped),
            "notices": list(self.notices),
            "findings": [finding.to_json() for finding in self.findings],
        }


def check(listing: Listing, on_progress: Callable[[int], object] = lambda images: None) -> Report:
    """Read every image once and report what is there and what is wrong.

    Args:
        listing: The images.
        on_progress: Called with the number of images that were read since the last call.
    """
    images: list[Measures] = []
    broken: list[Broken] = []
    for result in measure_all(listing.items, on_progress):
        if isinstance(result, Broken):
            broken.append(result)
        else:
            images.append(result)
    findings = [  # errors, warnings, then what is good to know
        *_broken_findings(broken),
        *_narrow_findings(images),
        *copy_findings(images),
        *unusual_findings(images),
        *class_findings(images),
        *_format_findings(images),
    ]
    notices = list(listing.notices)
    if len(images) > MAX_IMAGES:
        notices.append(
            f"Near duplicates were sought among {MAX_IMAGES:,} of the {len(images):,} images only."
        )
    return Report(
        images=len(listing.items),
        readable=len(images),
        splits=_count(image.split for image in images if image.split is not None),
        classes=dict(sorted(_count(i.label for i in images if i.label is not None).items())),
        sizes=_count((image.width, image.height) for image in images),
        modes=_count(image.mode for image in images),
        range=(
            min((image.least for image in images), default=0),
            max((image.most for image in images), default=0),
        ),
        skipped=dict(listing.skipped),
        notices=notices,
        findings=findings,
    )


def _count(values: Any) -> dict[Any, int]:
    """How often each value occurs, the most frequent first."""
    return dict(Counter(values).most_common())


def _broken_findings(broken: Sequence[Broken]) -> list[Finding]:
    if not broken:
        return []
    return [
        Finding(
            "broken",
            "error",
            singles([image.name for image in broken]),
            f"{counted(len(broken), 'image')} cannot be read.",
            "Replace or remove each, or train with --skip-bad, which leaves them out.",
            details=tuple((image.name, image.reason) for image in broken),
        )
    ]


def _narrow_findings(images: Sequence[Measures]) -> list[Finding]:
    """Images that cannot be resized, unless they keep their size."""
    sizes = {(image.width, image.height) for image in images}
    if len(sizes) == 1 and max(max(size) for size in sizes) <= LARGEST_OWN_SIZE:
        return []
    narrow = [
        image.name
        for image in images
        if max(image.width, image.height) > LARGEST_ASPECT * min(image.width, image.height)
    ]
    if not narrow:
        return []
    return [
        Finding(
            "too-narrow",
            "error",
            singles(narrow),
            f"{counted(len(narrow), 'image has', 'images have')} sides that differ by more than "
            f"{LARGEST_ASPECT} to 1.",
            "Cut or remove each, or train with --skip-bad, which leaves them out.",
        )
    ]


def _format_findings(images: Sequence[Measures]) -> list[Finding]:
    """What happens to images whose format holds more than vaecli uses."""
    sizes = {(image.width, image.height) for image in images}
    kinds = (
        (
            "transparent",
            [image.name for image in images if image.mode in ("RGBA", "LA", "PA", "La", "RGBa")],
            "can be transparent: they are laid over white",
            "Lay them over another colour yourself if white is wrong.",
        ),
        (
            "animation",
            [image.name for image in images if image.frames > 1],
            "have several frames: the first is read",
            "Save the frames as files if you need the others.",
        ),
        (
            "deep",
            [image.name for image in images if image.mode.startswith(("I", "F"))],
            "have more than 8 bits per channel: they are reduced to 8",
            "Save them with 8 bits if their values are to be scaled in another way.",
        ),
    )
    findings = [
        Finding(kind, "info", singles(names), f"{len(names):,} of the images {what}.", advice)
        for kind, names, what, advice in kinds
        if names
    ]
    if len(sizes) > 1:
        findings.append(_mixed_sizes(sizes))
    return findings


def _mixed_sizes(sizes: set[tuple[int, int]]) -> Finding:
    smallest, largest = (choose(sizes, key=lambda size: size[0] * size[1]) for choose in (min, max))
    return Finding(
        "mixed-sizes",
        "info",
        (),
        f"The images have {len(sizes):,} sizes, from {smallest[0]}x{smallest[1]} to "
        f"{largest[0]}x{largest[1]} pixels.",
        "Choose one for training with --image-size, and how they get it with --resize.",
    )


def require_readable(report: Report, name: str) -> None:
    """Raise `DataError` if no image can be read.

    Args:
        report: What was found.
        name: What the data set is called.
    """
    if not report.readable:
        raise DataError(f"{name}: none of its {counted(report.images, 'image')} can be read.")

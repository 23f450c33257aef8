"""Faults of labels and of their numbers."""

import statistics
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from .finding import Finding, counted, singles
from .measures import Measures

FEW_IMAGES = 10  # in a class
FEW_PART = 0.2  # of the median class: smaller classes are small, if they have few images
IMBALANCE = 10  # largest class over smallest


def fewest_expected(counts: Collection[int]) -> float:
    """A class with fewer images than this is small, beside classes of these numbers of images."""
    if not counts:
        return 0.0
    return min(FEW_IMAGES, FEW_PART * statistics.median(counts))


def class_findings(images: Sequence[Measures]) -> list[Finding]:
    """Findings about classes: tiny, unbalanced or not in the training images, and lost labels."""
    labelled = [image for image in images if image.label is not None]
    unlabelled = [image.name for image in images if image.label is None]
    training = Counter(str(i.label) for i in labelled if i.split in (None, "train"))
    absent = sorted({str(image.label) for image in labelled} - training.keys())
    findings = [_unlabelled(unlabelled) if labelled else None, _absent(absent)]
    if len(training) >= 2:
        # Without test images of its own, some are taken of each class: of one image, none can be.
        is_split = any(image.split is not None for image in labelled)
        sizes = dict(sorted(training.items(), key=lambda item: item[1]))
        alone = [name for name, count in sizes.items() if count == 1 and not is_split]
        findings += [_alone(alone), _small(sizes, alone), _imbalance(sizes)]
    return [finding for finding in findings if finding is not None]


def _unlabelled(images: list[str]) -> Finding | None:
    if not images:
        return None
    return Finding(
        "unlabelled",
        "warning",
        singles(images),
        f"{counted(len(images), 'image has', 'images have')} no label, the others do.",
        "Give each a label, such as the folder of its class, or remove it.",
    )


def _absent(classes: list[str]) -> Finding | None:
    if not classes:
        return None
    return Finding(
        "class-not-in-train",
        "warning",
        singles(classes),
        f"{counted(len(classes), 'class has', 'classes have')} no training image.",
        "Add training images, or remove the class from the other splits.",
        of="classes",
    )


def _alone(classes: list[str]) -> Finding | None:
    if not classes:
        return None
    return Finding(
        "single-image-class",
        "warning",
        singles(classes),
        f"{counted(len(classes), 'class has', 'classes have')} one image, which cannot be in the "
        "training and in the test images.",
        "Add images, or merge the class with another.",
        of="classes",
    )


def _small(sizes: Mapping[str, int], alone: list[str]) -> Finding | None:
    """Classes that are small beside the others, but not those of one image found before."""
    limit = fewest_expected(sizes.values())
    small = [name for name, count in sizes.items() if count < limit and name not in alone]
    if not small:
        return None
    median = statistics.median(sizes.values())
    return Finding(
        "small-class",
        "warning",
        singles(small),
        f"{counted(len(small), 'class has', 'classes have')} fewer than {FEW_IMAGES} images and "
        f"far fewer than the others (median {median:g}).",
        "Add images, or merge the class with another.",
        of="classes",
    )


def _imbalance(sizes: Mapping[str, int]) -> Finding | None:
    """The smallest and the largest class, if they differ much; sizes are in ascending order."""
    smallest, *_, largest = sizes
    if sizes[largest] < IMBALANCE * sizes[smallest]:
        return None
    return Finding(
        "class-imbalance",
        "warning",
        singles([smallest, largest]),
        f"Class {largest} has {sizes[largest]:,} images, class {smallest} {sizes[smallest]:,}: "
        "the model sees little of the small classes.",
        "Add images of the small classes, or remove some of the large ones.",
        of="classes",
    )

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
    findings = []
    if labelled and unlabelled:
        findings.append(
            Finding(
                "unlabelled",
                "warning",
                singles(unlabelled),
                f"{counted(len(unlabelled), 'image has', 'images have')} no label, the others do.",
                "Move each into the folder of its class, or remove it.",
            )
        )
    training = Counter(str(i.label) for i in labelled if i.split in (None, "train"))
    findings += _absent(labelled, training)
    findings += _sizes(training, is_split=any(image.split is not None for image in labelled))
    return findings


def _absent(labelled: Sequence[Measures], training: Mapping[str, int]) -> list[Finding]:
    absent = sorted({str(image.label) for image in labelled} - training.keys())
    if not absent:
        return []
    return [
        Finding(
            "class-not-in-train",
            "warning",
            singles(absent),
            f"{counted(len(absent), 'class has', 'classes have')} no training image.",
            "Add training images, or remove the class from the other splits.",
            of="classes",
        )
    ]


def _sizes(training: Mapping[str, int], is_split: bool) -> list[Finding]:
    """Findings about the number of images of each class.

    Args:
        training: Number of images of each class, without those of test and validation.
        is_split: The data set has test images of its own; else some are taken of each class.
    """
    if len(training) < 2:
        return []
    findings = []
    sizes = sorted(training.items(), key=lambda item: item[1])
    alone = [name for name, count in sizes if count == 1]
    if alone and not is_split:
        findings.append(
            Finding(
                "single-image-class",
                "warning",
                singles(alone),
                f"{counted(len(alone), 'class has', 'classes have')} one image, which cannot be "
                "in the training and in the test images.",
                "Add images, or merge the class with another.",
                of="classes",
            )
        )
    few = fewest_expected(training.values())
    small = [name for name, count in sizes if count < few and not (count == 1 and not is_split)]
    if small:
        findings.append(
            Finding(
                "small-class",
                "warning",
                singles(small),
                f"{counted(len(small), 'class has', 'classes have')} fewer than {FEW_IMAGES} "
                f"images and far fewer than the others (median "
                f"{statistics.median(training.values()):g}).",
                "Add images, or merge the class with another.",
                of="classes",
            )
        )
    smallest, largest = sizes[0], sizes[-1]
    if largest[1] >= IMBALANCE * smallest[1]:
        findings.append(
            Finding(
                "class-imbalance",
                "warning",
                singles([smallest[0], largest[0]]),
                f"Class {largest[0]} has {largest[1]:,} images, class {smallest[0]} "
                f"{smallest[1]:,}: samples of all classes are mostly of the large ones.",
                "Add images of the small classes, or train with --conditional.",
                of="classes",
            )
        )
    return findings

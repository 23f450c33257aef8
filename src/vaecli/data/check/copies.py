"""Images that are copies of others: within a split, between splits, and under two labels."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from .finding import Finding, counted
from .measures import Measures
from .near import near_pairs

Group = tuple[Measures, ...]


def copy_findings(images: Sequence[Measures]) -> list[Finding]:
    """Findings about copies; an empty image is a copy of nothing.

    Copies under several labels are a conflict, copies in several splits a leak, and a group may be
    both. Only the other copies are duplicates.
    """
    images = [image for image in images if not image.is_empty]
    exact = _equal(images)
    groups = _join_near(exact)
    conflicts = [group for group in groups if len(_labels(group)) > 1]
    leaks = [group for group in groups if len(_splits(group)) > 1]
    known = {image.name for group in conflicts + leaks for image in group}
    rest = [group for group in groups if group[0].name not in known]
    near = [group for group in rest if len({image.digest for image in group}) > 1]
    copies = [group for group in exact if len(group) > 1 and group[0].name not in known]
    findings = (
        _conflict_finding(conflicts),
        _leak_finding(leaks),
        _exact_finding(copies),
        _near_finding(near),
    )
    return [finding for finding in findings if finding is not None]


def _labels(group: Group) -> set[str]:
    return {image.label for image in group if image.label is not None}


def _splits(group: Group) -> set[str]:
    return {image.split for image in group if image.split is not None}


def _equal(images: Iterable[Measures]) -> list[Group]:
    """The images in groups of equal pixels, most of them of one image."""
    groups: defaultdict[bytes, list[Measures]] = defaultdict(list)
    for image in images:
        groups[image.digest].append(image)
    return [tuple(group) for group in groups.values()]


def _join_near(exact: Sequence[Group]) -> list[Group]:
    """The groups of at least two images that are equal or nearly so, directly or by others."""
    if not exact:
        return []
    parent = list(range(len(exact)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for first, second in near_pairs(np.stack([group[0].thumbnail for group in exact])):
        parent[root(int(second))] = root(int(first))
    joined: defaultdict[int, list[Measures]] = defaultdict(list)
    for index, group in enumerate(exact):
        joined[root(index)].extend(group)
    return [tuple(group) for group in joined.values() if len(group) > 1]


def _names(groups: Iterable[Group]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(image.name for image in group) for group in groups)


def _conflict_finding(groups: Sequence[Group]) -> Finding | None:
    if not groups:
        return None
    return Finding(
        "conflicting-labels",
        "warning",
        _names(groups),
        f"{counted(len(groups), 'image has', 'images have')} copies in another class.",
        f"Keep each in one class: remove {counted(_surplus(groups), 'image')}.",
    )


def _leak_finding(groups: Sequence[Group]) -> Finding | None:
    """Copies in training images and in images that judge the model, or in two splits of these."""
    if not groups:
        return None
    held_out = sum(image.split != "train" for group in groups for image in group)
    return Finding(
        "leak",
        "warning",
        _names(groups),
        f"{counted(len(groups), 'image is', 'images are')} in more than one split, so that the "
        "test loss looks better than it is.",
        f"Remove the copies outside of train: {counted(held_out, 'image')}.",
    )


def _exact_finding(groups: Sequence[Group]) -> Finding | None:
    if not groups:
        return None
    surplus = _surplus(groups)
    return Finding(
        "exact-duplicate",
        "warning",
        _names(groups),
        f"{counted(surplus, 'image has', 'images have')} the same pixels as another image.",
        f"Keep one image of each group: remove {counted(surplus, 'image')}.",
    )


def _near_finding(groups: Sequence[Group]) -> Finding | None:
    if not groups:
        return None
    surplus = _surplus(groups)
    return Finding(
        "near-duplicate",
        "warning",
        _names(groups),
        f"{counted(surplus, 'image is', 'images are')} nearly the same as another image: saved "
        "again, resized or brighter.",
        f"Look at each group, keep the best image, and remove up to {counted(surplus, 'image')}.",
    )


def _surplus(groups: Iterable[Group]) -> int:
    return sum(len(group) - 1 for group in groups)

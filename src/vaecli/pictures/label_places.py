"""Where the names of classes stand in a map."""

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN

MIN_SHARE = 0.2  # of the points of a class: smaller clusters get no name
NEIGHBOURS = 8  # within the radius, for a point to be inside of a cluster
RADIUS = 0.025  # as a fraction of the map, but at least
MAX_POINTS = 2000  # of a class that are looked at: the time grows with the square
SPACING = 1.5  # times the distance of as many points in a regular lattice


def find_places(
    points: NDArray[np.float64], labels: NDArray[np.integer]
) -> tuple[NDArray[np.integer], NDArray[np.float64]]:
    """A class and a place, shape `(P,)` and `(P, 2)`, for every name.

    A class is named at the middle of each of its clusters that has a fifth of its points or more;
    if there is no such cluster, at its median.

    References:
        A density-based algorithm for discovering clusters in large spatial databases with noise
            (Ester et al., 1996), https://cdn.aaai.org/KDD/1996/KDD96-037.pdf

    Args:
        points: Shape `(N, 2)`.
        labels: Classes, shape `(N,)`.
    """
    unit = np.ptp(points, axis=0).max() or 1.0
    radius = unit * max(RADIUS, SPACING / np.sqrt(len(points)))
    classes: list[int] = []
    places: list[NDArray[np.float64]] = []
    for label in np.unique(labels):
        found = _class_places(points[labels == label], radius)
        classes += [label] * len(found)
        places += found
    return np.array(classes), np.array(places)


def _class_places(points: NDArray[np.float64], radius: float) -> list[NDArray[np.float64]]:
    """A place for the name of the class that has these points, in each of its large clusters."""
    points = points[:: -(-len(points) // MAX_POINTS)]
    cluster = DBSCAN(eps=radius, min_samples=NEIGHBOURS).fit(points).labels_
    sizes = np.bincount(cluster[cluster >= 0])  # -1 is outside of all clusters
    places = []
    for number in np.flatnonzero(sizes >= MIN_SHARE * len(points)):
        members = points[cluster == number]
        distances = np.square(members - np.median(members, axis=0)).sum(1)
        places.append(members[distances.argmin()])  # the median of a bent cluster is outside of it
    return places or [np.median(points, axis=0)]

"""Where the names of classes stand in a map."""

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN

MIN_SHARE = 0.2  # of the points of a class: smaller clusters get no name
NEIGHBOURS = 8  # within the radius, for a point to be inside of a cluster
RADIUS = 0.025  # as a fraction of the map, but at least
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
    classes = []
    places = []
    for label in np.unique(labels):
        for cluster in _clusters(points[labels == label], radius):
            median = np.median(cluster, axis=0)
            nearest = np.square(cluster - median).sum(1).argmin()
            classes.append(label)
            places.append(cluster[nearest])  # the median of a bent cluster is outside of it
    return np.array(classes), np.array(places)


def _clusters(points: NDArray[np.float64], radius: float) -> list[NDArray[np.float64]]:
    """The points, shape `(n, 2)`, of each large cluster; all points if there is none."""
    cluster = DBSCAN(eps=radius, min_samples=NEIGHBOURS).fit(points).labels_
    sizes = np.bincount(cluster[cluster >= 0])  # -1 is outside of all clusters
    large = np.flatnonzero(sizes >= MIN_SHARE * len(points))
    return [points[cluster == number] for number in large] or [points]

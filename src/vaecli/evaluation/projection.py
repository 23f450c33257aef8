"""Latents as points of a plane."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits

from ..system.errors import ConfigError

Method = Literal["auto", "tsne", "pca"]

MIN_TSNE_POINTS = 10  # different latents: fewer have hardly any neighbours
PERPLEXITY = 30.0  # about the number of neighbours that count; fewer of few latents
# Half of scikit-learn's iterations and a coarser tree: a third of the time, and the share of right
# neighbours in the plane stays the same within 0.2 %. See tests/benchmarks/latent_map.py.
TSNE_ITERATIONS = 500
TSNE_ANGLE = 0.8
# The threads of scikit-learn add their parts in any order: only the sum of two is always the same.
TSNE_THREADS = 2
INITIAL_STD = 1e-4  # of the first coordinate before the first step, as in scikit-learn


@dataclass(frozen=True)
class Plane:
    """Latents of N images as points of a plane.

    Attributes:
        points: Shape `(N, 2)`.
        axes: What the two axes are.
        method: How the points were found; None if they are the latents themselves.
    """

    points: NDArray[np.float64]
    axes: tuple[str, str]
    method: Literal["tsne", "pca"] | None = None


def choose_method(method: Method, latents: NDArray[np.float32]) -> Literal["tsne", "pca"] | None:
    """The method for these latents, shape `(N, D)`; None: they are drawn as they are.

    `auto` draws one or two latents as they are, and takes t-SNE for more; it takes PCA where fewer
    than ten latents differ.

    Raises:
        ConfigError: The method needs more dimensions or more latents.
    """
    dimensions = latents.shape[1]
    if dimensions == 1 and method != "auto":
        raise ConfigError(
            f"method={method!r} needs two latents or more, and the model has one: use "
            "method='auto'."
        )
    if method == "auto" and dimensions <= 2:
        return None
    if method == "pca":
        return "pca"
    different = len(np.unique(latents, axis=0))
    if different >= MIN_TSNE_POINTS:
        return "tsne"
    if method == "tsne":
        raise ConfigError(
            f"method='tsne' needs {MIN_TSNE_POINTS} different latents or more, and there "
            f"{'is' if different == 1 else 'are'} {different}: use method='pca'."
        )
    return "pca"


def project_to_plane(latents: NDArray[np.float32], method: Method = "auto") -> Plane:
    """The latents as points of a plane; the same latents always give the same points.

    t-SNE starts from the principal components, so that it needs no random numbers. Its points are
    the same for the same number of threads.

    References:
        Visualizing Data using t-SNE (van der Maaten & Hinton, 2008),
            https://jmlr.org/papers/v9/vandermaaten08a.html
        On lines and planes of closest fit to systems of points in space (Pearson, 1901),
            https://doi.org/10.1080/14786440109462720

    Args:
        latents: Shape `(N, D)`.
        method: As `choose_method` takes it.

    Raises:
        ConfigError: As for `choose_method`.
    """
    chosen = choose_method(method, latents)
    points = latents.astype(np.float64)
    dimensions = latents.shape[1]
    if chosen == "tsne":
        return Plane(_tsne(points), (f"t-SNE of {dimensions} latents", ""), chosen)
    if chosen == "pca":
        points, explained = _principal_components(points)
        first, second = (f"{100 * part:.1f} % of variance" for part in explained)
        names = (f"principal component 1 ({first})", f"principal component 2 ({second})")
        return Plane(points, names, chosen)
    if dimensions == 1:
        return Plane(np.column_stack([points, np.zeros(len(points))]), ("latent 1", ""))
    return Plane(points, ("latent 1", "latent 2"))


def _principal_components(
    points: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The first two components, shape `(N, 2)`, and the fraction of variance each explains.

    The sign of a component is chosen so that its entry of largest absolute value is positive.
    """
    if not np.ptp(points, axis=0).any():  # all points are equal: no direction
        return np.zeros((len(points), 2)), np.zeros(2)
    from sklearn.decomposition import PCA  # takes a second: only where it is needed

    pca = PCA(2, svd_solver="covariance_eigh")
    return pca.fit_transform(points), pca.explained_variance_ratio_


def _tsne(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Neighbours in the latent space are neighbours in the plane, shape `(N, 2)`."""
    from sklearn.manifold import TSNE

    centred = points - points.mean(0)
    # Squares of float32 would overflow or vanish for latents far from 1.
    centred /= np.sqrt(np.square(centred).sum(1).mean())
    start, _ = _principal_components(centred)
    start *= INITIAL_STD / start[:, 0].std()
    threads = min([TSNE_THREADS, *(pool["num_threads"] for pool in threadpool_info())])
    tsne = TSNE(
        init=start.astype(np.float32),
        perplexity=min(PERPLEXITY, (len(points) - 1) / 3),
        angle=TSNE_ANGLE,
        max_iter=TSNE_ITERATIONS,
        n_jobs=threads,
    )
    with threadpool_limits(threads):
        found: NDArray[np.float32] = tsne.fit_transform(centred.astype(np.float32))
    return found.astype(np.float64)

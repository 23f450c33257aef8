"""Latents as points of a plane."""

import numpy as np
from numpy.typing import NDArray


def project_to_plane(
    latents: NDArray[np.float32],
) -> tuple[NDArray[np.float64], tuple[str, str]]:
    """Points, shape `(N, 2)`, and the names of the two axes.

    Latents of one or two dimensions are not projected. More dimensions are projected to their first
    two principal components. The sign of a component is chosen so that its entry of largest
    absolute value is positive: the same latents always give the same picture.

    References:
        On lines and planes of closest fit to systems of points in space (Pearson, 1901),
            https://doi.org/10.1080/14786440109462720

    Args:
        latents: Shape `(N, D)`.
    """
    points = latents.astype(np.float64)
    dimensions = latents.shape[1]
    if dimensions == 1:
        return np.column_stack([points, np.zeros(len(points))]), ("latent 1", "")
    if dimensions == 2:
        return points, ("latent 1", "latent 2")
    points, explained = _principal_components(points)
    first, second = (f"{100 * part:.1f} % of variance" for part in explained)
    return points, (f"principal component 1 ({first})", f"principal component 2 ({second})")


def _principal_components(
    points: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The first two components, shape `(N, 2)`, and the fraction of variance each explains."""
    if not np.ptp(points, axis=0).any():  # all points are equal: no direction
        return np.zeros((len(points), 2)), np.zeros(2)
    from sklearn.decomposition import PCA  # takes a second: only where it is needed

    pca = PCA(2, svd_solver="covariance_eigh")
    return pca.fit_transform(points), pca.explained_variance_ratio_

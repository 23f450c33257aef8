"""Latents in a plane."""

import numpy as np
from numpy.typing import NDArray


def plane(z: NDArray[np.float32]) -> tuple[NDArray[np.float64], tuple[str, str]]:
    """Points to draw, shape `(N, 2)`, and the names of their axes.

    References:
        On lines and planes of closest fit to systems of points in space (Pearson, 1901),
            https://doi.org/10.1080/14786440109462720
    """
    points = z.astype(np.float64)
    if z.shape[1] == 1:
        return np.column_stack([points, np.zeros(len(z))]), ("latent 1", "")
    if z.shape[1] == 2:
        return points, ("latent 1", "latent 2")
    centered = points - points.mean(0)
    variances, directions = np.linalg.eigh(centered.T @ centered)
    shares = variances[::-1] / max(variances.sum(), np.finfo(float).tiny)
    names = [f"principal component {i + 1} ({100 * shares[i]:.1f} % of variance)" for i in (0, 1)]
    first, second = directions[:, -1], directions[:, -2]
    # An eigenvector's sign is arbitrary: fix it, so that the same latents give the same picture.
    axes = [v * np.sign(v[np.abs(v).argmax()]) for v in (first, second)]
    return centered @ np.column_stack(axes), (names[0], names[1])

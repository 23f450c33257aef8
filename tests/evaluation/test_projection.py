"""Latents as points of a plane."""

import sys

import numpy as np
import pytest

from vaecli.evaluation.projection import project_to_plane


def test_two_latents_are_kept_as_they_are(monkeypatch):
    """Without scikit-learn, whose import takes a second."""
    monkeypatch.setitem(sys.modules, "sklearn.decomposition", None)  # refuses to be imported
    z = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    points, names = project_to_plane(z)
    np.testing.assert_allclose(points, z)
    assert names == ("latent 1", "latent 2")


def test_one_latent_becomes_a_line():
    points, names = project_to_plane(np.arange(5, dtype=np.float32)[:, None])
    np.testing.assert_allclose(points, [[i, 0] for i in range(5)])
    assert names[0] == "latent 1"


def test_more_latents_are_projected_to_the_plane_of_most_variance():
    """Against the singular values, and against a cloud whose axes are known."""
    random = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(random.normal(size=(5, 5)))
    z = (random.normal(size=(500, 5)) * [9, 4, 1, 0.5, 0.1]) @ rotation.T + 3
    points, names = project_to_plane(z.astype(np.float32))
    singular = np.linalg.svd(z - z.mean(0), compute_uv=False)
    np.testing.assert_allclose(np.linalg.norm(points, axis=0), singular[:2], rtol=1e-5)
    explained = 100 * singular**2 / (singular**2).sum()
    assert names == tuple(
        f"principal component {i + 1} ({explained[i]:.1f} % of variance)" for i in (0, 1)
    )
    assert abs(np.corrcoef(points[:, 0], (z - 3) @ rotation[:, 0])[0, 1]) > 0.99


def test_the_largest_entry_of_each_axis_is_positive():
    """Else the sign of an axis would be arbitrary, and the picture of the same latents too."""
    z = np.random.default_rng(1).normal(size=(300, 4)).astype(np.float32) * [1, 4, 2, 3]
    for latents in (z, -z, z[:, ::-1]):
        points, _ = project_to_plane(latents)
        axes = np.linalg.lstsq(latents - latents.mean(0), points, rcond=None)[0]
        for axis in axes.T:
            assert axis[np.abs(axis).argmax()] > 0.5


@pytest.mark.parametrize("count", [1, 2, 4])
def test_equal_latents_are_all_at_the_origin(count, recwarn):
    points, names = project_to_plane(np.ones((count, 3), np.float32))
    assert points.tolist() == [[0, 0]] * count
    assert names[0] == "principal component 1 (0.0 % of variance)"
    assert len(recwarn) == 0


def test_a_latent_that_never_varies_does_not_hide_the_others():
    random = np.random.default_rng(0)
    z = np.column_stack([random.normal(size=(50, 2)), np.full(50, 7.0)]).astype(np.float32)
    points, _ = project_to_plane(z)
    distances = np.linalg.norm(z[:, None] - z, axis=-1)
    np.testing.assert_allclose(
        np.linalg.norm(points[:, None] - points, axis=-1), distances, atol=1e-5
    )

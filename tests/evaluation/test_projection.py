"""Latents as points of a plane."""

import sys

import numpy as np
import pytest

from vaecli.evaluation import projection
from vaecli.evaluation.projection import choose_method
from vaecli.system.errors import ConfigError


def project_to_plane(latents, method="auto"):
    """Points and names of axes."""
    plane = projection.project_to_plane(latents, method)
    return plane.points, plane.axes


def blobs(count=150, dimensions=6, classes=6):
    """Classes around far corners of which no plane shows all, and their labels."""
    labels = np.arange(count) % classes
    noise = np.random.default_rng(0).normal(size=(count, dimensions))
    return (10 * np.eye(dimensions)[labels] + noise).astype(np.float32), labels


def neighbours_accuracy(points, labels):
    """Share of points whose five nearest other points are mostly of their class."""
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    np.fill_diagonal(distances, np.inf)
    votes = labels[distances.argsort(1)[:, :5]]
    return np.mean([np.bincount(row).argmax() for row in votes] == labels)


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
    points, names = project_to_plane(z.astype(np.float32), "pca")
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
        points, _ = project_to_plane(latents, "pca")
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
    points, _ = project_to_plane(z, "pca")
    distances = np.linalg.norm(z[:, None] - z, axis=-1)
    np.testing.assert_allclose(
        np.linalg.norm(points[:, None] - points, axis=-1), distances, atol=1e-5
    )


def test_tsne_keeps_classes_apart_and_is_the_same_each_time():
    z, labels = blobs(240, 12, 12)
    plane = projection.project_to_plane(z)
    assert (plane.method, plane.axes) == ("tsne", ("t-SNE of 12 latents", ""))
    assert neighbours_accuracy(plane.points, labels) == 1
    assert neighbours_accuracy(project_to_plane(z, "pca")[0], labels) < 0.9
    assert np.array_equal(projection.project_to_plane(z, "tsne").points, plane.points)


@pytest.mark.parametrize("scale", [1e-18, 1e18])
def test_tsne_does_not_depend_on_the_unit_of_the_latents(scale):
    z, labels = blobs(60, 4, 4)
    points, _ = project_to_plane(z * np.float32(scale))
    assert neighbours_accuracy(points, labels) == 1


def test_tsne_of_few_latents_and_of_equal_ones_is_finite(recwarn):
    """Fewer than the neighbours that count, and ten codes of twenty images each."""
    few, _ = blobs(10)
    for latents in (few, np.repeat(few, 20, axis=0)):
        plane = projection.project_to_plane(latents)
        assert plane.method == "tsne"
        assert np.isfinite(plane.points).all()
        assert np.ptp(plane.points, axis=0).min() > 0
    assert len(recwarn) == 0


def test_the_method_depends_on_dimensions_and_on_how_many_latents_differ():
    z, _ = blobs(30)
    assert choose_method("auto", z) == choose_method("tsne", z) == "tsne"
    assert choose_method("auto", z[:9]) == choose_method("pca", z) == "pca"
    assert choose_method("auto", np.repeat(z[:9], 5, axis=0)) == "pca"
    assert choose_method("auto", z[:, :2]) is choose_method("auto", z[:, :1]) is None
    assert choose_method("tsne", z[:, :2]) == "tsne"


def test_a_method_that_lacks_dimensions_or_latents_is_refused():
    z, _ = blobs(30)
    with pytest.raises(
        ConfigError, match=r"^method='pca' needs two latents or more, and the model"
    ):
        choose_method("pca", z[:, :1])
    with pytest.raises(ConfigError, match="10 different latents or more, and there are 9: use"):
        choose_method("tsne", np.repeat(z[:9], 5, axis=0))
    with pytest.raises(ConfigError, match="and there is 1: use method='pca'"):
        choose_method("tsne", np.repeat(z[:1], 5, axis=0))

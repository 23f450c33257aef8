import io
import re

import numpy as np
import pytest
from PIL import Image

from vaecli.evaluation import projection
from vaecli.pictures import latent_map, loss_curves, style

COLUMNS = [
    f"{split}_{term}" for split in ("train", "test") for term in ("loss", "distortion", "rate")
]
CURVES = {name: [30.0 + i, 20.0 - i, 15.0 + i] for i, name in enumerate(COLUMNS)}
CURVES["epoch"] = [1.0, 2.0, 3.0]
STARTS = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}


def test_the_plane_of_two_latents_is_the_latents():
    z = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    points, names = projection.plane(z)
    np.testing.assert_allclose(points, z)
    assert names == ("latent 1", "latent 2")


def test_one_latent_is_drawn_on_a_line():
    points, names = projection.plane(np.arange(5, dtype=np.float32)[:, None])
    np.testing.assert_allclose(points, [[i, 0] for i in range(5)])
    assert names[0] == "latent 1"


def test_more_latents_are_drawn_in_the_plane_of_most_variance():
    """Against the singular values, and against a cloud whose axes are known."""
    random = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(random.normal(size=(5, 5)))
    z = (random.normal(size=(500, 5)) * [9, 4, 1, 0.5, 0.1]) @ rotation.T + 3
    points, names = projection.plane(z.astype(np.float32))
    singular = np.linalg.svd(z - z.mean(0), compute_uv=False)
    np.testing.assert_allclose(np.linalg.norm(points, axis=0), singular[:2], rtol=1e-5)
    shares = 100 * singular**2 / (singular**2).sum()
    assert names == tuple(
        f"principal component {i + 1} ({shares[i]:.1f} % of variance)" for i in (0, 1)
    )
    assert abs(np.corrcoef(points[:, 0], (z - 3) @ rotation[:, 0])[0, 1]) > 0.99


def test_latents_that_do_not_vary_are_drawn():
    assert (
        latent_map.latents(np.ones((4, 3), np.float32), np.zeros(4, np.uint8), "t")[:4]
        == b"\x89PNG"
    )


@pytest.mark.parametrize("ending", style.ENDINGS)
def test_every_ending_gives_its_format_and_the_same_bytes(ending):
    content = loss_curves.losses({"run": CURVES}, ending)
    assert content.startswith(STARTS[ending])
    assert loss_curves.losses({"run": CURVES}, ending) == content


def picture(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("L"))


def ink(content):
    return (picture(content) < 250).sum()


def test_every_class_has_its_own_colour_or_marker():
    assert len(set(style.COLORS)) == 10
    labels = np.arange(30, dtype=np.uint8)
    z = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    shown = latent_map.latents(z, labels, "t", ".svg").decode()
    groups = re.findall(r'<g id="PathCollection_\d+">.*?</g>', shown, re.DOTALL)[:30]
    looks = {
        (re.search(r' d="(.*?)"', group, re.DOTALL)[1], re.search(r"fill: (#\w+)", group)[1])
        for group in groups
    }
    assert len(groups) == len(looks) == 30


def test_many_classes_are_drawn_without_a_legend(recwarn):
    z = np.random.default_rng(0).normal(size=(256, 2)).astype(np.float32)
    assert ink(latent_map.latents(z, np.arange(256, dtype=np.uint8), "t")) > 1000
    assert len(recwarn) == 0


@pytest.mark.parametrize("name", CURVES)
def test_every_column_is_drawn(name):
    """And in its own panel: what moves one curve leaves the other two panels alone."""
    moved = {**CURVES, name: [value + 1.5 for value in CURVES[name]]}
    before, after = (picture(loss_curves.losses({"run": curves})) for curves in (CURVES, moved))
    panels = [
        (a != b).any()
        for a, b in zip(
            np.array_split(before, 3, axis=1), np.array_split(after, 3, axis=1), strict=True
        )
    ]
    term = name.rpartition("_")[2]
    assert panels == [term in ("epoch", panel) for panel in ("loss", "distortion", "rate")]


@pytest.mark.parametrize(
    "name", ["$", "$x", "a_b^c", "\N{GRINNING FACE}", "two\nlines", "[red]", "\udcff"]
)
def test_a_name_is_drawn_as_it_is(name, recwarn):
    assert ink(loss_curves.losses({name: CURVES})) > 1000
    assert ink(latent_map.latents(np.eye(3, dtype=np.float32), np.arange(3), name)) > 1000
    assert len(recwarn) == 0


def test_one_epoch_is_visible_and_has_one_tick():
    one = {name: values[:1] for name, values in CURVES.items()}
    bare = {name: [float("nan")] for name in CURVES} | {"epoch": [1.0]}
    assert ink(loss_curves.losses({"run": one})) > ink(loss_curves.losses({"run": bare}))
    assert loss_curves.losses({"run": one}, ".svg").count(b'id="xtick_') == 3  # one for each panel


def test_labels_that_would_cover_each_other_part_and_others_stay():
    points = np.array([[0.0, 0.0], [0.0, 0.0], [0.1, 0.0], [9.0, 9.0]])
    moved = latent_map.apart(points, np.array([0.5, 0.5]))
    gaps = np.linalg.norm(moved[:, None] - moved, axis=-1) + np.eye(4)
    assert gaps.min() > 0.9 * 0.5
    np.testing.assert_allclose(moved[3], points[3], atol=0.01)
    np.testing.assert_allclose(moved[:3].mean(0), points[:3].mean(0), atol=0.01)

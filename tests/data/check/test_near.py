"""Near duplicates: the search finds what a comparison of all pairs finds."""

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.check.drawings import drawing
from vaecli.data.check import near
from vaecli.data.check.near import near_pairs


def thumbnails(count):
    """Drawings, every tenth of which is a slightly changed copy of the one before."""
    random = np.random.default_rng(0)
    rows = []
    for seed in range(count):
        if seed % 10 == 9:
            noisy = rows[-1] * random.uniform(0.8, 1.1) + random.normal(0, 0.7, rows[-1].shape)
            rows.append(np.clip(noisy, 0, 255).astype(np.uint8))
        else:
            small = drawing(seed).resize((16, 16), Image.Resampling.LANCZOS)
            rows.append(np.asarray(small))
    return np.stack(rows)


def test_the_changed_copies_are_found_and_nothing_else(monkeypatch):
    expected = [[n - 1, n] for n in range(9, 200, 10)]
    assert near_pairs(thumbnails(200)).tolist() == expected
    monkeypatch.setattr(near, "ROWS", 7)  # blocks that do not divide the number of images
    monkeypatch.setattr(near, "PAIRS", 11)
    assert near_pairs(thumbnails(200)).tolist() == expected


def test_neighbours_are_those_of_all_distances():
    points = near._project(thumbnails(60))
    expected = torch.cdist(points, points).fill_diagonal_(np.inf).sort(1)
    distances, found = near._neighbours(points)
    assert (found == expected.indices[:, :8].numpy()).all()
    np.testing.assert_allclose(distances, expected.values[:, :8], atol=1e-3)


def test_of_too_many_images_some_are_compared(monkeypatch):
    monkeypatch.setattr(near, "MAX_IMAGES", 20)
    images = thumbnails(40)
    images[[0, 1, 2, 22]] = images[30]
    assert near_pairs(images).tolist() == [[0, 2], [0, 22], [0, 30], [2, 22], [2, 30], [22, 30]]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_images_are_compared(count):
    images = np.stack([thumbnails(1)[0]] * count + [np.full((16, 16, 3), 200, np.uint8)])
    expected = [[i, j] for i in range(count) for j in range(i + 1, count)]
    assert near_pairs(images).tolist() == expected


def test_a_darker_copy_of_an_overexposed_image_is_near():
    """The lighter one is cut off at white; only the other way round a change explains it."""
    dark = np.asarray(drawing(8).resize((16, 16), Image.Resampling.LANCZOS)).astype(float)
    light = np.clip(dark * 1.4, 0, 255)
    assert (light == 255).mean() > 0.1
    images = np.concatenate([thumbnails(9)[:8], [dark, light]]).astype(np.uint8)
    for pair in (images, images[::-1]):
        assert len(near_pairs(pair)) == 1


def test_two_patches_of_sky_are_no_copies():
    height = np.linspace(0, 1, 16)[:, None, None]
    tilt = np.linspace(0, 1, 16)[None, :, None]
    sky = np.array([150, 190, 230.0])
    first = sky - 60 * height + 4 * tilt + 0 * sky
    second = sky - 55 * height - 4 * tilt + 6 * height**2 + 0 * sky
    noise = np.random.default_rng(0).normal(0, 1.5, (2, 16, 16, 3))
    assert near_pairs((np.stack([first, second]) + noise).astype(np.uint8)).tolist() == []


def test_images_that_are_all_alike_are_no_copies():
    """As digits and faces are: a pair is a copy only if it is far closer than others."""
    random = np.random.default_rng(0)
    common = thumbnails(1)[0].astype(float)
    parts = random.normal(0, 1, (40, 4, 4, 3)).repeat(4, 1).repeat(4, 2)
    images = np.clip(common + 0.05 * common.std() * parts, 0, 255).astype(np.uint8)
    assert near_pairs(images).tolist() == []
    assert near_pairs(np.concatenate([images, images[:1] + 1])).tolist() == [[0, 40]]

"""Images in memory: scaling, binarization, hidden labels."""

import math

import pytest
import torch

from tests.conftest import bars
from vaecli.config.config import Config
from vaecli.data.images import Images
from vaecli.system.errors import ConfigError
from vaecli.system.seeds import derive_seed
from vaecli.training.loop import fit
from vaecli.training.state import start


def test_pixels_are_scaled_to_the_unit_interval():
    images = Images(torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3), torch.zeros(1))
    torch.testing.assert_close(images.pixels(slice(None)).flatten(), torch.tensor([0, 0.2, 1]))
    assert images.shape == (1, 1, 3)


def test_the_fingerprint_changes_with_a_pixel_a_label_and_the_shape():
    images = bars(4)
    seen = {images.fingerprint()}
    x, labels = images.x.clone(), images.labels.clone()
    x[3, 0, 7, 7] += 1
    labels[0] += 1
    for other in (
        Images(x, images.labels),
        Images(images.x, labels),
        Images(images.x.view(4, 1, 4, 16), images.labels),
    ):
        seen.add(other.fingerprint())
    assert len(seen) == 4
    assert Images(images.x.clone(), images.labels.clone()).fingerprint() in seen


def test_images_without_labels_are_trained_on_and_evaluated():
    images = Images(bars(8).x, torch.zeros(0, dtype=torch.uint8))
    small = Config(epochs=1, latent_dim=2, network="mlp:width=4")
    *_, epoch = fit(start(small, images), images, images)
    assert math.isfinite(epoch.test["loss"])


def test_labels_of_256_classes_can_be_hidden():
    images = Images(torch.zeros(512, 1, 2, 2, dtype=torch.uint8), torch.arange(512).byte())
    few = images.hide_labels(256, seed=0)
    assert few.one_hot_labels(slice(None)).sum() == 256
    assert len(few.labelled_indices) == 256


def test_binarized_pixels_are_0_or_1_and_follow_their_brightness():
    grey = Images(torch.full((2000, 1, 2, 2), 64, dtype=torch.uint8), torch.zeros(2000))
    torch.manual_seed(0)
    dynamic = Images(grey.x, grey.labels, binarize="dynamic")
    first, second = dynamic.pixels(slice(None)), dynamic.pixels(slice(None))
    assert set(first.unique().tolist()) == {0.0, 1.0}
    assert first.mean().item() == pytest.approx(64 / 255, abs=0.02)
    assert not torch.equal(first, second)
    threshold = Images(torch.tensor([[[[127, 128]]]]).byte(), torch.zeros(1), binarize="threshold")
    assert threshold.pixels(slice(None)).tolist() == [[[[0.0, 1.0]]]]


def test_labels_are_hidden_evenly_by_the_seed_and_are_rows_of_zeros():
    data = bars(200)
    few = data.hide_labels(20, seed=3)
    assert torch.bincount(few.labels.long()).tolist() == [10, 10, 180]
    assert torch.equal(few.labels[few.labelled_indices], data.labels[few.labelled_indices])
    assert torch.equal(few.labelled_indices, data.hide_labels(20, seed=3).labelled_indices)
    assert not torch.equal(few.labelled_indices, data.hide_labels(20, seed=4).labelled_indices)
    c = few.one_hot_labels(slice(None))
    assert torch.equal(c.sum(1).nonzero().squeeze(1), few.labelled_indices)
    assert torch.equal(c[few.labelled_indices].argmax(1), few.labels[few.labelled_indices].long())
    assert few.fingerprint() != data.fingerprint()
    for wrong in (21, 2000):
        with pytest.raises(ConfigError, match=f"labels={wrong}: must be a multiple of 2 "):
            data.hide_labels(wrong, seed=0)


def test_labels_cannot_be_kept_where_there_are_none_or_a_class_has_too_few():
    unlabelled = Images(bars(8).x, torch.zeros(0, dtype=torch.uint8))
    with pytest.raises(ConfigError, match="labels=2: these images have no labels"):
        unlabelled.hide_labels(2, seed=0)
    one_class_is_missing = Images(bars(8).x, torch.zeros(8, dtype=torch.uint8), classes=2)
    with pytest.raises(
        ConfigError, match=r"labels=2: must be a multiple of 2 \(the number of classes\), at most 0"
    ):
        one_class_is_missing.hide_labels(2, seed=0)


def grey(count: int, binarize: str = "dynamic") -> Images:
    x = torch.randint(0, 256, (count, 1, 4, 4), generator=torch.manual_seed(5)).byte()
    return Images(x, torch.arange(count) % 2, binarize=binarize)


def test_pixels_are_drawn_anew_at_every_read_from_the_generator_of_training():
    images, index = grey(20), torch.tensor([3, 1, 7])
    torch.manual_seed(8)
    found = images.pixels(index)
    torch.manual_seed(8)
    assert torch.equal(found, (images.x[index] / 255).bernoulli())


def test_fixed_pixels_follow_the_brightness_and_stay():
    levels = torch.tensor([0, 64, 191, 255]).byte().view(1, 1, 2, 2)
    images = Images(levels.expand(4000, 1, 2, 2), torch.zeros(4000), binarize="dynamic")
    fixed = images.fix_pixels(0)
    assert fixed.x.dtype == torch.uint8
    pixels = fixed.pixels(slice(None))
    assert torch.equal(pixels, fixed.pixels(slice(None)))
    assert set(pixels.unique().tolist()) == {0.0, 1.0}
    shares = pixels.mean(0).flatten().tolist()
    assert (shares[0], shares[3]) == (0.0, 1.0)  # a black pixel is never white
    assert shares[1:3] == pytest.approx([64 / 255, 191 / 255], abs=0.025)
    assert torch.equal(fixed.x, fixed.fix_pixels(1).x)
    for same in (grey(4, "none"), grey(4, "threshold")):
        assert same.fix_pixels(0) is same


def test_a_black_pixel_stays_black_whatever_is_drawn(monkeypatch):
    images = Images(torch.tensor([[[[0, 255]]]]).byte(), torch.zeros(1), binarize="dynamic")
    for drawn in (0.0, 1 - 2**-24):  # the ends of the interval
        monkeypatch.setattr(
            torch, "rand", lambda shape, generator, drawn=drawn: torch.full(shape, drawn)
        )
        assert images.fix_pixels(0).x.flatten().tolist() == [0, 255]


@pytest.mark.parametrize("at_a_time", [1000, 7, 1])
def test_a_fixed_pixel_depends_on_seed_and_position_only(monkeypatch, at_a_time):
    """On nothing else: not on the other images, their number, or the state of any generator."""
    images = grey(40)
    random = torch.Generator().manual_seed(derive_seed(3, "pixels"))
    wanted = (torch.rand(40, 1, 4, 4, generator=random) < images.x / 255).float()
    monkeypatch.setattr("vaecli.data.images.BINARIZED_AT_A_TIME", at_a_time)
    state = torch.get_rng_state()
    assert torch.equal(images.fix_pixels(3).pixels(slice(None)), wanted)
    assert torch.equal(images.first(11).fix_pixels(3).pixels(slice(None)), wanted[:11])
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(images.fix_pixels(4).x, images.fix_pixels(3).x)


def test_a_random_part_is_a_choice_without_repeats_in_the_order_of_the_split():
    images = Images(torch.arange(50).byte().view(50, 1, 1, 1), torch.arange(50))
    part = images.random_part(20, seed=0)
    chosen = part.labels.tolist()
    assert chosen == sorted(set(chosen))
    assert part.x.flatten().tolist() == chosen
    assert chosen != list(range(20))
    assert images.random_part(20, seed=0).labels.tolist() == chosen
    assert images.random_part(20, seed=1).labels.tolist() != chosen
    assert set(images.random_part(10, seed=0).labels.tolist()) < set(chosen)
    assert images.random_part(50, seed=0).labels.tolist() == list(range(50))
    with pytest.raises(ConfigError, match="count=51: the split has only 50 images"):
        images.random_part(51, seed=0)


def test_every_image_is_in_a_random_part_equally_often():
    images = Images(torch.zeros(10, 1, 1, 1).byte(), torch.arange(10))
    chosen = torch.cat([images.random_part(3, seed).labels for seed in range(500)])
    assert torch.bincount(chosen, minlength=10).tolist() == pytest.approx([150] * 10, abs=40)

"""Images that are mapped from a file: their order, and that all else is as in memory."""

import math
from dataclasses import replace

import pytest
import torch

from tests.conftest import bars
from vaecli.config.config import Config
from vaecli.data import blocks
from vaecli.data.blocks import ReadAhead, block_order
from vaecli.data.cache import Window, cache_key, make_cached
from vaecli.data.images import Images
from vaecli.system.errors import ResourceError
from vaecli.system.seeds import stream_generator
from vaecli.training.loop import fit
from vaecli.training.state import start

IMAGE = torch.Size((3, 64, 64))  # 85 in a block of 1 MiB, 21,845 that are mixed
COUNT = 60_000


def order(epoch: int = 1, count: int = COUNT, image: torch.Size = IMAGE) -> torch.Tensor:
    return block_order(count, image, stream_generator(0, "order", epoch))


@pytest.fixture
def small(monkeypatch):
    """Blocks of 4 images of 8 x 8, of which 40 are mixed, and 8 read ahead."""
    monkeypatch.setattr(blocks, "BLOCK_SIZE", 256)
    monkeypatch.setattr(blocks, "MIXED_SIZE", 2560)
    monkeypatch.setattr(blocks, "AHEAD_SIZE", 512)


@pytest.fixture
def mapped(tmp_path, monkeypatch, small):
    """Maps images from a file."""
    monkeypatch.setenv("VAECLI_CACHE", str(tmp_path / "cache"))

    def make(images: Images) -> Images:
        def windows():
            yield Window(images.x, range(len(images)))

        key = cache_key([(images.fingerprint(), "")])
        found = make_cached(key, len(images), images.shape, windows, {}).mapped
        return replace(images, x=found.pixels, mapped=found)

    return make


def grey(count: int, binarize: str = "none") -> Images:
    x = torch.randint(0, 256, (count, 1, 8, 8), generator=torch.manual_seed(5)).byte()
    return Images(x, torch.arange(count) % 2, binarize=binarize)


@pytest.mark.parametrize("count", [1, 84, 85, 86, 1000, COUNT])
def test_the_order_has_every_image_once(count):
    assert torch.equal(order(count=count).sort().values, torch.arange(count))


def test_an_image_may_be_larger_than_a_block():
    huge = torch.Size((3, 10_000, 10_000))
    assert sorted(order(count=50, image=huge).tolist()) == list(range(50))


def test_the_order_follows_from_the_seed_and_differs_from_epoch_to_epoch():
    assert torch.equal(order(1), order(1))
    agree = (order(1) == order(2)).float().mean().item()
    assert agree < 0.001


def test_only_some_blocks_are_needed_at_a_time():
    """From its first image to its last, a block is open; its pages are then in memory."""
    block = order() // 85
    places = torch.arange(COUNT)
    first = torch.full((math.ceil(COUNT / 85),), COUNT).scatter_reduce(0, block, places, "amin")
    last = torch.zeros_like(first).scatter_reduce(0, block, places, "amax")
    opened = torch.zeros(COUNT + 1, dtype=torch.int64)
    opened.index_add_(0, first, torch.ones_like(first))
    opened.index_add_(0, last + 1, -torch.ones_like(last))
    most = opened.cumsum(0).max().item()
    assert 250 <= most <= 260  # 256 MiB of 706


def test_every_batch_mixes_many_blocks():
    blocks_of = [(part // 85).unique().numel() for part in order().split(128)[:-1]]
    assert min(blocks_of) >= 18
    assert min(blocks_of[171:-171]) >= 85  # of the 257 that are open; 101 if drawn evenly
    assert len(blocks_of) == 468


def test_the_place_of_an_image_says_nothing_about_when_it_comes():
    """Every image comes at every time of an epoch equally often, over epochs."""
    times = torch.stack([order(epoch).argsort().double() / COUNT for epoch in range(60)])
    assert times.mean(0).mean().item() == pytest.approx(0.5, abs=1e-3)
    for part in times.split(6000, dim=1):  # 71 blocks, 60 epochs: 4,260 draws, sd 0.289 / 65
        assert part.mean().item() == pytest.approx(0.5, abs=0.02)
        assert part.std().item() == pytest.approx(math.sqrt(1 / 12), abs=0.01)
    within = torch.corrcoef(torch.stack([torch.arange(85.0), times[0, :85].float()]))[0, 1]
    assert abs(within) < 0.5  # no order within a block


class Advice:
    """Stands for a mapping, and counts what is asked of it."""

    def __init__(self):
        self.kept = set()
        self.most = 0

    def read_ahead(self, part):
        block = part.flatten()[0].item()
        assert block not in self.kept
        self.kept.add(block)
        self.most = max(self.most, len(self.kept))

    def release(self, part):
        self.kept.discard(part.flatten()[0].item())


@pytest.mark.parametrize("start", [0, 8, 120, 200])
def test_what_is_used_was_asked_for_and_is_released_after_it(small, start):
    """Also if an epoch goes on in its middle."""
    x = torch.arange(50).repeat_interleave(4)[:199].byte().view(199, 1, 1, 1).expand(-1, 1, 8, 8)
    advice = Advice()
    sequence = block_order(199, x.shape[1:], stream_generator(0))
    reading = ReadAhead(advice, x, sequence)
    for position in range(start, 200, 8):
        reading.move_to(position)
        batch = sequence[position : position + 8]
        assert set((batch // 4).tolist()) <= advice.kept
        unused = set((sequence[position:] // 4).tolist())
        assert advice.kept <= unused
    reading.move_to(199)
    assert advice.kept == set()
    assert advice.most <= 16  # 10 are mixed, 2 ahead


def test_images_in_memory_keep_the_order_of_earlier_versions():
    images = grey(50)
    wanted = torch.randperm(50, generator=stream_generator(0, "order", 3))
    assert torch.equal(images.order(stream_generator(0, "order", 3)), wanted)
    images.read_ahead(wanted).move_to(8)


def test_mapped_images_are_those_in_memory(mapped):
    images = grey(200)
    large = mapped(images)
    index = torch.tensor([7, 3, 150])
    assert large.shape == images.shape
    for some in (index, slice(3, 50), slice(None)):
        assert torch.equal(large.pixels(some), images.pixels(some))
        assert torch.equal(large.subset(some).x, images.subset(some).x)
        assert torch.equal(large.subset(some).labels, images.subset(some).labels)
    assert torch.equal(large.mean(), images.mean())
    assert torch.equal(large.random_part(20, 0).x, images.random_part(20, 0).x)
    assert torch.equal(large.hide_labels(20, 0).labels, images.hide_labels(20, 0).labels)


def test_a_slice_stays_in_the_file_and_a_choice_is_copied(mapped):
    large = mapped(grey(200))
    part = large.first(150).subset(slice(30, 90))
    assert part.mapped is large.mapped
    assert part.x.data_ptr() == large.x.data_ptr() + 30 * 64
    assert large.subset(torch.arange(200)) is large  # all of them
    assert large.to(torch.device("cpu")) is large
    few = large.subset(torch.tensor([3, 1]))
    assert few.mapped is None
    few.x[0] = 0  # a mapped image may not be written to


def test_a_choice_that_does_not_fit_in_memory_is_refused(mapped, monkeypatch):
    monkeypatch.setattr("vaecli.system.machine.available_memory", lambda: 1000)
    large = mapped(grey(200))
    assert len(large.random_part(15, 0)) == 15
    with pytest.raises(ResourceError, match="A choice of 16 images needs"):
        large.random_part(16, 0)


def test_the_fingerprint_of_mapped_images_is_that_of_pixels_and_labels(mapped):
    images = grey(20)
    large = mapped(images)
    wanted = large.fingerprint()
    assert mapped(images).fingerprint() == wanted
    changed = images.x.clone()
    changed[19, 0, 7, 7] ^= 1
    part = large.first(10)
    others = [
        mapped(replace(images, x=changed)),
        replace(large, labels=1 - large.labels),
        part,
        large.subset(slice(10, 20)),
    ]
    assert len({wanted, *(other.fingerprint() for other in others)}) == 5
    assert part.fingerprint() == mapped(images.first(10)).fingerprint()


def test_fixed_pixels_of_mapped_images_follow_seed_and_position_only(mapped):
    large = mapped(grey(60, "dynamic"))
    fixed = large.fix_pixels(3)
    assert fixed.mapped is not None  # nothing was copied
    drawn = [torch.rand(1, 8, 8, generator=stream_generator(3, "pixels", i)) for i in range(60)]
    wanted = (torch.stack(drawn) < large.x / 255).float()
    index = torch.tensor([50, 2, 7])
    for some in (slice(None), slice(9, 20), index):
        assert torch.equal(fixed.pixels(some), wanted[some])
        assert torch.equal(fixed.subset(some).pixels(slice(None)), wanted[some])
    part = fixed.subset(slice(5, 40)).subset(torch.tensor([1, 30]))
    assert torch.equal(part.pixels(slice(None)), wanted[[6, 35]])
    assert fixed.fix_pixels(4) is fixed
    assert not torch.equal(large.fix_pixels(4).pixels(slice(None)), wanted)


def test_training_from_a_file_is_training_in_memory_but_for_the_order(mapped, monkeypatch):
    config = Config(epochs=2, batch_size=16, latent_dim=2, network="mlp:width=8")
    images, test = bars(100), bars(20, seed=1)
    large = mapped(images)
    found = [e for e in fit(start(config, large), large, mapped(test)) if hasattr(e, "test")]
    usual = [e for e in fit(start(config, images), images, test) if hasattr(e, "test")]
    assert [e.train for e in found] != [e.train for e in usual]
    monkeypatch.setattr(
        Images, "order", lambda self, generator: block_order(100, self.x.shape[1:], generator)
    )
    wanted = [e for e in fit(start(config, images), images, test) if hasattr(e, "test")]
    assert [(e.train, e.test) for e in found] == [(e.train, e.test) for e in wanted]
    assert len(found) == 2

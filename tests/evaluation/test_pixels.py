"""Which pixels are scored under dynamic binarization: numbers can be compared image by image."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import vaecli
from tests.builders import build
from tests.conftest import idx, write_idx
from tests.runs import arguments, losses
from vaecli.config.config import Config
from vaecli.data.images import Images
from vaecli.data.splits import load_part, load_split
from vaecli.evaluation import bounds
from vaecli.evaluation.bounds import evaluate, evaluate_bound, log_likelihood
from vaecli.training.loop import fit

CONFIG = Config(
    latent_dim=3, network="mlp:width=16,depth=1", binarize="dynamic", epochs=2, batch_size=32
)


def grey(count: int, seed: int = 0) -> Images:
    x = torch.randint(0, 256, (count, 1, 8, 8), generator=torch.manual_seed(seed)).byte()
    return Images(x, torch.arange(count) % 2, binarize="dynamic")


IMAGES = grey(40)
ALL = slice(None)


class Scored:
    """The pixels that a model encodes in evaluation, one batch after another."""

    def __init__(self, model) -> None:
        self.batches = []
        model.posterior.register_forward_pre_hook(self.add)

    def add(self, posterior, given) -> None:
        x = given[0]
        again = self.batches and torch.equal(self.batches[-1], x)  # the next chunk of samples
        if not posterior.training and not again:
            self.batches.append(x.clone())

    def read(self):
        pixels = torch.cat(self.batches)
        self.batches.clear()
        return pixels


def test_the_scored_pixels_depend_on_seed_and_image_only(monkeypatch):
    wanted = IMAGES.fix_pixels(3).pixels(ALL)
    for latent_dim, width in ((3, 16), (7, 5)):
        changes = {"latent_dim": latent_dim, "network": f"mlp:width={width},depth=1"}
        model, objective = build(replace(CONFIG, **changes), IMAGES.shape)
        scored = Scored(model)
        for size in (1000, 7):
            objective.evaluation_batch_size = size
            evaluate(model, objective, IMAGES, 3)
            assert torch.equal(scored.read(), wanted)
        for samples, decoded in ((1, 4000), (10, 4000), (10, 25), (10, 3)):
            monkeypatch.setattr(bounds, "MAX_DECODED_LATENTS", decoded)
            log_likelihood(model, IMAGES, samples, 3)
            assert torch.equal(scored.read(), wanted)
        log_likelihood(model, IMAGES, 10, 4)
        assert not torch.equal(scored.read(), wanted)


def test_bound_and_estimate_of_one_line_score_the_same_pixels(monkeypatch):
    monkeypatch.setattr(bounds, "MAX_DECODED_LATENTS", 90)  # 10 images at a time
    model, objective = build(CONFIG, IMAGES.shape)
    scored = Scored(model)
    evaluate_bound(model, objective, IMAGES, 9, 3, "dynamic")
    bound, estimate = scored.read().chunk(2)
    assert torch.equal(bound, estimate)
    assert torch.equal(bound, IMAGES.fix_pixels(3).pixels(ALL))


@pytest.fixture(scope="module")
def greys(tmp_path_factory) -> Path:
    """A folder of four MNIST-format files whose pixels have all levels of grey."""
    folder = write_idx(tmp_path_factory.mktemp("greys"), zipped=False)
    for name, images in (("train", grey(96, seed=3)), ("t10k", grey(40, seed=4))):
        pixels = idx(images.x.squeeze(1).numpy())
        (folder / f"{name}-images-idx3-ubyte").write_bytes(pixels)
    return folder


def test_an_image_has_the_same_pixels_in_every_part(greys):
    config = Config(data_dir=str(greys), binarize="dynamic")
    whole, of, *_ = load_part(config, "test", None, seed=5)
    part, part_of, *_ = load_part(config, "test", 13, seed=5)
    assert (len(whole), of, len(part), part_of) == (40, 40, 13, 40)
    assert torch.equal(whole.x, load_split(config, "test").fix_pixels(5).x)
    everywhere = {x.numpy().tobytes() for x in whole.x}
    assert len(everywhere) == 40
    assert {x.numpy().tobytes() for x in part.x} < everywhere


def test_every_epoch_scores_the_same_test_and_validation_pixels():
    """And not those of another split, or of another seed."""
    test, validation = grey(20, seed=1), grey(12, seed=2)
    state = vaecli.start(replace(CONFIG, seed=6), IMAGES)
    scored = Scored(state.model)
    for event in fit(state, IMAGES, test, validation):
        if isinstance(event, vaecli.Epoch):
            pixels = scored.read()
            assert torch.equal(pixels[:20], test.fix_pixels(6).pixels(ALL))
            assert torch.equal(pixels[20:], validation.fix_pixels(6).pixels(ALL))
            assert event.test == evaluate(state.model, state.objective, test, 6)
            scored.batches.clear()


def test_pixels_are_drawn_once_and_not_in_every_epoch(monkeypatch):
    fixed = []
    draw = Images.fix_pixels

    def watched(self, seed):
        if self.binarize == "dynamic":
            fixed.append((len(self), seed))
        return draw(self, seed)

    monkeypatch.setattr(Images, "fix_pixels", watched)
    state = vaecli.start(CONFIG, IMAGES)
    list(fit(state, IMAGES, grey(20), grey(12)))
    assert fixed == [(20, 0), (12, 0)]


def test_evaluate_repeats_the_last_row_of_losses_csv(cli, greys, tmp_path):
    options = ("-q", "--epochs", 2, "--binarize", "dynamic", "--validation", 30, "--seed", 4)
    assert cli(*arguments(greys, tmp_path / "run", *options)).status == 0
    row = losses(tmp_path / "run")[-1]
    command = ("evaluate", "-r", tmp_path / "run", "--checkpoint", "last", "--seed", 4)
    for split, columns in (("test", "test"), ("validation", "valid")):
        found = json.loads(cli(*command, "--split", split).out)
        assert found["distortion"] == pytest.approx(float(row[f"{columns}_distortion"]), rel=1e-5)
        assert found["rate"] == pytest.approx(float(row[f"{columns}_rate"]), rel=1e-5)
        assert found["negative_elbo"] == pytest.approx(float(row[f"{columns}_loss"]), rel=1e-5)

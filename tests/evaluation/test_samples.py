"""Metrics of the samples of a model, which must tell good samples from bad and copied ones."""

import json
from dataclasses import replace

import pytest
import torch

from tests.builders import build
from vaecli.config.config import Config
from vaecli.evaluation import intervals
from vaecli.evaluation import samples as module
from vaecli.evaluation.features import Features
from vaecli.evaluation.sample_metrics import class_distance
from vaecli.evaluation.samples import PROGRESS_STEPS, evaluate_samples, load_real_images
from vaecli.system.errors import ConfigError
from vaecli.system.seeds import stream_generator

SMALL = {"network": "mlp:width=8,depth=1", "latent_dim": 2, "train_images": 1000}
CONFIG = Config(**SMALL)
METRICS = ["clear", "rarest", "class_distance", "frechet_distance"]
METRICS += ["precision", "recall", "density", "coverage", "nearest_training_image"]


@pytest.fixture(scope="module")
def whole():
    return load_real_images(CONFIG, 1000, 5)


@pytest.fixture(scope="module")
def real(whole):
    """Fewer test images, for speed."""
    return replace(whole, test=whole.test.random_part(2000, 0))


@pytest.fixture
def judge(real, monkeypatch):
    """The metrics of given images, as if a model had sampled them."""
    monkeypatch.setattr(intervals, "RESAMPLES", 10)
    monkeypatch.setattr(module, "NEAREST_IMAGES", 200)
    monkeypatch.setattr(module, "load_real_images", lambda *_: real)

    def judge(x=None, seed=0, on_progress=lambda _: None, **changes):
        if x is not None:
            monkeypatch.setattr(module, "sample_prior", lambda *_: x)
        config = CONFIG.with_values(**changes)
        torch.manual_seed(0)
        model, _ = build(config, (1, 28, 28), 10)
        return evaluate_samples(model, config, 1000, seed, on_progress)

    return judge


def test_real_images_in_place_of_samples_score_as_real_images(judge, real):
    steps = []
    found = judge(real.train.pixels(slice(None)), on_progress=steps.append)
    assert sum(steps) == PROGRESS_STEPS
    assert list(found) == ["metrics", "feature_space", "samples", "seed", *METRICS]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for name in ("frechet_distance", "precision", "recall", "density", "coverage"):
        real_figure = found[name].pop("real")
        assert found[name] == real_figure  # the same images, subsets and resamples
    assert found["clear"]["value"] == pytest.approx(0.96, abs=0.02)
    assert found["clear"]["real"]["value"] == pytest.approx(0.96, abs=0.01)
    assert (found["clear"]["n"], found["clear"]["real"]["n"]) == (1000, 2000)
    assert found["class_distance"]["value"] == pytest.approx(
        found["class_distance"]["real"]["value"], rel=0.1
    )


def test_one_digit_alone_is_clear_but_neither_complete_nor_diverse(judge, whole):
    ones = whole.test.subset((whole.test.labels == 1).nonzero().squeeze(1)[:1000])
    found = judge(ones.pixels(slice(None)))
    assert found["clear"]["value"] > 0.95
    assert found["rarest"]["value"] == 0
    assert found["rarest"]["n"] == round(1000 * found["clear"]["value"])
    assert found["precision"]["value"] > 0.9
    assert found["recall"]["value"] < 0.6
    assert found["coverage"]["value"] < 0.3
    assert found["frechet_distance"]["value"] > 20 * found["frechet_distance"]["real"]["value"]


def test_samples_that_copy_training_images_show(judge, real):
    seen = real.seen.pixels(slice(None))
    found = judge(seen)["nearest_training_image"]
    assert found["value"] < 1e-6
    assert found["real"]["value"] > 3
    half = torch.where(
        torch.arange(1000).view(-1, 1, 1, 1) < 500, seen, real.test.pixels(slice(1000))
    )
    assert judge(half)["nearest_training_image"]["high"] < 0.75 * found["real"]["low"]


def test_reconstructions_are_those_of_the_model(judge, real):
    found = judge(real.train.pixels(slice(None)))["nearest_training_image"]
    grey = found["reconstructions"]["value"]  # an untrained decoder: about 0.5 everywhere
    assert 10 < grey < 15
    assert found["n"] == found["real"]["n"] == found["reconstructions"]["n"] == 200


def test_a_conditional_model_must_draw_the_digits_that_it_was_given(judge, real):
    order = real.test.labels.argsort(stable=True)
    lists = [order[real.test.labels[order] == label][:100] for label in range(10)]
    cycling = torch.stack(lists, 1).flatten()  # 0, 1, ... 9, 0, ...
    x = real.test.pixels(cycling)
    found = judge(x, conditional=True)
    assert found["right"]["value"] == pytest.approx(found["clear"]["value"], abs=0.02)
    assert found["right"]["value"] > 0.9
    assert found["right"]["real"]["value"] == pytest.approx(0.96, abs=0.015)
    wrong = judge(x.roll(1, 0), conditional=True)
    assert wrong["right"]["value"] < 0.02
    assert wrong["clear"]["value"] == found["clear"]["value"]
    assert "right" not in judge(x)


def test_the_seed_decides(judge):
    first, again, other = judge(), judge(), judge(seed=1)
    assert first == again
    assert first["seed"] == 0
    assert first["frechet_distance"]["value"] != other["frechet_distance"]["value"]
    assert first["clear"]["value"] == 0  # an untrained model
    assert first["rarest"]["n"] == 0


def test_only_clear_digits_are_counted_and_right():
    """Eight images, of which the classifier is sure of six: three 0, two 1 and one 2."""
    predicted = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
    probabilities = 0.99 * torch.eye(3, dtype=torch.float64)[predicted]
    probabilities[6:] *= 0.9
    features = Features(torch.rand(8, 4, dtype=torch.float64), probabilities)
    labels = torch.tensor([0, 0, 1, 1, 1, 1, 2, 2])
    found = module._describe(features, labels, 0)
    assert found["clear"]["value"] == 6 / 8
    assert (found["rarest"]["digit"], found["rarest"]["value"]) == (2, 1 / 6)
    assert found["right"]["value"] == 4 / 8
    by_label = class_distance(features.values, labels, stream_generator(0, "class distance"))
    assert found["class_distance"]["value"] == by_label.value


def test_a_part_is_chosen_at_random():
    chosen = module._choose(100, 30, 0)
    assert len(set(chosen.tolist())) == 30
    assert chosen.max() > 60
    assert torch.equal(module._choose(100, 30, 0), chosen)
    assert not torch.equal(module._choose(100, 30, 1), chosen)
    assert sorted(module._choose(5, 30, 0).tolist()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("binarize", ["threshold", "dynamic"])
def test_reconstructions_are_of_the_pixels_that_the_model_reads(judge, real, monkeypatch, binarize):
    read = []

    def reconstruct(model, images):
        read.append(images)
        return images.pixels(slice(None)), images.pixels(slice(None))

    monkeypatch.setattr(module, "reconstruct", reconstruct)
    judge(real.train.pixels(slice(None)), seed=4, binarize=binarize)
    test = real.test.subset(module._choose(2000, 200, 4))
    expected = replace(test, binarize=binarize).fix_pixels(4)
    assert torch.equal(read[0].pixels(slice(None)), expected.pixels(slice(None)))


def test_the_real_images_are_those_of_the_data_set_whatever_the_run_uses():
    config = Config(**SMALL, test_images=20, validation=100, patience=3, binarize="threshold")
    real = load_real_images(config, 1500, 0)
    assert [len(part) for part in (real.train, real.seen, real.test)] == [1500, 900, 10_000]
    assert len(load_real_images(config, 60_000, 0).train) == 60_000
    assert {real.train.binarize, real.seen.binarize, real.test.binarize} == {"none"}
    assert torch.equal(real.seen.x, load_real_images(CONFIG, 1000, 1).seen.x[:900])
    assert not torch.equal(real.train.x[:1000], real.seen.x[:1000])


def test_too_few_and_too_many_samples_are_refused():
    model, _ = build(CONFIG, (1, 28, 28), 10)
    with pytest.raises(
        ConfigError, match=r"count=999: metrics=samples needs 1,000 samples or more"
    ):
        evaluate_samples(model, CONFIG, 999)
    with pytest.raises(ConfigError, match="count=60001: metrics=samples compares with as many"):
        evaluate_samples(model, CONFIG, 60_001)

import pytest
import torch

from tests.conftest import bars
from vaecli.config.build import build
from vaecli.config.config import Config
from vaecli.evaluation.batches import chunks, evaluating
from vaecli.evaluation.bounds import evaluate
from vaecli.evaluation.embeddings import embed
from vaecli.evaluation.means import Means
from vaecli.objectives import Terms

SHAPE = (1, 8, 8)
CONFIG = Config(latent_dim=3, network="mlp:width=16,depth=1")


@pytest.fixture
def parts():
    return build(CONFIG, SHAPE)


def terms(loss):
    return Terms(torch.tensor(loss), {"loss": torch.tensor(loss)})


def test_means_are_weighted_by_images():
    means = Means()
    means.add(terms(1.0), 30)
    means.add(terms(4.0), 10)
    assert means.images == 40
    assert means.read() == {"loss": (1.0 * 30 + 4.0 * 10) / 40}


@pytest.mark.parametrize("chunk", [1000, 40, 16, 7])
def test_every_image_counts_once_whatever_the_chunk(parts, chunk):
    """The rate needs no noise, so that it must agree with one pass over all images."""
    images = bars(40)
    parts[1].largest = chunk
    wanted = parts[0].draw(images.pixels(slice(None))).rate.mean().item()
    assert evaluate(*parts, images, seed=0)["rate"] == pytest.approx(wanted, rel=1e-5)


def test_loss_is_distortion_plus_rate_in_nats_per_image(parts):
    one = evaluate(*parts, bars(40), seed=0)
    assert one["loss"] == pytest.approx(one["distortion"] + one["rate"], rel=1e-5)
    assert 64 * 0.5 < one["distortion"] < 64 * 0.9  # an untrained pixel costs about log 2


def test_the_same_seed_gives_the_same_loss_and_training_noise_is_left_alone(parts):
    state = torch.get_rng_state()
    first = evaluate(*parts, bars(40), seed=0)
    assert evaluate(*parts, bars(40), seed=0) == first
    assert evaluate(*parts, bars(40), seed=1) != first
    assert torch.equal(torch.get_rng_state(), state)


def test_evaluating_rests_the_model_and_gives_it_back(parts):
    model = parts[0].train()
    with evaluating(model):
        assert not model.training
        assert torch.is_inference_mode_enabled()
    assert model.training


def test_chunks_are_all_images_in_order():
    images = bars(20)
    found = list(chunks(images, torch.device("cpu"), 7))
    assert [len(x) for x, _ in found] == [7, 7, 6]
    assert torch.equal(torch.cat([x for x, _ in found]), images.pixels(slice(None)))
    assert torch.equal(torch.cat([c for _, c in found]), images.one_hot_labels(slice(None)))


def test_embeddings_are_those_of_the_model(parts):
    images = bars(20)
    found = embed(parts[0], images)
    q = parts[0].posterior(images.pixels(slice(None)))
    torch.testing.assert_close(torch.from_numpy(found.mean), q.mean.detach())
    torch.testing.assert_close(torch.from_numpy(found.log_var), q.log_var.detach())
    assert found.label.tolist() == images.labels.tolist()

"""A data set as latents."""

import io

import numpy as np
import pytest
import torch

from tests.builders import build
from tests.conftest import bars
from vaecli.config.config import Config
from vaecli.evaluation.embeddings import Embeddings, embed


def test_embeddings_are_those_of_the_model(parts):
    images = bars(20)
    found = embed(parts[0], images)
    q = parts[0].posterior(images.pixels(slice(None)))
    torch.testing.assert_close(torch.from_numpy(found.mean), q.mean.detach())
    torch.testing.assert_close(torch.from_numpy(found.log_var), q.log_var.detach())
    assert found.label.tolist() == images.labels.tolist()


def test_embeddings_of_more_than_one_batch_keep_the_order_of_the_images(parts):
    images = bars(1003)
    found = embed(parts[0], images)
    assert found.mean.shape == (1003, 3)
    last = parts[0].posterior(images.pixels(slice(1001, 1003))).mean.detach()
    torch.testing.assert_close(torch.from_numpy(found.mean[1001:]), last)


def test_a_conditional_model_reads_the_label_of_each_image_and_a_point_has_no_variance():
    size = {"latent_dim": 3, "network": "mlp:width=16,depth=1", "objective": "elbo:beta=0"}
    model, _ = build(Config(conditional=True, posterior="dirac", **size), (1, 8, 8), 2)
    images = bars(20)
    found = embed(model, images)
    c = torch.eye(2)[images.labels.long()]
    wanted = model.posterior(images.pixels(slice(None)), c).mean.detach()
    torch.testing.assert_close(torch.from_numpy(found.mean), wanted)
    assert (found.log_var == -np.inf).all()


SMALL = Embeddings(
    np.array([7, 0, 9], np.uint8),
    np.array([[0.5, -1], [2, 3], [-0.25, 1e-3]], np.float32),
    np.array([[0, 1], [2, 3], [4, 5]], np.float32),
)


@pytest.mark.parametrize("ending", [".npz", ".npy", ".csv"])
def test_every_format_holds_the_means_in_order(ending):
    content = SMALL.to_bytes(ending)
    if ending == ".csv":
        assert content.decode() == (
            "index,label,z1,z2\n0,7,0.5,-1.0\n1,0,2.0,3.0\n2,9,-0.25,0.001\n"
        )
        return
    found = np.load(io.BytesIO(content))
    if ending == ".npy":
        np.testing.assert_array_equal(found, SMALL.mean)
        return
    assert sorted(found) == ["index", "label", "log_var", "mean"]
    assert found["index"].tolist() == [0, 1, 2]
    for name in ("label", "mean", "log_var"):
        np.testing.assert_array_equal(found[name], getattr(SMALL, name))

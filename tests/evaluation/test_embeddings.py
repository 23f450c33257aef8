"""A data set as latents."""

import torch

from tests.conftest import bars
from vaecli.evaluation.embeddings import embed


def test_embeddings_are_those_of_the_model(parts):
    images = bars(20)
    found = embed(parts[0], images)
    q = parts[0].posterior(images.pixels(slice(None)))
    torch.testing.assert_close(torch.from_numpy(found.mean), q.mean.detach())
    torch.testing.assert_close(torch.from_numpy(found.log_var), q.log_var.detach())
    assert found.label.tolist() == images.labels.tolist()

"""Batches that processes compute in turn: the numbers are those of one, to the last bit."""

import pytest
import torch

from tests.builders import build
from tests.conftest import bars
from vaecli.config.config import Config
from vaecli.evaluation.bounds import log_likelihood
from vaecli.evaluation.embeddings import embed
from vaecli.system import processes


@pytest.fixture
def as_process(monkeypatch):
    """Stand in for one of several processes, which hears nothing of the others."""

    def stand_in(rank, count, kind):
        monkeypatch.setattr(processes, "rank", lambda: rank)
        monkeypatch.setattr(processes, "count", lambda: count)
        monkeypatch.setattr(processes, "broadcast", lambda value: [kind])
        monkeypatch.setattr(processes, "sum_tensors", lambda tensors: None)

    return stand_in


def joined(parts):
    """The sum of what the processes found, byte by byte: each byte comes from one of them."""
    as_bytes = torch.stack([part.contiguous().view(torch.uint8) for part in parts])
    assert int((as_bytes > 0).sum(0).max()) <= 1
    return as_bytes.sum(0, dtype=torch.uint8).view(parts[0].dtype)


OPTIONS = [
    {},
    {"posterior": "flow"},
    {"posterior": "ladder", "prior": "hierarchical"},
    {"posterior": "vmf", "prior": "sphere"},
    {"conditional": True},
]


@pytest.mark.parametrize("count", [2, 3, 40])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_processes_in_turn_estimate_the_likelihood_of_one(as_process, options, count):
    model, _ = build(Config(latent_dim=4, network="mlp:width=4", **options), (1, 8, 8), 2)
    images = bars(15)
    sum_labels = bool(model.context)
    arguments = (model, images, 1500, 0, None, sum_labels)  # batches of two images
    alone = log_likelihood(*arguments)
    parts = []
    for rank in range(count):
        as_process(rank, count, ((), torch.float32))
        parts.append(log_likelihood(*arguments))
    assert torch.equal(joined(parts), alone)


@pytest.mark.parametrize("binarize", ["none", "dynamic"])
@pytest.mark.parametrize("posterior", ["gaussian", "flow", "dirac"])
def test_processes_in_turn_embed_as_one(as_process, monkeypatch, posterior, binarize):
    objective = {"objective": "elbo:beta=0"} if posterior == "dirac" else {}
    config = Config(latent_dim=4, network="mlp:width=4", posterior=posterior, **objective)
    model, _ = build(config, (1, 8, 8), 2)
    images = bars(2500)
    object.__setattr__(images, "binarize", binarize)
    alone = embed(model, images)
    parts = []
    for rank in range(2):
        as_process(rank, 2, (torch.Size([4]), torch.float32))
        parts.append(embed(model, images))
    for name in ("mean", "log_var"):
        found = joined([torch.from_numpy(getattr(part, name)) for part in parts])
        assert found.numpy().tobytes() == getattr(alone, name).tobytes()

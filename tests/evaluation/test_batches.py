"""Passes over images without gradients."""

import torch

from tests.conftest import bars
from vaecli.evaluation.batches import batches, evaluation_mode


def test_evaluation_mode_disables_training_behaviour_and_restores_it(parts):
    model = parts[0].train()
    with evaluation_mode(model):
        assert not model.training
        assert torch.is_inference_mode_enabled()
    assert model.training


def test_batches_hold_all_images_in_order():
    images = bars(20)
    found = list(batches(images, torch.device("cpu"), 7))
    assert [len(x) for x, _ in found] == [7, 7, 6]
    assert torch.equal(torch.cat([x for x, _ in found]), images.pixels(slice(None)))
    assert torch.equal(torch.cat([c for _, c in found]), images.one_hot_labels(slice(None)))

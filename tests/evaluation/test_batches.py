"""Passes over images without gradients."""

import pytest
import torch

from tests.conftest import bars
from vaecli.evaluation.batches import batches, evaluation_mode


def test_evaluation_mode_disables_training_behaviour_and_restores_it(parts):
    model = parts[0].train()
    with evaluation_mode(model):
        assert not model.training
        assert torch.is_inference_mode_enabled()
    assert model.training


@pytest.mark.parametrize("was_training", [(True, False), (False, True)])
def test_evaluation_mode_restores_each_module_also_after_an_error(parts, was_training):
    for module, mode in zip(parts, was_training, strict=True):
        module.train(mode)

    def fail():
        with evaluation_mode(*parts):
            assert [module.training for module in parts] == [False, False]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert tuple(module.training for module in parts) == was_training
    assert not torch.is_inference_mode_enabled()


def test_batches_hold_all_images_in_order():
    images = bars(20)
    found = list(batches(images, torch.device("cpu"), 7))
    assert [len(x) for x, _ in found] == [7, 7, 6]
    assert torch.equal(torch.cat([x for x, _ in found]), images.pixels(slice(None)))
    assert torch.equal(torch.cat([c for _, c in found]), images.one_hot_labels(slice(None)))


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_restored_whatever_it_was_also_after_an_error(parts, training):
    model = parts[0].train(training)
    with evaluation_mode(model):
        assert not any(module.training for module in model.modules())
    assert all(module.training == training for module in model.modules())
    with pytest.raises(KeyError), evaluation_mode(model):
        raise KeyError
    assert all(module.training == training for module in model.modules())
    assert not torch.is_inference_mode_enabled()

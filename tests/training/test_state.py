"""The state of training: what a checkpoint holds, and the compiled objective."""

from dataclasses import replace

import pytest
import torch

from tests.builders import build
from tests.conftest import bars
from tests.runs import assert_same_tensors
from tests.training.test_loop import CONFIG, TEST, TRAIN
from vaecli.system import machine
from vaecli.system.errors import ConfigError, ResourceError
from vaecli.training.epoch import Epoch
from vaecli.training.loop import Step, fit
from vaecli.training.state import start


def test_every_parameter_of_model_and_objective_is_trained():
    state = start(replace(CONFIG, objective="factor"), TRAIN)
    ours = [*state.model.parameters(), *state.objective.parameters()]
    assert state.parameters == sum(p.numel() for p in ours)
    before = [p.detach().clone() for p in ours]
    next(fit(state, TRAIN, TEST))
    assert all((p != old).any() for p, old in zip(ours, before, strict=True))


def test_the_weights_of_a_new_state_come_from_the_seed():
    assert_same_tensors(start(CONFIG, TRAIN).tensors(), start(CONFIG, bars(8)).tensors())
    other = start(replace(CONFIG, seed=1), TRAIN).tensors()
    name = "model.posterior.head.weight"
    assert not torch.equal(other[name], start(CONFIG, TRAIN).tensors()[name])


def test_a_new_state_is_built_for_its_images():
    """For their mean, where the output bias comes from the data, and for their number."""
    network = "mlp:width=16,depth=1,output_bias=data"
    config = replace(CONFIG, network=network, objective="beta-tc")
    state = start(config, TRAIN)
    x = TRAIN.pixels(slice(8))

    def loss_of(images):
        _, objective = build(config, TRAIN.shape, TRAIN.classes, TRAIN.mean, images)
        torch.manual_seed(0)
        return objective(state.model, x).loss.item()

    model, _ = build(config, TRAIN.shape, TRAIN.classes, TRAIN.mean, 100)
    assert_same_tensors(state.model.state_dict(), model.state_dict())
    no_mean, _ = build(config, TRAIN.shape, TRAIN.classes, None, 100)
    with pytest.raises(AssertionError):
        assert_same_tensors(state.model.state_dict(), no_mean.state_dict())
    torch.manual_seed(0)
    assert state.objective(state.model, x).loss.item() == loss_of(100) != loss_of(50)


def test_a_state_is_restored_from_its_tensors_and_its_position():
    state = start(CONFIG, TRAIN)
    events = fit(state, TRAIN, TEST)
    while not isinstance(next(events), Epoch):
        pass
    next(events)
    next(events)
    saved = {name: tensor.clone() for name, tensor in state.tensors().items()}
    other = start(replace(CONFIG, seed=9), TRAIN)
    other.restore(saved, state.position(), state.history)
    assert_same_tensors(other.tensors(), saved)
    assert other.position() == state.position()
    assert other.position()["batch"] == 2
    assert other.means.read() == state.means.read()
    assert other.history == state.history
    assert other.history is not state.history


def test_a_rollback_halves_the_learning_rate():
    state = start(CONFIG, TRAIN)
    state.rollbacks = 3
    assert next(fit(state, TRAIN, TEST)).learning_rate == pytest.approx(1e-2 / 8)


def test_the_means_of_an_epoch_in_progress_are_part_of_the_state():
    state = start(CONFIG, TRAIN)
    next(fit(state, TRAIN, TEST))
    assert state.position()["names"] == ("loss", "distortion", "rate")
    assert state.position()["images"] == 32
    assert state.tensors()["means.sums"].shape == (3,)


def test_a_missing_device_is_refused():
    with pytest.raises(ConfigError, match="this machine has"):
        start(replace(CONFIG, device="cuda:99"), TRAIN)


def test_an_objective_that_torch_cannot_compile_is_not_compiled():
    config = replace(CONFIG, compile=True)
    assert start(config, TRAIN).compile
    assert not start(replace(config, posterior="dirac", objective="adversarial"), TRAIN).compile


def test_the_first_batch_of_a_process_is_not_compiled(monkeypatch):
    """It caches the lookup of the KL formula, which torch.compile cannot trace."""
    compiled = []

    def compile(objective):
        compiled.append(state.steps)
        return objective

    from torch._inductor import config as inductor

    monkeypatch.setattr(inductor, "fallback_random", False)
    monkeypatch.setattr(torch, "compile", compile)
    state = start(replace(CONFIG, compile=True), TRAIN)
    list(fit(state, TRAIN, TEST))
    assert compiled == [1]
    assert inductor.fallback_random  # else compiled noise would be other noise


@pytest.mark.slow
def test_compiled_training_is_the_same_training():
    try:
        torch.compile(torch.neg)(torch.zeros(1))
    except Exception as error:
        pytest.skip(f"torch cannot compile here: {error}")
    plain = start(CONFIG, TRAIN)
    compiled = start(replace(CONFIG, compile=True), TRAIN)
    for state in (plain, compiled):
        steps = sum(isinstance(event, Step) for event in fit(state, TRAIN, TEST))
        assert steps == 12
    for name, tensor in plain.tensors().items():
        torch.testing.assert_close(compiled.tensors()[name], tensor, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("optimizer", "copies"),
    [("adam", 4), ("sgd", 3)],  # weights, gradients, and the averages of the optimizer
)
def test_a_model_that_does_not_fit_in_memory_is_refused_before_it_is_built(
    monkeypatch, optimizer, copies
):
    config = replace(CONFIG, optimizer=optimizer)
    needed = copies * 4 * start(config, TRAIN).parameters
    monkeypatch.setattr(machine, "available_memory", lambda: needed + 4)  # Adam counts its steps
    start(config, TRAIN)
    monkeypatch.setattr(machine, "available_memory", lambda: needed - 1)
    with pytest.raises(ResourceError, match="Training a model of this width"):
        start(config, TRAIN)


def test_the_size_of_a_model_is_found_without_its_memory():
    """A model of this size would be killed, and not refused."""
    with pytest.raises(ResourceError, match="MB are left"):
        start(replace(CONFIG, latent_dim=2**31 - 1), TRAIN)

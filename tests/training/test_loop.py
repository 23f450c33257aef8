"""The training loop: plain gradient descent that waits for nothing and repeats itself exactly."""

import hashlib
import itertools
from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.conftest import bars
from vaecli.config.config import Config
from vaecli.data.images import Images
from vaecli.evaluation.bounds import evaluate
from vaecli.training import loop
from vaecli.training.epoch import Epoch
from vaecli.training.loop import Step, fit
from vaecli.training.state import start

CONFIG = Config(latent_dim=3, network="mlp:width=16,depth=1", epochs=3, batch_size=32, lr=1e-2)
TRAIN = bars(100)
TEST = bars(40, seed=1)
# Calls of torch that wait for an accelerator.
WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero")


def train(config=CONFIG, images=TRAIN, between=lambda: None):
    """The state after training, and the epochs."""
    state = start(config, images)
    epochs = []
    for event in fit(state, images, TEST):
        between()
        if isinstance(event, Epoch):
            epochs.append(event)
    return state, epochs


def weights(state):
    return torch.cat([p.detach().flatten() for p in state.model.parameters()])


def seed(*key):
    """The seed of the random stream with this name, on which resuming an old run depends."""
    return int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:4], "little")


def test_training_lowers_the_loss_of_held_out_images():
    _, epochs = train(replace(CONFIG, epochs=40))
    untrained = start(CONFIG, TRAIN)
    before = evaluate(untrained.model, untrained.objective, TEST, 0)["loss"]
    assert epochs[-1].test["loss"] < 0.7 * before
    assert epochs[-1].train["loss"] < 0.7 * epochs[0].train["loss"]


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_every_optimizer_trains(optimizer):
    _, epochs = train(replace(CONFIG, optimizer=optimizer, lr=1e-3, epochs=8))
    assert epochs[-1].train["loss"] < epochs[0].train["loss"]


def test_an_epoch_is_plain_gradient_descent_on_every_image():
    """The same epoch written out, with an optimizer of torch."""
    state = start(CONFIG, TRAIN)
    reference = start(CONFIG, TRAIN)
    optimizer = torch.optim.Adam(reference.model.parameters(), lr=1e-2)
    order = torch.randperm(100, generator=torch.Generator().manual_seed(seed(0, "order", 1)))
    assert sorted(order.tolist()) == list(range(100))
    losses = []
    for batch, index in enumerate([order[:32], order[32:64], order[64:96], order[96:]], start=1):
        torch.manual_seed(seed(0, "noise", 1, batch))
        loss = reference.objective(reference.model, TRAIN.x[index] / 255).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item() * len(index))
    epoch = next(event for event in fit(state, TRAIN, TEST) if isinstance(event, Epoch))
    torch.testing.assert_close(weights(state), weights(reference), rtol=1e-4, atol=1e-6)
    assert epoch.train["loss"] == pytest.approx(sum(losses) / 100, rel=1e-5)


def test_the_noise_of_the_test_loss_is_the_same_in_every_epoch():
    state = start(CONFIG, TRAIN)
    for event in fit(state, TRAIN, TEST):
        if isinstance(event, Epoch):
            assert event.test == evaluate(state.model, state.objective, TEST, CONFIG.seed)


def test_validation_images_are_evaluated_and_not_trained_on():
    validated = start(CONFIG, TRAIN)
    *_, epoch = fit(validated, TRAIN, TEST, bars(20, seed=2))
    expected = evaluate(validated.model, validated.objective, bars(20, seed=2), CONFIG.seed)
    assert epoch.valid == expected
    plain, epochs = train()
    assert torch.equal(weights(plain), weights(validated))
    assert epochs[-1].valid == {}


def test_reconstructions_resemble_their_inputs():
    state, _ = train(replace(CONFIG, epochs=60))
    x = TEST.pixels(slice(None))
    both = torch.stack([x.flatten(), state.model.reconstruct(x).flatten()])
    assert torch.corrcoef(both)[0, 1] > 0.5


def test_the_same_seed_trains_the_same_model_bit_for_bit():
    first, first_epochs = train()
    again, again_epochs = train()
    assert torch.equal(weights(first), weights(again))
    assert [e.test for e in first_epochs] == [e.test for e in again_epochs]
    other, _ = train(replace(CONFIG, seed=1))
    assert not torch.equal(weights(first), weights(other))


def test_random_numbers_drawn_between_batches_do_not_change_training():
    disturbed, _ = train(between=lambda: torch.randn(7))
    assert torch.equal(weights(train()[0]), weights(disturbed))


def test_steps_and_epochs_count_from_one():
    events = list(fit(start(CONFIG, TRAIN), TRAIN, TEST))
    steps = [e for e in events if isinstance(e, Step)]
    assert [(s.epoch, s.batch, s.batches) for s in steps[:5]] == [
        (1, 1, 4),
        (1, 2, 4),
        (1, 3, 4),
        (1, 4, 4),
        (2, 1, 4),
    ]
    assert [e.number for e in events if isinstance(e, Epoch)] == [1, 2, 3]


def test_the_means_of_an_epoch_are_its_own():
    seen = [
        (event.means.images, event.means.batches)
        for event in fit(start(CONFIG, TRAIN), TRAIN, TEST)
        if isinstance(event, Step)
    ]
    assert seen == [(32, 1), (64, 2), (96, 3), (100, 4)] * 3


def test_the_history_holds_the_epochs_that_were_yielded():
    state, epochs = train()
    assert state.history == epochs
    assert all(e.train_seconds > 0 and e.test_seconds > 0 for e in state.history)


def test_the_seconds_of_a_step_are_counted_from_the_start_of_its_epoch():
    state = start(CONFIG, TRAIN)
    seconds = []
    for event in fit(state, TRAIN, TEST):
        if isinstance(event, Epoch):
            assert event.train_seconds >= seconds[-1]
            break
        seconds.append(state.seconds)
    assert seconds == sorted(seconds)
    assert state.seconds == 0.0


def test_a_step_reads_the_means_so_far():
    first = next(fit(start(CONFIG, TRAIN), TRAIN, TEST)).read()
    assert first.keys() == {"loss", "distortion", "rate"}
    assert first["loss"] == pytest.approx(first["distortion"] + first["rate"], rel=1e-5)


def test_a_step_reports_the_learning_rate_of_its_batch():
    config = replace(CONFIG, lr_schedule="linear", lr_warmup=0.5)
    rates = [e.learning_rate for e in fit(start(config, TRAIN), TRAIN, TEST) if isinstance(e, Step)]
    expected = []
    for batch in range(12):
        progress = (batch + 0.5) / 12  # in the middle of the batch
        expected.append(1e-2 * min(1, progress / 0.5) * (1 - progress))
    assert rates == pytest.approx(expected)


def test_training_continues_from_its_history():
    state, _ = train()
    state.config = replace(CONFIG, epochs=5)
    assert [e.number for e in fit(state, TRAIN, TEST) if isinstance(e, Epoch)] == [4, 5]
    assert list(fit(state, TRAIN, TEST)) == []


@pytest.mark.parametrize("images", [1, 2, 33])
def test_few_images_and_a_short_last_batch_train(images):
    _, epochs = train(images=bars(images))
    assert len(epochs) == 3


def test_a_batch_larger_than_the_data_is_one_batch():
    state = start(replace(CONFIG, batch_size=10**6), TRAIN)
    assert next(fit(state, TRAIN, TEST)).batches == 1


def test_patience_ends_training():
    config = replace(CONFIG, epochs=50, lr=0.3, validation=1, patience=2)
    epochs = [e for e in fit(start(config, TRAIN), TRAIN, TEST, TEST) if isinstance(e, Epoch)]
    losses = [epoch.valid["loss"] for epoch in epochs]
    assert len(epochs) < 50
    assert losses.index(min(losses)) == len(losses) - 3


class Watch(TorchDispatchMode):
    """Counts the calls that would wait for an accelerator."""

    def __init__(self):
        super().__init__()
        self.waits = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        copied = name == "_to_copy" and (kwargs or {}).get("device") is not None
        if name in WAITING or copied:
            self.waits.append(name)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("objective", ["elbo", "iwae:samples=3", "beta-tc", "adversarial"])
def test_a_step_does_not_wait_for_the_device(objective):
    posterior = "dirac" if objective == "adversarial" else "gaussian"
    config = replace(CONFIG, objective=objective, posterior=posterior)
    events = fit(start(config, TRAIN), TRAIN, TEST)
    next(events)
    with Watch() as watch:
        second = next(events)
        third = next(events)
    assert (second.batch, third.batch, watch.waits) == (2, 3, [])
    with Watch() as watch:
        third.read()
    assert watch.waits  # reading is what waits


def test_densities_are_computed_in_float32_under_bf16():
    model = start(CONFIG, TRAIN).model
    with torch.autocast("cpu", torch.bfloat16):
        draw = model.draw(TRAIN.pixels(slice(4)))
        assert model.likelihood.decoder(draw.z[0]).dtype == torch.bfloat16
        assert (draw.z.dtype, draw.log_px.dtype, draw.rate.dtype) == (torch.float32,) * 3


def test_bf16_trains_to_about_the_same_loss():
    losses = {}
    for precision in ("float32", "bf16"):
        _, epochs = train(replace(CONFIG, precision=precision, epochs=20))
        losses[precision] = epochs[-1].test["loss"]
    assert losses["bf16"] != losses["float32"]
    assert losses["bf16"] == pytest.approx(losses["float32"], rel=0.05)


def test_labelled_images_join_every_batch_of_an_objective_that_reads_labels():
    config = Config(
        objective="m2",
        conditional=True,
        latent_dim=2,
        network="mlp:width=8",
        batch_size=32,
        epochs=1,
    )
    images = bars(96)
    hidden = torch.full_like(images.labels, 2)  # the number of classes stands for no label
    hidden[:2] = torch.tensor([0, 1])
    few = Images(images.x, hidden, classes=2)
    state = start(config, few)
    contexts = []
    state.objective.register_forward_pre_hook(lambda _, inputs: contexts.append(inputs[2]))
    list(fit(state, few, bars(8)))
    assert [len(c) for c in contexts[:3]] == [32 + 2] * 3
    assert all(torch.equal(c[-2:].sum(0), torch.ones(2)) for c in contexts[:3])


def test_no_image_joins_a_batch_where_all_are_labelled():
    config = Config(
        objective="m2",
        conditional=True,
        latent_dim=2,
        network="mlp:width=8",
        batch_size=32,
        epochs=1,
    )
    steps = [e for e in fit(start(config, TRAIN), TRAIN, TEST) if isinstance(e, Step)]
    assert steps[-1].means.images == len(TRAIN)


def test_the_objective_is_told_how_much_is_trained_after_each_batch():
    state = start(CONFIG, TRAIN)
    told = []

    def note(objective, inputs):
        if len(inputs) == 4:  # of training, not of evaluation
            told.append(inputs[3])

    state.objective.register_forward_pre_hook(note)
    list(fit(state, TRAIN, TEST))
    assert told == [batch / 4 for batch in range(1, 13)]


def test_the_seconds_before_a_stop_count():
    state = start(CONFIG, TRAIN)
    state.seconds = 1000.0
    epochs = [event for event in fit(state, TRAIN, TEST) if isinstance(event, Epoch)]
    assert 1000 <= epochs[0].train_seconds < 1100
    assert all(epoch.train_seconds < 100 for epoch in epochs[1:])


def test_other_labelled_images_join_in_every_batch_of_every_epoch():
    config = Config(
        objective="m2",
        conditional=True,
        latent_dim=2,
        network="mlp:width=8",
        batch_size=8,
        epochs=2,
    )
    few = bars(96).hide_labels(40, 0)
    known = few.pixels(few.labelled_indices)
    state = start(config, few)
    joined = []
    state.objective.register_forward_pre_hook(lambda _, inputs: joined.append(inputs[1][8:]))
    for event in fit(state, few, bars(8)):
        if isinstance(event, Epoch):
            del joined[12 * event.number :]  # those of evaluation
    assert len(joined) == 24
    chosen = [frozenset(_positions(images, known)) for images in joined]
    assert {len(images) for images in joined} == {8}
    assert len(set(chosen)) == 24


def _positions(images, known):
    """Where each image first stands among the known ones."""
    same = (images.unsqueeze(1) == known).flatten(2).all(2)
    assert same.any(1).all()
    return same.to(torch.uint8).argmax(1).tolist()


def test_a_clock_that_runs_backwards_writes_no_negative_seconds(monkeypatch):
    """A checkpoint with such seconds could not be read again."""
    hours = itertools.count(0, -3600.0)
    monkeypatch.setattr(loop.time, "perf_counter", lambda: next(hours))
    state = start(CONFIG, TRAIN)
    for event in fit(state, TRAIN, TEST):
        if isinstance(event, Step):
            assert state.seconds == 0
    assert [(epoch.train_seconds, epoch.test_seconds) for epoch in state.history] == [(0, 0)] * len(
        state.history
    )
    assert state.history

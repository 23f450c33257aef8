import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from tests.conftest import bars
from vaecli.config.config import Config
from vaecli.evaluation.bounds import evaluate
from vaecli.system.errors import TrainingDiverged
from vaecli.training.epoch import Epoch
from vaecli.training.loop import Step, fit
from vaecli.training.state import start

CONFIG = Config(latent_dim=3, network="mlp:width=16,depth=1", epochs=3, batch_size=32, lr=1e-2)
TRAIN, TEST = bars(100), bars(40, seed=1)


def run(config=CONFIG, train=TRAIN, between=lambda: None):
    """The state after training, and the epochs."""
    state = start(config, train)
    epochs = []
    for event in fit(state, train, TEST):
        between()
        if isinstance(event, Epoch):
            epochs.append(event)
    return state, epochs


def weights(state):
    return torch.cat([p.detach().flatten() for p in state.model.parameters()])


def test_training_lowers_the_loss_on_images_it_has_not_seen():
    _, epochs = run(replace(CONFIG, epochs=40))
    untrained = start(CONFIG, TRAIN)
    before = evaluate(untrained.model, untrained.objective, TEST, 0)["loss"]
    assert epochs[-1].test["loss"] < 0.7 * before
    assert epochs[-1].train["loss"] < 0.7 * epochs[0].train["loss"]


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_every_optimizer_trains(optimizer):
    _, epochs = run(replace(CONFIG, optimizer=optimizer, lr=1e-3, epochs=8))
    assert epochs[-1].train["loss"] < epochs[0].train["loss"]


def test_the_loop_is_plain_gradient_descent_on_every_image():
    """The same epoch written out by hand, with torch's own optimizer."""
    from vaecli.system.seeds import derive_seed, stream_generator

    state = start(CONFIG, TRAIN)
    reference = start(CONFIG, TRAIN)
    optimizer = torch.optim.Adam(reference.model.parameters(), lr=1e-2)
    order = torch.randperm(100, generator=stream_generator(0, "order", 1))
    assert sorted(order.tolist()) == list(range(100))
    losses = []
    for batch, index in enumerate([order[:32], order[32:64], order[64:96], order[96:]], start=1):
        torch.manual_seed(derive_seed(0, "noise", 1, batch))
        loss = reference.objective(reference.model, TRAIN.x[index] / 255).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item() * len(index))
    epoch = next(event for event in fit(state, TRAIN, TEST) if isinstance(event, Epoch))
    torch.testing.assert_close(weights(state), weights(reference), rtol=1e-4, atol=1e-6)
    assert epoch.train["loss"] == pytest.approx(sum(losses) / 100, rel=1e-5)


def test_the_test_loss_has_the_same_noise_in_every_epoch():
    state = start(CONFIG, TRAIN)
    for event in fit(state, TRAIN, TEST):
        if isinstance(event, Epoch):
            assert event.test == evaluate(state.model, state.objective, TEST, CONFIG.seed)


def test_reconstructions_resemble_their_inputs():
    state, _ = run(replace(CONFIG, epochs=60))
    x = TEST.pixels(slice(None))
    both = torch.stack([x.flatten(), state.model.reconstruct(x).flatten()])
    assert torch.corrcoef(both)[0, 1] > 0.5


def test_the_same_seed_trains_the_same_model_bit_for_bit():
    first, again = run(), run()
    assert torch.equal(weights(first[0]), weights(again[0]))
    assert [e.test for e in first[1]] == [e.test for e in again[1]]
    other, _ = run(replace(CONFIG, seed=1))
    assert not torch.equal(weights(first[0]), weights(other))


def test_what_happens_between_batches_does_not_change_training():
    assert torch.equal(weights(run()[0]), weights(run(between=lambda: torch.randn(7))[0]))


def test_steps_count_batches_and_epochs_count_from_one():
    state = start(CONFIG, TRAIN)
    events = list(fit(state, TRAIN, TEST))
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
    state = start(CONFIG, TRAIN)
    seen = []
    for event in fit(state, TRAIN, TEST):
        if isinstance(event, Step):
            seen.append((event.means.images, event.means.batches))
    assert seen == [(32, 1), (64, 2), (96, 3), (100, 4)] * 3


def test_the_history_is_the_epochs_that_were_yielded():
    state = start(CONFIG, TRAIN)
    events = list(fit(state, TRAIN, TEST))
    assert state.history == [e for e in events if isinstance(e, Epoch)]
    assert all(e.train_seconds > 0 and e.test_seconds > 0 for e in state.history)


def test_a_step_reads_the_means_so_far():
    state = start(CONFIG, TRAIN)
    events = fit(state, TRAIN, TEST)
    first = next(events).read()
    assert first.keys() == {"loss", "distortion", "rate"}
    assert first["loss"] == pytest.approx(first["distortion"] + first["rate"], rel=1e-5)


def test_training_goes_on_from_its_history():
    state, _ = run()
    state.config = replace(CONFIG, epochs=5)
    numbers = [e.number for e in fit(state, TRAIN, TEST) if isinstance(e, Epoch)]
    assert numbers == [4, 5]
    assert list(fit(state, TRAIN, TEST)) == []


@pytest.mark.parametrize("images", [1, 2, 33])
def test_few_images_and_a_short_last_batch_train(images):
    _, epochs = run(train=bars(images))
    assert len(epochs) == 3


def test_a_batch_larger_than_the_data_is_one_batch():
    state = start(replace(CONFIG, batch_size=10**6), TRAIN)
    assert next(fit(state, TRAIN, TEST)).batches == 1


def test_divergence_is_noticed_at_a_step_and_at_the_end_of_an_epoch():
    config = replace(CONFIG, lr=1e9, batch_size=4)
    with pytest.raises(
        TrainingDiverged,
        match=r"rate became inf in batch 2 of epoch 1 at learning rate 1e\+09. Try a lower --lr",
    ):
        run(config)
    state = start(config, TRAIN)
    with pytest.raises(TrainingDiverged, match="in batch 2"):
        [event.read() for event in fit(state, TRAIN, TEST)]
    assert state.history == []


DENORMALS = """
import sys
sys.argv = ["vaecli", "train", "-q", "--epochs", "1", "--data-dir", sys.argv[1],
            "--run-dir", sys.argv[2]]
from vaecli import commands
try:
    commands.main()
except SystemExit as stopped:
    assert not stopped.code
import torch
torch.set_num_threads(2)
tiny = torch.full((10_000_000,), 1e-39)
print("left:", int((tiny * 1.0 != 0).sum()))
"""


def test_every_thread_of_a_training_process_flushes_denormals(digits, tmp_path):
    """They cost a sixth of an epoch; set after the threads have started, it misses some."""
    command = [sys.executable, "-c", DENORMALS, str(digits), str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "left: 0" in done.stdout

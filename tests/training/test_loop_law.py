"""The training loop, held against loops that are written out here: batch by batch, epoch by epoch.

Nothing of the loop is used to say what it should do: orders, noise, learning rates, weights of the
rate and means are computed anew, and the steps are those of torch's optimizers.
"""

import copy
import hashlib
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from vaecli.config.config import Config
from vaecli.data.images import Images
from vaecli.training import loop
from vaecli.training.epoch import Epoch
from vaecli.training.loop import Step, fit
from vaecli.training.state import start

SEED = 7
EPOCHS = 3
BATCH = 16
BETA = 2.0
ANNEALING = 2.5  # epochs
WARMUP = 0.3  # fraction of training
LR = 2e-2
CONFIG = Config(
    seed=SEED,
    epochs=EPOCHS,
    batch_size=BATCH,
    lr=LR,
    lr_schedule="cosine",
    lr_warmup=WARMUP,
    objective=f"elbo:beta={BETA},annealing_epochs={ANNEALING}",
    latent_dim=3,
    network="mlp:width=12,depth=1",
    validation=11,
)


def noise_images(count, seed, classes=2):
    """Images of random grey pixels, of which no two are alike, shape `(count, 1, 6, 6)`."""
    random = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, 1, 6, 6), dtype=torch.uint8, generator=random)
    labels = torch.arange(count, dtype=torch.uint8) % classes
    return Images(pixels, labels, classes)


TRAIN = noise_images(41, seed=1)  # batches of 16, 16 and 9
TEST = noise_images(23, seed=2)
VALIDATION = noise_images(11, seed=3)


def stream(*key):
    """The seed of the stream of this name: another value would change what old runs resume to."""
    return int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:4], "little")


def epoch_order(seed, number, count):
    """The order of the images in an epoch."""
    random = torch.Generator().manual_seed(stream(seed, "order", number))
    return torch.randperm(count, generator=random)


def first_noise(*key):
    """The first normal numbers of a stream."""
    return torch.randn(4, generator=torch.Generator().manual_seed(stream(*key))).tolist()


def positions(x, images):
    """Where each of the pixels x stands among the images; an error if it is none of them."""
    same = (x.mul(255).round().to(torch.uint8).unsqueeze(1) == images.x).flatten(2).all(2)
    assert torch.equal(same.sum(1), torch.ones(len(x), dtype=torch.int64))
    return same.to(torch.uint8).argmax(1).tolist()


def terms_by_hand(model, x, beta):
    """Loss, distortion and rate of a Gaussian posterior and Bernoulli pixels, from their formulas.

    Draws one latent for each image, and nothing else.
    """
    q = model.posterior(x, None)
    z = q.rsample((1,))
    logits = model.likelihood.decoder(z[0]).view_as(x)
    pixels = F.binary_cross_entropy_with_logits(logits, x, reduction="none")
    distortion = pixels.flatten(1).sum(1).mean()
    rate = (q.mean**2 + q.variance - q.variance.log() - 1).sum(1).mean() / 2
    return {"loss": distortion + beta * rate, "distortion": distortion, "rate": rate}


def rate_of_learning(done):
    """Half a cosine from LR to 0, below a linear warm-up; `done` is a fraction of training."""
    return LR * min(1, done / WARMUP) * (1 + math.cos(math.pi * done)) / 2


def evaluated_by_hand(model, images, size):
    """Means over all images, in order and in batches, with the noise of evaluation."""
    model = copy.deepcopy(model).eval()
    torch.manual_seed(stream(SEED, "evaluation"))
    sums = dict.fromkeys(("loss", "distortion", "rate"), 0.0)
    for x in (images.x / 255).split(size):
        with torch.no_grad():
            for name, value in terms_by_hand(model, x, BETA).items():
                sums[name] += value.item() * len(x)
    return {name: total / len(images) for name, total in sums.items()}


def trained_by_hand(model, evaluation_size):
    """The batches, and the epochs, of a training of `CONFIG`.

    Yields:
        After every batch (epoch, batch, learning rate, weight of the rate, epochs done, positions
        of the images, noise), and after every epoch its means over the training, test and
        validation images.
    """
    optimizer = torch.optim.Adam(model.parameters())
    for number in range(1, EPOCHS + 1):
        model.train()
        order = epoch_order(SEED, number, 41)
        sums = dict.fromkeys(("loss", "distortion", "rate"), 0.0)
        for batch, index in enumerate((order[:16], order[16:32], order[32:]), start=1):
            middle = (number - 1) + (batch - 0.5) / 3  # of the batch, in epochs
            done = (number - 1) + batch / 3
            beta = BETA * min(1, done / ANNEALING)
            rate = rate_of_learning(middle / EPOCHS)
            torch.manual_seed(stream(SEED, "noise", number, batch))
            terms = terms_by_hand(model, TRAIN.x[index] / 255, beta)
            optimizer.zero_grad()
            terms["loss"].backward()
            optimizer.param_groups[0]["lr"] = rate
            optimizer.step()
            for name, value in terms.items():
                sums[name] += value.item() * len(index)
            noise = first_noise(SEED, "noise", number, batch)
            yield number, batch, rate, beta, done, index.tolist(), noise
        yield (
            {name: total / 41 for name, total in sums.items()},
            evaluated_by_hand(model, TEST, evaluation_size),
            evaluated_by_hand(model, VALIDATION, evaluation_size),
        )


class Recorder:
    """Notes what an objective is given, and what it gives.

    Attributes:
        trained: For each call in training mode: images, labels, epochs done, the next numbers of
            the generator, and the metrics.
        scored: For each call in evaluation mode: images, further arguments, whether gradients are
            computed, and the next numbers of the generator.
    """

    def __init__(self, state):
        self.trained = []
        self.scored = []
        self._next = []
        state.objective.register_forward_pre_hook(self._before)
        state.objective.register_forward_hook(self._after)

    def _before(self, objective, inputs):
        random = torch.Generator()
        random.set_state(torch.get_rng_state())
        self._next = torch.randn(4, generator=random).tolist()

    def _after(self, objective, inputs, terms):
        model, x, c, *more = inputs
        if model.training:
            metrics = {name: value.item() for name, value in terms.metrics.items()}
            (epochs_done,) = more
            self.trained.append((x, c, epochs_done, self._next, metrics))
        else:
            self.scored.append((x, more, torch.is_grad_enabled(), self._next))


def named_weights(state):
    return {name: p.detach().clone() for name, p in state.model.named_parameters()}


@pytest.fixture(scope="module")
def law():
    """Each event of `fit` beside that of the loop by hand, and the recorder."""
    state = start(CONFIG, TRAIN)
    by_hand = start(CONFIG, TRAIN).model
    state.objective.evaluation_batch_size = 10  # the last batch is incomplete here too
    recorder = Recorder(state)
    reference = trained_by_hand(by_hand, evaluation_size=10)
    pairs = []
    used_rates = []
    step = state.optimizer.step
    state.optimizer.step = lambda: (used_rates.append(state.optimizer.lr), step())
    for event in fit(state, TRAIN, TEST, VALIDATION):
        expected = next(reference)
        weights = {name: p.detach().clone() for name, p in by_hand.named_parameters()}
        pairs.append((event, expected, named_weights(state), weights))
    assert next(reference, None) is None
    return pairs, recorder, used_rates


def steps_of(pairs):
    return [pair for pair in pairs if isinstance(pair[0], Step)]


def epochs_of(pairs):
    return [pair for pair in pairs if isinstance(pair[0], Epoch)]


def test_every_batch_is_the_one_written_out(law):
    """Epoch, batch, learning rate, epochs done, images and noise."""
    pairs, recorder, used_rates = law
    steps = steps_of(pairs)
    assert len(steps) == len(recorder.trained) == len(used_rates) == 9
    for (step, expected, *_), given, used in zip(steps, recorder.trained, used_rates, strict=True):
        number, batch, rate, _, done, index, noise = expected
        x, _, epochs_done, found_noise, _ = given
        assert (step.epoch, step.batch, step.batches) == (number, batch, 3)
        assert step.learning_rate == pytest.approx(rate, rel=1e-9)
        assert used == pytest.approx(rate, rel=1e-9)
        assert epochs_done == pytest.approx(done, rel=1e-9)
        assert positions(x, TRAIN) == index
        assert found_noise == noise


def test_the_weight_of_the_rate_of_every_batch_is_the_one_written_out(law):
    pairs, recorder, _ = law
    for (_, expected, *_), (*_, metrics) in zip(steps_of(pairs), recorder.trained, strict=True):
        beta = (metrics["loss"] - metrics["distortion"]) / metrics["rate"]
        assert beta == pytest.approx(expected[3], rel=1e-3)


def test_the_weights_after_every_batch_are_those_of_the_loop_written_out(law):
    for _, _, found, expected in law[0]:
        assert found.keys() == expected.keys()
        for name, tensor in expected.items():
            torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=1e-5, msg=name)


def test_orders_and_noise_differ_between_epochs_and_batches(law):
    _, recorder, _ = law
    orders = [[], [], []]
    for call, (x, *_) in enumerate(recorder.trained):
        orders[call // 3] += positions(x, TRAIN)
    assert all(sorted(order) == list(range(41)) for order in orders)
    assert len({tuple(order) for order in orders}) == EPOCHS
    assert len({tuple(noise) for *_, noise, _ in recorder.trained}) == 9


def test_the_means_of_an_epoch_are_those_over_its_images(law):
    """Not over its batches, of which the last is smaller."""
    for number, (epoch, expected, *_) in enumerate(epochs_of(law[0]), start=1):
        assert epoch.number == number
        for found, wanted in zip((epoch.train, epoch.test, epoch.valid), expected, strict=True):
            assert found == pytest.approx(wanted, rel=1e-4)
            assert list(found) == ["loss", "distortion", "rate"]


def test_after_every_epoch_the_test_images_are_scored_and_then_the_validation_images(law):
    """All of them, in order, with schedules at their end, one noise and no gradients."""
    _, recorder, _ = law
    found = []
    for x, further, has_gradients, noise in recorder.scored:
        assert not further
        assert not has_gradients
        found.append((x, noise))
    assert [len(x) for x, _ in found] == [10, 10, 3, 10, 1] * EPOCHS
    for number in range(EPOCHS):
        calls = found[5 * number : 5 * number + 5]
        test = torch.cat([x for x, _ in calls[:3]])
        validation = torch.cat([x for x, _ in calls[3:]])
        assert torch.equal(test, TEST.x / 255)
        assert torch.equal(validation, VALIDATION.x / 255)
        assert calls[0][1] == calls[3][1] == first_noise(SEED, "evaluation")


# What each kind of training has that the others have not.
KINDS = {
    "annealing": {"preset": "annealing", "objective": "elbo:annealing_epochs=2"},
    "labels": {"preset": "cvae", "conditional": True},
    "batch norm": {"network": "mlp:width=12,depth=1,norm=batch"},
    "discriminator": {"posterior": "dirac", "objective": "adversarial"},
    "feature discriminator": {"objective": "vae-gan"},
    "codebook": {"posterior": "quantized:codes=8,dim=1", "prior": "codes"},
    "learned prior": {"prior": "vamp:components=4"},
    "importance weights": {"objective": "iwae:samples=3"},
    "adamw": {"optimizer": "adamw:weight_decay=0.3,beta2=0.9"},
    "sgd": {"optimizer": "sgd", "lr": 1e-4},
    "bf16": {"precision": "bf16"},
    "hidden labels": {"objective": "m2", "conditional": True},
    "labels for the objective alone": {
        "posterior": "dirac",
        "prior": "ring",
        "latent_dim": 2,
        "objective": "adversarial:labels=true",
    },
}
TORCH_OPTIMIZERS = {
    "adam": lambda p, lr: torch.optim.Adam(p, lr),
    "adamw": lambda p, lr: torch.optim.AdamW(p, lr, betas=(0.9, 0.9), weight_decay=0.3),
    "sgd": lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9),
}


def config_of(kind):
    values = {
        "seed": SEED,
        "epochs": 2,
        "batch_size": BATCH,
        "lr": 5e-3,
        "lr_schedule": "linear",
        "latent_dim": 4,
        "network": "mlp:width=12,depth=1",
        **KINDS[kind],
    }
    return Config(**values)


def train_by_hand(config, images, reference):
    """Two epochs with the reference's own objective, which is never evaluated.

    Returns:
        The means of each epoch over the images that were trained on.
    """
    parameters = [*reference.model.parameters(), *reference.objective.parameters()]
    optimizer = TORCH_OPTIMIZERS[config.optimizer.name](parameters, config.lr)
    known = [i for i, label in enumerate(images.labels.tolist()) if label < images.classes]
    reads_labels = config.conditional or "labels" in config.objective.options
    reference.model.train()
    means = []
    for number in (1, 2):
        total = 0
        sums = {}
        for batch, index in enumerate(epoch_order(SEED, number, len(images)).split(BATCH), start=1):
            if len(known) < len(images):
                random = torch.Generator().manual_seed(stream(SEED, "labelled", number, batch))
                chosen = torch.randperm(len(known), generator=random)[:BATCH]
                index = torch.cat([index, torch.tensor(known)[chosen]])
            torch.manual_seed(stream(SEED, "noise", number, batch))
            done = number - 1 + batch / 3
            c = None
            if reads_labels:
                c = F.one_hot(images.labels[index].long(), images.classes + 1)[:, :-1].float()
            with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16"):
                terms = reference.objective(reference.model, images.x[index] / 255, c, done)
            optimizer.zero_grad()
            terms.loss.backward()
            optimizer.param_groups[0]["lr"] = config.lr * (1 - (number - 1 + (batch - 0.5) / 3) / 2)
            optimizer.step()
            total += len(index)
            for name, value in terms.metrics.items():
                sums[name] = sums.get(name, 0.0) + value.item() * len(index)
        means.append({name: value / total for name, value in sums.items()})
    return means


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_training_is_the_loop_written_out(kind):
    """Also with a last batch of one image; only training changes averages and buffers."""
    config = config_of(kind)
    images = noise_images(33, seed=4)  # batches of 16, 16 and 1
    if kind == "hidden labels":
        images = images.hide_labels(20, 0)
    state = start(config, images)
    reference = start(config, images)
    expected = train_by_hand(config, images, reference)
    recorder = Recorder(state)
    epochs = [e for e in fit(state, images, TEST, VALIDATION) if isinstance(e, Epoch)]
    assert len(recorder.scored) == 4
    assert [epoch.train for epoch in epochs] == [pytest.approx(m, rel=1e-3) for m in expected]
    for name in ("model", "objective"):
        found = getattr(state, name).state_dict()
        for key, tensor in getattr(reference, name).state_dict().items():
            torch.testing.assert_close(found[key], tensor, rtol=1e-3, atol=1e-5, msg=key)
    assert all(p.grad is None for p in state.optimizer.parameters)


def test_training_is_in_training_mode_whatever_the_mode_before():
    """Someone may have looked at the model, at the start or between two epochs."""
    config = config_of("batch norm")
    images = noise_images(33, seed=4)
    plain = start(config, images)
    list(fit(plain, images, TEST))
    state = start(config, images)
    state.model.eval()
    for event in fit(state, images, TEST):
        if isinstance(event, Epoch):
            state.model.eval()
    for name, tensor in plain.tensors().items():
        assert torch.equal(state.tensors()[name], tensor), name


def test_the_seconds_of_training_and_of_evaluation_are_counted_apart(monkeypatch):
    """A batch takes 10 seconds here, and an evaluation 1000."""
    now = [500.0]
    state = start(CONFIG, TRAIN)

    def pass_time(objective, inputs):
        now[0] += 10.0 if state.model.training else 1000.0

    state.objective.register_forward_pre_hook(pass_time)
    monkeypatch.setattr(loop.time, "perf_counter", lambda: now[0])
    found = []
    for event in fit(state, TRAIN, TEST, VALIDATION):
        if isinstance(event, Step):
            found.append(state.seconds)
        else:
            assert (event.train_seconds, event.test_seconds) == (30.0, 2000.0)
    assert found == [10.0, 20.0, 30.0] * EPOCHS


@pytest.mark.parametrize(
    "config",
    [CONFIG, replace(CONFIG, posterior="dirac", objective="adversarial")],
    ids=["elbo", "adversarial"],
)
def test_a_run_that_is_stopped_and_restored_goes_on_as_if_it_had_not(config):
    """From the middle of an epoch, after a rollback, with other random numbers in between."""
    whole = start(config, TRAIN)
    whole.rollbacks = 1
    list(fit(whole, TRAIN, TEST, VALIDATION))
    for stop in (1, 3, 5):
        state = start(config, TRAIN)
        state.rollbacks = 1
        events = fit(state, TRAIN, TEST, VALIDATION)
        while stop:
            stop -= isinstance(next(events), Step)
        saved = {name: tensor.clone() for name, tensor in state.tensors().items()}
        restored = start(config, TRAIN)
        restored.restore(saved, state.position(), state.history)
        torch.randn(5)
        list(fit(restored, TRAIN, TEST, VALIDATION))
        for name, tensor in whole.tensors().items():
            assert torch.equal(restored.tensors()[name], tensor), name
        found = [(e.train, e.test, e.valid) for e in restored.history]
        assert found == [(e.train, e.test, e.valid) for e in whole.history]


@pytest.mark.parametrize("rollbacks", [1, 2])
def test_a_rollback_halves_the_rate_of_every_batch_below_its_schedule(rollbacks):
    state = start(CONFIG, TRAIN)
    state.rollbacks = rollbacks
    found = [e.learning_rate for e in fit(state, TRAIN, TEST, VALIDATION) if isinstance(e, Step)]
    expected = [rate_of_learning((batch + 0.5) / 9) / 2**rollbacks for batch in range(9)]
    assert found == pytest.approx(expected, rel=1e-9)


def test_a_longer_training_stretches_the_schedule_from_where_it_stands():
    state = start(CONFIG, TRAIN)
    list(fit(state, TRAIN, TEST, VALIDATION))
    state.config = replace(CONFIG, epochs=4)
    found = [e.learning_rate for e in fit(state, TRAIN, TEST, VALIDATION) if isinstance(e, Step)]
    expected = [rate_of_learning((9 + batch + 0.5) / 12) for batch in range(3)]
    assert found == pytest.approx(expected, rel=1e-9)

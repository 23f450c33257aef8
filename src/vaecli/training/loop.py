"""The training loop: batch, objective, backward, step, yield."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ..config.config import Config
from ..data.images import Images
from ..evaluation.bounds import evaluate
from ..evaluation.means import RunningMeans, terms_of_batch
from ..parts.optimizers import gradients_of
from ..system import processes
from ..system.renamed import Renamed
from ..system.seeds import seed_device, stream_generator
from .divergence import require_finite_evaluation, require_finite_means
from .early_stopping import stop_reason
from .epoch import Epoch
from .state import State


@dataclass(frozen=True)
class Step:
    """The progress of training after a batch.

    Attributes:
        epoch: Number of the epoch, from 1.
        batch: Number of the batch in it, from 1.
        batches: Batches in an epoch.
        learning_rate: Learning rate of this batch.
        means: Running means of this epoch.
    """

    epoch: int
    batch: int
    batches: int
    learning_rate: float
    means: RunningMeans

    def read(self) -> dict[str, float]:
        """Means of this epoch so far, in the units of `METRIC_UNITS`. Waits for the device.

        Raises:
            TrainingDiverged: One of them is NaN or infinite.
        """
        return require_finite_means(self.means, self.epoch, self.learning_rate)

    lr = Renamed("learning_rate")  # its name in version 0.1


def fit(
    state: State, train: Images, test: Images, validation: Images | None = None
) -> Iterator[Step | Epoch]:
    """Train until all epochs are done or patience runs out.

    Starts from the position of the state, also in the middle of an epoch. If the objective reads
    labels and some are hidden, up to `batch_size` labelled images are added to every batch:
    otherwise most batches would have few of them.

    Yields:
        A Step after every batch, an Epoch after every epoch.

    Raises:
        TrainingDiverged: A metric is NaN or infinite at the end of an epoch.
    """
    device = state.model.device
    train = train.to(device)
    test = test.fix_pixels(state.config.seed).to(device)
    if validation is not None:
        validation = validation.fix_pixels(state.config.seed).to(device)
    while not stop_reason(state.config, state.history, state.objective.monitor):
        number = len(state.history) + 1
        started = time.perf_counter() - state.seconds
        yield from _train_epoch(state, train, number, started)
        learning_rate = state.optimizer.lr
        train_means = require_finite_means(state.means, number, learning_rate)
        trained = time.perf_counter()
        held_out = [test] if validation is None else [test, validation]
        metrics = [
            require_finite_evaluation(
                evaluate(state.model, state.objective, images, state.config.seed),
                number,
                learning_rate,
            )
            for images in held_out
        ]
        epoch = Epoch(
            number=number,
            train=train_means,
            test=metrics[0],
            train_seconds=max(0.0, trained - started),
            test_seconds=max(0.0, time.perf_counter() - trained),
            valid={} if validation is None else metrics[1],
        )
        state.finish_epoch(epoch)
        yield epoch


def _train_epoch(state: State, train: Images, number: int, started: float) -> Iterator[Step]:
    """Train on the remaining batches of an epoch.

    Args:
        state: State of training; every batch changes it.
        train: Training images, on the device of the model or mapped from a file.
        number: Number of the epoch, from 1.
        started: `time.perf_counter()` minus the seconds already spent in this epoch.
    """
    config = state.config
    model = state.model
    device = model.device
    reads_labels = state.objective.reads_labels
    needs_labels = reads_labels or model.context > 0  # length of the context, 0 without labels
    labelled = train.labelled_indices if reads_labels else None
    order = train.order(stream_generator(config.seed, "order", number))
    ahead = train.read_ahead(order)
    batches = order.to(train.x.device).split(config.batch_size)
    precision: Callable[[], AbstractContextManager[object]] = nullcontext
    if config.precision == "bf16":
        precision = partial(torch.autocast, device.type, torch.bfloat16)
    model.train()
    while state.batch < len(batches):
        index = batches[state.batch]
        ahead.move_to(state.batch * config.batch_size)
        state.batch += 1
        state.update_learning_rate(len(batches))
        if labelled is not None and 0 < len(labelled) < len(train):
            index = torch.cat([index, _choose_labelled(labelled, config, number, state.batch)])
        seed_device(device, config.seed, "noise", number, state.batch)
        epochs_done = number - 1 + state.batch / len(batches)
        with processes.share_batch(len(index)) as share:
            x = train.shared_pixels(index, share).to(device)
            own = index[share.rows]
            c = train.one_hot_labels(own).to(device) if needs_labels else None
            with precision():
                terms = state.training_objective(model, x, c, epochs_done)
            _backward(terms.loss, share)
        terms = terms_of_batch(terms, share, gradients_of(state.optimizer.parameters))
        state.optimizer.step()
        state.steps += 1
        state.means.add(terms, len(index))
        state.seconds = max(0.0, time.perf_counter() - started)  # some clocks run backwards
        yield Step(number, state.batch, len(batches), state.optimizer.lr, state.means)


def _backward(loss: Tensor, share: processes.Share) -> None:
    """Gradients of the part that the rows of this process have in the loss of the batch."""
    if not share.is_whole:
        loss = loss * share.weight
    loss.backward()


def _choose_labelled(labelled: Tensor, config: Config, epoch: int, batch: int) -> Tensor:
    """Indices of the labelled images to add to a batch: all, or `batch_size` random ones.

    Args:
        labelled: Indices of all labelled images, shape `(N,)`.
        config: Has seed and batch size.
        epoch: Number of the epoch, from 1.
        batch: Number of the batch in it, from 1.
    """
    random = stream_generator(config.seed, "labelled", epoch, batch)
    order = torch.randperm(len(labelled), generator=random)
    return labelled[order[: config.batch_size].to(labelled.device)]

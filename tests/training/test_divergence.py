"""A loss that is NaN or infinite is noticed, and the message says where."""

import math
from dataclasses import replace

import pytest
import torch

from tests.conftest import bars
from tests.training.test_loop import CONFIG, TEST, TRAIN
from vaecli.evaluation.means import RunningMeans
from vaecli.system.errors import TrainingDiverged
from vaecli.training import loop
from vaecli.training.divergence import require_finite_evaluation, require_finite_means
from vaecli.training.loop import fit
from vaecli.training.state import start

WILD = replace(CONFIG, lr=1e9, batch_size=4)


def test_divergence_is_noticed_at_the_end_of_an_epoch():
    state = start(WILD, TRAIN)
    with pytest.raises(
        TrainingDiverged,
        match=r"rate became inf in batch 2 of epoch 1 at learning rate 1e\+09\. Try a lower ",
    ):
        list(fit(state, TRAIN, TEST))
    assert state.history == []


def test_divergence_is_noticed_when_a_step_is_read():
    with pytest.raises(TrainingDiverged, match="in batch 2"):
        [event.read() for event in fit(start(WILD, TRAIN), TRAIN, TEST)]


@pytest.mark.parametrize("number", [math.nan, math.inf])
@pytest.mark.parametrize("split", ["test", "validation"])
def test_divergence_of_held_out_images_is_noticed(monkeypatch, number, split):
    def evaluate(model, objective, images, seed):
        is_bad = len(images) == {"test": 40, "validation": 8}[split]
        return {"loss": number if is_bad else 1.0}

    monkeypatch.setattr(loop, "evaluate", evaluate)
    state = start(CONFIG, TRAIN)
    with pytest.raises(
        TrainingDiverged,
        match=rf"loss of held-out images is {number} after epoch 1 at learning rate 0\.01",
    ):
        list(fit(state, TRAIN, TEST, bars(8)))
    assert state.history == []


def test_the_last_metric_of_the_first_bad_batch_is_named():
    """The first metric is the loss, which is not finite because another one is not."""
    means = RunningMeans()
    for batch in ([1.0, 1.0, 1.0], [math.inf, 1.0, math.inf], [math.nan, math.nan, 1.0]):
        add(means, batch)
    with pytest.raises(TrainingDiverged, match="rate became inf in batch 2 of epoch 5"):
        require_finite_means(means, 5, 0.1)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("batch", [1, 2, 4])
@pytest.mark.parametrize("name", ["distortion", "rate"])
def test_training_names_the_batch_and_the_metric_that_were_bad_first(name, batch, number):
    """Whatever becomes bad after it; the loss is bad with it, and is not the cause."""
    state = start(CONFIG, TRAIN)

    def spoil(objective, inputs, terms):
        if not state.model.training or (len(state.history), state.batch) < (1, batch):
            return terms
        bad = {"loss", name} if state.batch == batch else set(terms.metrics)
        metrics = {n: v * math.nan if n in bad else v for n, v in terms.metrics.items()}
        if state.batch == batch:
            metrics[name] = torch.tensor(number)
        return replace(terms, metrics=metrics)

    state.objective.register_forward_hook(spoil)
    with pytest.raises(
        TrainingDiverged,
        match=rf"^Training diverged: {name} became {number} in batch {batch} of epoch 2 at "
        r"learning rate 0\.01\. Try a lower learning rate, or on_nan='rollback'\.$",
    ):
        list(fit(state, TRAIN, TEST))
    assert len(state.history) == 1


def test_finite_metrics_are_returned_as_they_are():
    means = RunningMeans()
    add(means, [3.0, 2.0, 1.0])
    expected = {"loss": 3.0, "distortion": 2.0, "rate": 1.0}
    assert require_finite_means(means, 1, 0.1) == expected
    assert require_finite_evaluation(expected, 1, 0.1) == expected


def add(means, values):
    from vaecli.objectives import LossTerms

    names = ("loss", "distortion", "rate")
    metrics = {name: torch.tensor(value) for name, value in zip(names, values, strict=True)}
    means.add(LossTerms(metrics["loss"], metrics), 10)

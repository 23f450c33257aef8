"""A loss that is no number: a stop, or a return to the last checkpoint."""

import math
from dataclasses import replace

import pytest
import torch

import vaecli
from tests.commands.test_endings import record, rows
from tests.commands.test_process import arguments
from tests.commands.test_resume import tensors
from tests.conftest import bars
from vaecli import checkpoint
from vaecli.errors import TrainingDiverged
from vaecli.objectives import LossTerms


def poison(monkeypatch, epoch, until=math.inf):
    """Let the loss be NaN in `epoch`, for the first `until` times that it comes."""
    from vaecli import training

    real, seen = training.fit, []

    def fit(state, *images):
        objective = state.objective

        def sick(model, *batch):
            terms = objective(model, *batch)
            if len(state.history) + 1 == epoch and model.training and len(seen) < until:
                seen.append(epoch)
                return LossTerms(
                    terms.loss * math.nan, {**terms.metrics, "loss": terms.loss * math.nan}
                )
            return terms

        state.objective = Spy(objective, sick)
        yield from real(state, *images)

    monkeypatch.setattr(training, "fit", fit)
    return seen


class Spy(torch.nn.Module):
    def __init__(self, objective, call):
        super().__init__()
        self.call = call
        self.state_dict = objective.state_dict
        self.reads_labels = objective.reads_labels
        self.evaluation_batch_size = objective.evaluation_batch_size

    def forward(self, model, *batch):
        return self.call(model, *batch)


def test_a_rollback_halves_the_rate_and_goes_on_from_the_last_epoch(
    cli, digits, tmp_path, monkeypatch
):
    run = tmp_path / "run"
    poison(monkeypatch, epoch=3, until=1)
    done = cli(*arguments(digits, run, "--epochs", 4, "--on-nan", "rollback", "--lr", "0.02"))
    assert done.status == 0
    assert "Warning: Training diverged: loss became nan in batch 1 of epoch 3" in done.err
    assert "at learning rate 0.02" in done.err
    assert "end of epoch 2 and halved the learning rate: rollback 1 of 3" in done.err
    assert (record(run)["status"], record(run)["rollbacks"]) == ("completed", 1)
    assert [row["epoch"] for row in rows(run)] == ["1", "2", "3", "4"]
    header = checkpoint.load(run / "checkpoints/last.safetensors")[1]
    assert header["position"]["rollbacks"] == 1
    # Epochs 3 and 4 are those of a run that goes on from epoch 2 with half the rate.
    monkeypatch.undo()
    state = vaecli.start(vaecli.open(run).config, bars(8))
    state.config = replace(state.config, epochs=2)
    data = vaecli.load(state.config)
    list(vaecli.fit(state, *data))
    state.config = replace(state.config, epochs=4)
    state.rollbacks = 1
    list(vaecli.fit(state, *data))
    assert all(torch.equal(t, tensors(run)[name]) for name, t in state.tensors().items())


def test_a_rollback_before_the_first_epoch_goes_back_to_the_start(
    cli, digits, tmp_path, monkeypatch
):
    poison(monkeypatch, epoch=1, until=2)
    run = tmp_path / "run"
    done = cli(*arguments(digits, run, "--epochs", 1, "--on-nan", "rollback", "--batch-size", 96))
    assert done.status == 0
    assert record(run)["rollbacks"] == 2
    assert len(rows(run)) == 1


def test_after_three_rollbacks_divergence_is_status_5(cli, digits, tmp_path, monkeypatch):
    seen = poison(monkeypatch, epoch=2)
    run = tmp_path / "run"
    done = cli(*arguments(digits, run, "--epochs", 3, "--on-nan", "rollback", "--batch-size", 96))
    assert done.status == 5
    assert len(seen) == 4
    assert (record(run)["status"], record(run)["rollbacks"]) == ("diverged", 3)
    assert "batch 1 of epoch 2 at learning rate 0.000125" in record(run)["reason"]
    assert [row["test_loss"] == "" for row in rows(run)] == [False, True]
    # It can be resumed where it stands, and its bad row goes.
    monkeypatch.undo()
    assert cli("train", "-q", "--resume", run).status == 0
    assert len(rows(run)) == 3


def test_a_diverged_run_may_be_resumed_with_rollback(cli, digits, tmp_path, monkeypatch):
    seen = poison(monkeypatch, epoch=2, until=2)
    run = tmp_path / "run"
    assert cli(*arguments(digits, run, "--epochs", 2, "--batch-size", 96)).status == 5
    assert cli("train", "-q", "--resume", run, "--on-nan", "rollback").status == 0
    assert len(seen) == 2
    assert record(run)["rollbacks"] == 1


def test_divergence_on_the_held_out_images_is_noticed(monkeypatch):
    from vaecli import training

    state = vaecli.start(vaecli.Config(network="mlp:width=4", latent_dim=2), bars(8))
    monkeypatch.setattr(training, "evaluate", lambda *arguments: {"loss": math.inf})
    with pytest.raises(TrainingDiverged, match=r"held-out images after epoch 1 at learning rate"):
        list(vaecli.fit(state, bars(8), bars(8)))

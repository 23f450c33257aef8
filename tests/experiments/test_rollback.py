"""A loss that becomes NaN: a stop, or a return to the last checkpoint."""

from dataclasses import replace
from itertools import pairwise

import pytest

import vaecli
from tests import runs
from tests.experiments.trainings import Stop, Training, options, poison, run_training
from vaecli.experiments import stopping, train
from vaecli.system.errors import TrainingDiverged


def test_a_rollback_halves_the_learning_rate_and_continues_from_the_last_epoch(
    digits, tmp_path, monkeypatch
):
    run = tmp_path / "run"
    poison(monkeypatch, epoch=3, times=1)
    done = run_training(options(digits, epochs=4, on_nan="rollback", lr=0.02), run)
    (level, text), *others = done.notices
    assert (level, others) == ("warning", [])
    assert text.startswith("Training diverged: loss became nan in batch 1 of epoch 3")
    assert "at learning rate 0.02" in text
    assert text.endswith(
        "Went back to the end of epoch 2 and halved the learning rate: rollback 1 of 3."
    )
    assert done.epochs == [1, 2, 3, 4]
    assert (runs.record(run)["status"], runs.record(run)["rollbacks"]) == ("completed", 1)
    assert [row["epoch"] for row in runs.losses(run)] == ["1", "2", "3", "4"]
    assert runs.header(run)["position"]["rollbacks"] == 1
    # Epochs 3 and 4 are those of training with half the learning rate from epoch 2 on.
    monkeypatch.undo()
    config = vaecli.open(run).config
    data = vaecli.load(config)
    state = vaecli.start(replace(config, epochs=2), data.train)
    list(vaecli.fit(state, *data))
    state.config = config
    state.rollbacks = 1
    list(vaecli.fit(state, *data))
    runs.assert_same_tensors(runs.tensors(run), state.tensors())


def test_a_rollback_in_the_first_epoch_goes_back_to_the_start(digits, tmp_path, monkeypatch):
    run = tmp_path / "run"
    poison(monkeypatch, epoch=1, times=2)
    done = run_training(options(digits, epochs=1, on_nan="rollback", batch_size=96), run)
    assert len(done.notices) == 2
    assert all("Went back to the start of training and" in text for _, text in done.notices)
    assert runs.record(run)["rollbacks"] == 2
    assert len(runs.losses(run)) == 1


def test_a_rollback_to_a_checkpoint_within_an_epoch_names_its_batch(digits, tmp_path, monkeypatch):
    run = tmp_path / "run"
    run_training(options(digits, epochs=2, on_nan="rollback"), run, stop=Stop(5))
    position = runs.header(run)["position"]
    assert (len(runs.header(run)["history"]), position["batch"]) == (1, 1)
    poison(monkeypatch, epoch=2, batch=2, times=1)
    done = run_training({}, resume=str(run))
    [(_, text)] = done.notices
    assert "Went back to batch 1 of epoch 2 and halved the learning rate: rollback 1 of 3." in text
    assert done.steps == [(2, 2), (2, 3), (2, 2), (2, 3)]


def test_a_rollback_goes_back_to_the_last_epoch_not_to_the_best(digits, tmp_path, monkeypatch):
    run = tmp_path / "run"
    poison(monkeypatch, epoch=3, times=1)
    chosen = options(digits, epochs=3, lr=0.3, seed=2, validation=32, on_nan="rollback")
    done = run_training(chosen, run)
    losses = [float(row["valid_loss"]) for row in runs.losses(run)]
    assert losses[0] < losses[1]  # the best epoch was the first
    assert "Went back to the end of epoch 2" in done.notices[0][1]


def test_without_a_compiler_a_rollback_does_not_compile_either(digits, tmp_path, monkeypatch):
    monkeypatch.setattr("vaecli.experiments.prepare.devices.can_compile", lambda: False)
    monkeypatch.setattr("torch.compile", None)
    poison(monkeypatch, epoch=2, times=1)
    chosen = options(digits, epochs=3, compile=True, on_nan="rollback")
    done = run_training(chosen, tmp_path / "run")
    assert [text[:27] for _, text in done.notices] == [
        "torch found no working C++ ",
        "Training diverged: loss bec",
    ]


def test_after_three_rollbacks_training_has_diverged(digits, tmp_path, monkeypatch):
    run = tmp_path / "run"
    poisoned = poison(monkeypatch, epoch=2)
    chosen = options(digits, epochs=3, on_nan="rollback", batch_size=96)
    with pytest.raises(TrainingDiverged, match=r"batch 1 of epoch 2 at learning rate 0\.000125"):
        run_training(chosen, run)
    assert len(poisoned) == 4
    record = runs.record(run)
    assert (record["status"], record["rollbacks"]) == ("diverged", 3)
    assert "at learning rate 0.000125" in record["reason"]
    assert [row["test_loss"] == "" for row in runs.losses(run)] == [False, True]
    # It can be resumed where it stands, and its bad row goes.
    monkeypatch.undo()
    done = run_training({}, resume=str(run))
    assert done.epochs == [2, 3]
    assert len(runs.losses(run)) == 3
    assert runs.record(run)["status"] == "completed"


def test_without_rollback_training_stops_and_keeps_the_epoch_before(digits, tmp_path, monkeypatch):
    run = tmp_path / "run"
    poison(monkeypatch, epoch=2)
    done = Training()
    with pytest.raises(TrainingDiverged, match="loss became nan in batch 1 of epoch 2"):
        run_training(options(digits, epochs=3), run, into=done)
    assert done.epochs == [1]
    assert done.notices == []
    assert runs.record(run)["status"] == "diverged"
    assert [row["train_loss"] for row in runs.losses(run)][1:] == ["nan"]
    assert len(runs.header(run)["history"]) == 1


def test_a_diverged_run_may_be_resumed_with_rollback(digits, tmp_path, monkeypatch):
    run = tmp_path / "run"
    poisoned = poison(monkeypatch, epoch=2, times=2)
    with pytest.raises(TrainingDiverged):
        run_training(options(digits, epochs=2, batch_size=96), run)
    run_training({"on_nan": "rollback"}, resume=str(run))
    assert len(poisoned) == 2
    assert runs.record(run)["rollbacks"] == 1
    assert runs.config(run)["on_nan"] == "rollback"


def test_a_bad_batch_is_noticed_before_its_epoch_ends(digits, tmp_path, monkeypatch):
    """With epochs of minutes, the end of the epoch is too late."""
    monkeypatch.setattr(stopping, "CHECK_INTERVAL", 0.0)
    poison(monkeypatch, epoch=2, batch=2)
    done = Training()
    with pytest.raises(TrainingDiverged, match="loss became nan in batch 2 of epoch 2"):
        run_training(options(digits, epochs=3, batch_size=8), tmp_path / "run", into=done)
    assert done.steps[-1] == (2, 1)
    assert runs.record(tmp_path / "run")["status"] == "diverged"


def test_a_bad_batch_that_is_noticed_early_is_rolled_back_too(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(stopping, "CHECK_INTERVAL", 0.0)
    poison(monkeypatch, epoch=2, batch=2, times=1)
    done = run_training(options(digits, epochs=2, on_nan="rollback"), tmp_path / "run")
    assert done.epochs == [1, 2]
    assert len(done.notices) == 1
    assert runs.record(tmp_path / "run")["rollbacks"] == 1


def test_the_means_are_checked_at_most_twice_a_second(digits, tmp_path, monkeypatch):
    """Reading them waits for the device."""
    reads = []
    now = [0.0]
    monkeypatch.setattr(stopping.time, "monotonic", lambda: now[0])
    monkeypatch.setattr("vaecli.training.loop.Step.read", lambda step: reads.append(now[0]))
    real = train.fit

    def slow(*arguments):
        for event in real(*arguments):
            now[0] += 0.15
            yield event

    monkeypatch.setattr(train, "fit", slow)
    run_training(options(digits, epochs=4), tmp_path / "run")
    gaps = [after - before for before, after in pairwise(reads)]
    assert len(reads) >= 3
    assert min(gaps) >= 0.5


def test_a_tensor_that_is_not_finite_is_divergence_even_if_the_loss_is(
    digits, tmp_path, monkeypatch
):
    real = train.fit

    def fit(state, *images):
        for event in real(state, *images):
            if isinstance(event, vaecli.Epoch) and event.number == 2:
                next(iter(state.model.parameters())).data[0, 0] = float("inf")
            yield event

    monkeypatch.setattr(train, "fit", fit)
    with pytest.raises(TrainingDiverged, match="is no longer finite"):
        run_training(options(digits, epochs=3), tmp_path / "run")
    assert runs.record(tmp_path / "run")["status"] == "diverged"
    assert len(runs.header(tmp_path / "run")["history"]) == 1


def test_divergence_of_held_out_images_is_recorded(digits, tmp_path, monkeypatch):
    monkeypatch.setattr("vaecli.training.loop.evaluate", lambda *arguments: {"loss": float("inf")})
    with pytest.raises(TrainingDiverged, match="of held-out images"):
        run_training(options(digits, epochs=2), tmp_path / "run")
    assert runs.record(tmp_path / "run")["status"] == "diverged"

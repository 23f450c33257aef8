"""What a training counts, keeps and promises across the processes that take part in it."""

import os
from dataclasses import replace

import pytest

import vaecli
from tests import runs
from tests.experiments.trainings import Stop, Training, options, poison, run_training
from vaecli.experiments import stopping, train
from vaecli.experiments.prepare import start_run
from vaecli.experiments.resume import make_plan
from vaecli.experiments.stopping import StopRequest
from vaecli.experiments.train import train_run
from vaecli.run import names
from vaecli.system.errors import ConfigError, TrainingDiverged
from vaecli.training import loop
from vaecli.training.loop import Step

pytestmark = pytest.mark.usefixtures("quick")

# With three batches in an epoch, Stop(4 * n + k) stops after batch k of epoch n + 1.
EVENTS = 4


def diverge(monkeypatch, run, epoch, batch, stop=None, times=1):
    """Resume a run whose loss becomes NaN in a batch of an epoch."""
    with monkeypatch.context() as patch:
        poison(patch, epoch=epoch, batch=batch, times=times)
        return run_training({}, resume=str(run), stop=stop)


def by_hand(run, epochs, rollbacks):
    """The tensors of a training whose learning rate is halved before some of its batches.

    Args:
        run: Has the configuration.
        epochs: How many epochs to train.
        rollbacks: Halvings so far, by the number of the batch (from 0 over all epochs) before which
            they change.
    """
    config = replace(vaecli.open(run).config, epochs=epochs)
    images = vaecli.load(config)
    state = vaecli.start(config, images.train)
    state.rollbacks = rollbacks.get(0, 0)
    done = 0
    for event in vaecli.fit(state, *images):
        done += isinstance(event, Step)
        state.rollbacks = rollbacks.get(done, state.rollbacks)
    return state.tensors()


def test_rollbacks_go_on_counting_after_a_resume(digits, tmp_path, monkeypatch):
    """Each returns to the batch of the last checkpoint and halves the rate once more."""
    run = tmp_path / "run"
    chosen = options(digits, epochs=4, on_nan="rollback", lr=2e-4)
    run_training(chosen, run, stop=Stop(EVENTS + 2))
    assert runs.header(run)["position"]["rollbacks"] == 0
    first = diverge(monkeypatch, run, epoch=2, batch=3, stop=Stop(2 * EVENTS))
    [(_, text)] = first.notices[:1]
    assert "at learning rate 0.0002. " in text
    assert text.endswith(
        "Went back to batch 2 of epoch 2 and halved the learning rate: rollback 1 of 3."
    )
    assert runs.header(run)["position"]["rollbacks"] == 1
    assert runs.record(run)["rollbacks"] == 1
    position = runs.header(run)["position"]
    done = 3 * len(runs.header(run)["history"]) + position["batch"]
    assert 5 < done < 12
    again = diverge(monkeypatch, run, epoch=done // 3 + 1, batch=done % 3 + 1)
    [(_, text)] = again.notices
    assert "at learning rate 0.0001. " in text
    assert text.endswith("and halved the learning rate: rollback 2 of 3.")
    record = runs.record(run)
    assert (record["status"], record["rollbacks"], record["resumes"]) == ("completed", 2, 2)
    assert runs.header(run)["position"]["rollbacks"] == 2
    expected = by_hand(run, epochs=4, rollbacks={5: 1, done: 2})
    runs.assert_same_tensors(runs.tensors(run), expected)


def test_a_resume_is_granted_no_more_than_three_rollbacks_in_all(digits, tmp_path, monkeypatch):
    run = tmp_path / "run"
    chosen = options(digits, epochs=3, on_nan="rollback", lr=8e-3)
    with monkeypatch.context() as patch:
        poison(patch, epoch=2, batch=3, times=2)
        run_training(chosen, run, stop=Stop(EVENTS + 3 + 3 + EVENTS + 1))
    assert runs.header(run)["position"]["rollbacks"] == 2
    done = Training()
    poison(monkeypatch, epoch=3)
    with pytest.raises(TrainingDiverged, match=r"of epoch 3 at learning rate 0\.001\."):
        run_training({}, resume=str(run), into=done)
    assert [text[-len("rollback 3 of 3.") :] for _, text in done.notices] == ["rollback 3 of 3."]
    record = runs.record(run)
    assert (record["status"], record["rollbacks"]) == ("diverged", 3)


def test_a_rollback_after_a_resume_returns_to_the_last_checkpoint_not_to_the_best(
    digits, tmp_path, monkeypatch
):
    run = tmp_path / "run"
    chosen = options(digits, epochs=3, lr=0.3, seed=2, validation=32, on_nan="rollback")
    run_training(chosen, run, stop=Stop(7))  # two batches in an epoch
    losses = [float(row["valid_loss"]) for row in runs.losses(run)]
    assert losses[0] < losses[1]
    assert runs.header(run)["position"]["batch"] == 1
    done = diverge(monkeypatch, run, epoch=3, batch=2)
    assert "Went back to batch 1 of epoch 3 and halved" in done.notices[0][1]
    runs.assert_same_tensors(runs.tensors(run), by_hand(run, epochs=3, rollbacks={5: 1}))


def test_a_stop_in_the_middle_of_an_epoch_leaves_the_best_checkpoint(digits, tmp_path):
    """It is the model of a whole epoch, also after the resume."""
    run = tmp_path / "run"
    chosen = options(digits, epochs=6, lr=0.05, seed=2, validation=32, save_every=1)
    run_training(chosen, tmp_path / "whole")
    run_training(chosen, run, stop=Stop(4))  # two batches in an epoch: the first of the second
    assert runs.header(run)["position"]["batch"] == 1

    def best():
        return runs.tensors(run, names.BEST)

    def kept(epoch):
        tensors = runs.tensors(tmp_path / "whole", names.EPOCH_CHECKPOINT.format(epoch))
        return {name: tensor for name, tensor in tensors.items() if name.startswith("model.")}

    runs.assert_same_tensors(best(), kept(1))
    for after in (3, 5, 4):
        run_training({}, resume=str(run), stop=Stop(after))
        losses = [float(row["valid_loss"]) for row in runs.losses(run)]
        runs.assert_same_tensors(best(), kept(losses.index(min(losses)) + 1))
    run_training({}, resume=str(run))
    runs.assert_same_run(run, tmp_path / "whole")
    runs.assert_same_tensors(best(), runs.tensors(tmp_path / "whole", names.BEST))


def test_a_resume_after_an_epoch_draws_only_the_pictures_that_are_due(digits, tmp_path):
    run = tmp_path / "run"
    run_training(options(digits, epochs=5, sample_every=2), run, stop=Stop(EVENTS))
    assert runs.header(run)["position"]["batch"] == 0
    for _ in range(2):
        run_training({}, resume=str(run), stop=Stop(EVENTS))
    assert len(runs.header(run)["history"]) == 3
    assert [path.name for path in (run / "samples").iterdir()] == ["epoch-0002.png"]
    (run / names.EPOCH_SAMPLES.format(2)).unlink()
    run_training({}, resume=str(run), stop=Stop(1))  # it was of an epoch before the last
    assert list((run / "samples").iterdir()) == []


def test_the_seconds_of_an_epoch_are_those_of_all_its_processes(digits, tmp_path, monkeypatch):
    """A batch takes 10 seconds here, an evaluation 1000, and every process has its own clock."""
    now = [0.0]
    real = train.fit

    def timed_fit(state, *images):
        def pass_time(objective, inputs):
            now[0] += 10.0 if state.model.training else 1000.0

        handle = state.objective.register_forward_pre_hook(pass_time)
        yield from real(state, *images)
        handle.remove()

    monkeypatch.setattr(train, "fit", timed_fit)
    monkeypatch.setattr(loop.time, "perf_counter", lambda: now[0])
    run = tmp_path / "run"
    run_training(options(digits, epochs=3), run, stop=Stop(EVENTS + 2))
    assert runs.header(run)["position"]["seconds"] == 20.0
    now[0] = 70_000.0
    run_training({}, resume=str(run), stop=Stop(1 + 1 + 1))
    assert runs.header(run)["position"]["seconds"] == 10.0
    now[0] = 300.0
    run_training({}, resume=str(run))
    for epoch in runs.header(run)["history"]:
        assert (epoch["train_seconds"], epoch["test_seconds"]) == (30.0, 1000.0)
    found = [(row["train_seconds"], row["test_seconds"]) for row in runs.losses(run)]
    assert found == [("30.0", "1000.0")] * 3


def test_patience_counts_the_epochs_of_all_processes(digits, tmp_path):
    """A training that stops in every epoch ends where one ends that never stops."""
    chosen = options(digits, epochs=50, lr=0.2, seed=2, validation=32, patience=2)
    whole = run_training(chosen, tmp_path / "whole")
    last = whole.epochs[-1]
    assert 3 < last < 50
    run = tmp_path / "run"
    done = run_training(chosen, run, stop=Stop(4))  # after the first batch of epoch 2
    epochs = done.epochs
    while runs.record(run)["status"] != "completed":
        done = run_training({}, resume=str(run), stop=Stop(3))
        epochs += done.epochs
    assert epochs == whole.epochs
    assert done.notices == whole.notices
    assert runs.record(run)["reason"] == runs.record(tmp_path / "whole")["reason"]
    runs.assert_same_run(run, tmp_path / "whole")


def pass_ten_seconds_at_every_event(monkeypatch):
    """A clock that stands still but for these; the number of seconds."""
    now = [0.0]
    real = train.fit

    def timed_fit(*arguments):
        for event in real(*arguments):
            now[0] += 10.0
            yield event

    monkeypatch.setattr(train, "fit", timed_fit)
    monkeypatch.setattr(stopping.time, "monotonic", lambda: now[0])
    return now


def test_max_time_is_granted_to_every_process_anew(digits, tmp_path, monkeypatch):
    """It stops after the batch in which it passes, and a resume goes on from there."""
    pass_ten_seconds_at_every_event(monkeypatch)
    run = tmp_path / "run"
    chosen = options(digits, epochs=4, max_time="1m")
    first = run_training(chosen, run)
    assert (first.epochs, first.steps[-1]) == ([1], (2, 3))  # the seventh event: 70 s
    second = run_training({}, resume=str(run))
    assert (second.steps[0], second.epochs, second.steps[-1]) == ((3, 1), [2, 3], (4, 2))
    record = runs.record(run)
    text = f"Stopped: --max-time is reached. Resume with: vaecli train --resume {run}"
    assert (record["status"], record["reason"], record["epochs_done"]) == ("interrupted", text, 3)
    assert runs.header(run)["position"]["batch"] == 2
    third = run_training({"max_time": "20s"}, resume=str(run))
    assert (third.steps, third.epochs) == ([(4, 3)], [4])
    assert runs.record(run)["status"] == "completed"
    run_training({**chosen, "max_time": None}, tmp_path / "whole")
    runs.assert_same_run(run, tmp_path / "whole")


def test_max_time_also_stops_between_two_epochs(digits, tmp_path, monkeypatch):
    pass_ten_seconds_at_every_event(monkeypatch)
    run = tmp_path / "run"
    done = run_training(options(digits, epochs=2, max_time="39s"), run)
    assert (done.epochs, done.steps[-1]) == ([1], (1, 3))
    assert runs.record(run)["status"] == "interrupted"
    assert runs.header(run)["position"]["batch"] == 0
    assert not (run / names.SAMPLES).exists()


def replace_run(chosen, run_dir):
    """Train a new run in place of another."""
    plan = make_plan(chosen, run_dir=run_dir, overwrite=True)
    with start_run(plan.config, None, run_dir, overwrite=True) as started:
        stop = StopRequest(plan.config)
        return list(train_run(started.writer, started.state, started.images, stop))


@pytest.fixture
def linked(run_dir, tmp_path, monkeypatch):
    """A path to the run that leads through a link to its folder; the working directory is apart."""
    neutral = tmp_path / "neutral"
    neutral.mkdir()
    monkeypatch.chdir(neutral)
    (neutral / "link").symlink_to(run_dir.parent)
    return neutral / "link" / run_dir.name


@pytest.mark.parametrize("is_relative", [False, True])
def test_overwriting_through_a_link_replaces_the_run_behind_it(
    digits, run_dir, linked, tmp_path, is_relative
):
    path = linked.relative_to(tmp_path / "neutral") if is_relative else linked
    replace_run(options(digits, epochs=1, seed=5), path)
    assert run_dir.is_dir()
    assert not run_dir.is_symlink()
    assert linked.parent.is_symlink()
    assert vaecli.open(run_dir).config.seed == 5
    assert len(runs.losses(run_dir)) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["neutral", run_dir.name]
    assert sorted(path.name for path in (tmp_path / "neutral").iterdir()) == ["link"]
    run_training(options(digits, epochs=1, seed=5), tmp_path / "new")
    runs.assert_same_run(run_dir, tmp_path / "new")


def test_a_failed_start_through_a_link_gives_the_run_behind_it_back(digits, run_dir, linked):
    before = runs.contents(run_dir)
    with pytest.raises(ConfigError):
        replace_run(options(digits, device="cuda:99"), linked)
    assert runs.contents(run_dir) == before


@pytest.mark.parametrize("place", [".", "samples"])
def test_the_working_directory_is_not_overwritten_through_a_link(
    digits, run_dir, linked, monkeypatch, place
):
    before = runs.contents(run_dir)
    monkeypatch.chdir(run_dir / place)
    for path in (linked, os.path.relpath(linked)):
        with pytest.raises(ConfigError, match="it is not an ordinary run directory"):
            replace_run(options(digits, epochs=1), type(linked)(path))
    assert runs.contents(run_dir) == before

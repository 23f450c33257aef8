"""A training from its first epoch to its last picture: what it yields, and what it leaves."""

import os
import signal

import pytest

import vaecli
from tests import runs
from tests.experiments.trainings import Stop, Training, options, run_training
from tests.processes import posix
from vaecli.experiments import train
from vaecli.experiments.prepare import start_run
from vaecli.experiments.resume import make_plan
from vaecli.experiments.stopping import StopRequest
from vaecli.experiments.train import train_run
from vaecli.run import names
from vaecli.system import files
from vaecli.system.errors import ConfigError, Interrupted, ResourceError
from vaecli.training.epoch import Epoch


@pytest.fixture
def fail_to_write(monkeypatch):
    """Let the disk be full for files with an ending: `fail_to_write(".png")`."""
    write = files.write_atomic

    def for_files(ending):
        def full(path, content):
            if path.suffix == ending:
                raise ResourceError(f"Cannot write {path}: No space left on device.")
            write(path, content)

        monkeypatch.setattr(files, "write_atomic", full)

    return for_files


def test_a_training_yields_steps_and_epochs_and_prints_nothing(digits, tmp_path, capfd):
    done = run_training(options(digits, epochs=2), tmp_path / "run")
    assert done.steps == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)]
    assert done.epochs == [1, 2]
    assert done.notices == []
    assert capfd.readouterr() == ("", "")


def test_an_epoch_is_yielded_when_it_is_on_the_disk(digits, tmp_path):
    """A consumer may stop there without losing it."""
    run = tmp_path / "run"
    plan = make_plan(options(digits, epochs=3), run_dir=run)
    with start_run(plan.config, None, run) as started:
        events = train_run(started.writer, started.state, started.images, stop_never())
        for event in events:
            if isinstance(event, Epoch):
                assert event == started.state.history[-1]
                assert len(runs.header(run)["history"]) == event.number
                assert runs.record(run)["epochs_done"] == len(runs.losses(run)) == event.number
                assert (run / names.EPOCH_SAMPLES.format(event.number)).exists()
                if event.number == 2:
                    break
        events.close()
    assert runs.record(run)["status"] == "interrupted"
    assert runs.record(run)["epochs_done"] == 2
    assert run_training({}, resume=str(run)).epochs == [3]


def stop_never():
    return StopRequest(vaecli.Config())


def test_the_files_of_an_epoch_are_written_in_order(digits, tmp_path, monkeypatch):
    """Checkpoint, losses, picture, then run.json: no file says what is not true yet."""
    write = files.write_atomic
    written = []
    monkeypatch.setattr(files, "write_atomic", lambda p, c: (written.append(p.name), write(p, c)))
    run_training(options(digits, epochs=2), tmp_path / "run")
    for number in (1, 2):
        at = written.index(f"epoch-{number:04d}.png")
        assert written[at - 2 : at + 2] == [
            "last.safetensors",
            "losses.csv",
            f"epoch-{number:04d}.png",
            "run.json",
        ]
    assert written[:2] == ["config.json", "run.json"]
    assert written[-1] == "run.json"


@pytest.mark.parametrize("after", [1, 2, 4])
def test_a_consumer_that_stops_iterating_leaves_an_interrupted_run(digits, tmp_path, after):
    run = tmp_path / "run"
    plan = make_plan(options(digits, epochs=2), run_dir=run)
    with start_run(plan.config, None, run) as started:
        events = train_run(started.writer, started.state, started.images, stop_never())
        for _ in range(after):
            next(events)
        events.close()
        assert runs.record(run)["status"] == "interrupted"
        reason = "The caller closed the training generator before it ended."
        assert runs.record(run)["reason"] == reason
    assert not (run / names.LOCK).exists()
    done = run_training({}, resume=str(run))
    assert done.epochs[-1] == 2
    assert runs.record(run)["status"] == "completed"
    reference = tmp_path / "reference"
    run_training(options(digits, epochs=2), reference)
    runs.assert_same_run(run, reference)


def test_the_time_limit_interrupts_and_says_how_to_resume(digits, tmp_path):
    run = tmp_path / "my run"
    done = run_training(options(digits, epochs=3), run, stop=Stop(5))
    text = f"Stopped: --max-time is reached. Resume with: vaecli train --resume '{tmp_path}/my run'"
    assert done.notices == [("info", text)]
    assert done.steps[-1] == (2, 1)
    record = runs.record(run)
    assert (record["status"], record["reason"]) == ("interrupted", text)
    assert (len(runs.header(run)["history"]), runs.header(run)["position"]["batch"]) == (1, 1)
    assert not (run / names.SAMPLES).exists()


@posix
def test_a_signal_interrupts_after_the_batch_and_saves_it(digits, tmp_path):
    run = tmp_path / "run"
    done = Training()
    stop = Stop(2, signal.SIGTERM)
    with pytest.raises(Interrupted, match=r"^Stopped by SIGTERM\. Resume with: vaecli train --re"):
        run_training(options(digits, epochs=3), run, into=done, stop=stop)
    assert done.steps == [(1, 1), (1, 2)]
    assert done.notices == []
    assert runs.record(run)["status"] == "interrupted"
    assert runs.header(run)["position"]["batch"] == 2
    again = run_training({}, resume=str(run))
    assert again.steps[0] == (1, 3)


@posix
def test_a_signal_at_the_end_of_the_last_epoch_lets_the_training_complete(digits, tmp_path):
    """Nothing would be left to resume but the pictures."""
    run = tmp_path / "run"
    with StopRequest(vaecli.Config()) as stop:
        plan = make_plan(options(digits, epochs=1), run_dir=run)
        with start_run(plan.config, None, run) as started:
            for event in train_run(started.writer, started.state, started.images, stop):
                if isinstance(event, Epoch):
                    os.kill(os.getpid(), signal.SIGTERM)
    assert runs.record(run)["status"] == "completed"
    assert (run / names.SAMPLES).exists()


def test_a_time_limit_during_the_last_epoch_completes_too(digits, tmp_path):
    run_training(options(digits, epochs=1), tmp_path / "run", stop=Stop(4))
    assert runs.record(tmp_path / "run")["status"] == "completed"


def test_patience_ends_a_training_with_a_notice(digits, tmp_path):
    run = tmp_path / "run"
    chosen = options(digits, epochs=50, lr=0.2, seed=2, validation=32, patience=1)
    done = run_training(chosen, run)
    last = done.epochs[-1]
    assert last < 50
    reason = (
        f"the validation loss was lowest after epoch {last - 1} and not lower up to epoch {last}"
    )
    assert done.notices == [("info", f"Ended early: {reason}.")]
    record = runs.record(run)
    assert (record["status"], record["reason"]) == ("completed", reason)
    assert (run / names.SAMPLES).exists()


def test_with_a_discriminator_the_distortion_ends_a_training(digits, tmp_path):
    run = tmp_path / "run"
    chosen = options(digits, epochs=50, lr=0.05, validation=32, patience=1, preset="aae")
    done = run_training(chosen, run)
    (level, text), *_ = done.notices
    assert level == "info"
    assert text.startswith("Ended early: the validation distortion was lowest after epoch ")
    rows = runs.losses(run)
    distortions = [float(row["valid_distortion"]) for row in rows]
    assert distortions.index(min(distortions)) == len(rows) - 2
    best = runs.tensors(run, names.BEST)
    model = {name: tensor for name, tensor in best.items() if name.startswith("model.")}
    runs.assert_same_tensors(vaecli.open(run).model().state_dict(), without_prefix(model))


def without_prefix(tensors):
    return {name.removeprefix("model."): tensor for name, tensor in tensors.items()}


def test_the_last_pictures_show_the_best_model(digits, tmp_path, monkeypatch):
    shown = []

    class Pictures(train.RunPictures):
        def draw_results(self, test):
            shown.append(self.model.state_dict())
            return super().draw_results(test)

    monkeypatch.setattr(train, "RunPictures", Pictures)
    chosen = options(digits, epochs=12, lr=0.2, seed=2, validation=32, save_every=1)
    run_training(chosen, tmp_path / "run")
    losses = [float(row["valid_loss"]) for row in runs.losses(tmp_path / "run")]
    best = losses.index(min(losses)) + 1
    assert best != 12
    kept = runs.tensors(tmp_path / "run", names.EPOCH_CHECKPOINT.format(best))
    model = {name: tensor for name, tensor in kept.items() if name.startswith("model.")}
    runs.assert_same_tensors(shown[0], without_prefix(model))
    runs.assert_same_tensors(runs.tensors(tmp_path / "run", names.BEST), model)


def test_checkpoints_and_pictures_come_at_their_intervals(digits, tmp_path):
    run = tmp_path / "run"
    run_training(options(digits, epochs=5, save_every=2, sample_every=3), run)
    assert {p.name for p in (run / "samples").iterdir()} == {"epoch-0003.png"}
    found = {p.name for p in (run / "checkpoints").iterdir()}
    assert found == {"last.safetensors", "epoch-0002.safetensors", "epoch-0004.safetensors"}


def test_a_picture_that_cannot_be_written_is_a_warning(digits, tmp_path, fail_to_write):
    fail_to_write(".png")
    run = tmp_path / "run"
    done = run_training(options(digits, epochs=1), run)
    assert [level for level, _ in done.notices] == ["warning"] * 6
    assert all("No space left on device" in text for _, text in done.notices)
    assert runs.record(run)["status"] == "completed"
    assert (run / names.CHECKPOINT).exists()


def test_a_checkpoint_that_cannot_be_written_fails_the_training(digits, tmp_path, fail_to_write):
    fail_to_write(".safetensors")
    with pytest.raises(ResourceError, match="No space left"):
        run_training(options(digits, epochs=2), tmp_path / "run")
    assert runs.record(tmp_path / "run")["status"] == "failed"
    assert runs.record(tmp_path / "run")["epochs_done"] == 0


def test_what_a_kill_left_out_of_an_epoch_is_written_on_resume(digits, trained, run_dir):
    """A kill may come right after a checkpoint, even after that of the last epoch."""
    (run_dir / names.LOSSES).unlink()
    (run_dir / names.EPOCH_SAMPLES.format(2)).unlink()
    (run_dir / names.SAMPLES).unlink()
    runs.set_record(run_dir, status="running", epochs_done=1)
    done = run_training({}, resume=str(run_dir))
    assert done.steps == done.epochs == []
    runs.assert_same_run(run_dir, trained)
    record = runs.record(run_dir)
    assert (record["status"], record["epochs_done"]) == ("completed", 2)


def test_a_resume_in_the_middle_of_an_epoch_draws_no_picture_for_it(digits, tmp_path):
    run = tmp_path / "run"
    run_training(options(digits, epochs=2), run, stop=Stop(6))
    (run / names.EPOCH_SAMPLES.format(1)).unlink()
    done = run_training({}, resume=str(run))
    assert done.steps == [(2, 3)]
    assert [p.name for p in (run / "samples").iterdir()] == ["epoch-0002.png"]


def test_a_resume_that_extends_a_run_is_exact(digits, run_dir, tmp_path):
    run_training({"epochs": 4}, resume=str(run_dir))
    run_training(options(digits, epochs=4), tmp_path / "reference")
    runs.assert_same_run(run_dir, tmp_path / "reference")
    assert runs.config(run_dir)["epochs"] == 4
    assert runs.record(run_dir)["resumes"] == 1


def test_without_a_checkpoint_a_resumed_run_starts_at_the_first_epoch(trained, tmp_path):
    from vaecli.run.create import make_run

    make_run(vaecli.open(trained).config, tmp_path / "run")
    done = run_training({}, resume=str(tmp_path / "run"))
    assert done.epochs == [1, 2]
    runs.assert_same_run(tmp_path / "run", trained)


def test_an_interrupt_of_python_is_recorded(digits, tmp_path, monkeypatch):
    def interrupted(state, *images):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(train, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_training(options(digits, epochs=1), tmp_path / "run")
    assert runs.record(tmp_path / "run")["status"] == "interrupted"


@pytest.mark.parametrize("with_old", [False, True])
def test_a_run_that_failed_before_its_first_checkpoint_is_in_nobodys_way(
    digits, tmp_path, run_dir, fail_to_write, monkeypatch, with_old
):
    run = run_dir if with_old else tmp_path / "new"
    before = runs.contents(run)
    with monkeypatch.context():
        fail_to_write(".safetensors")
        with pytest.raises(ResourceError, match="No space left"):
            run_training(options(digits, epochs=1), run, overwrite=with_old)
    monkeypatch.undo()
    assert not list(tmp_path.glob(".*"))
    if with_old:
        assert runs.contents(run) == before
        return
    assert runs.record(run)["status"] == "failed"
    assert run_training(options(digits, epochs=1, seed=1), run).epochs == [1]
    assert runs.config(run)["seed"] == 1
    assert "No space left" not in (run / names.RECORD).read_text()
    with pytest.raises(ConfigError, match="is not empty"):
        run_training(options(digits, epochs=1), run)


def test_a_replaced_run_is_deleted_right_after_the_first_checkpoint(digits, run_dir):
    plan = make_plan(options(digits, epochs=2), run_dir=run_dir)
    found = []
    with start_run(plan.config, None, run_dir, overwrite=True) as started:
        for event in train_run(started.writer, started.state, started.images, stop_never()):
            waits = list(run_dir.parent.glob(".run-replaced-*"))
            found.append((type(event).__name__, len(waits)))
    before = [("Step", 1)] * 3
    after = [("Epoch", 0), *[("Step", 0)] * 3, ("Epoch", 0)]
    assert found == before + after
    assert list(run_dir.parent.iterdir()) == [run_dir]


@pytest.mark.parametrize("fatal", [KeyboardInterrupt(), MemoryError(), OSError(28, "full")])
def test_whatever_ends_the_first_epoch_gives_the_replaced_run_back(
    digits, run_dir, monkeypatch, fatal
):
    before = runs.contents(run_dir)
    fit = train.fit

    def failing(state, *images):
        yield next(fit(state, *images))
        raise fatal

    monkeypatch.setattr(train, "fit", failing)
    with pytest.raises(type(fatal)):
        run_training(options(digits, epochs=1), run_dir, overwrite=True)
    assert runs.contents(run_dir) == before
    assert list(run_dir.parent.iterdir()) == [run_dir]

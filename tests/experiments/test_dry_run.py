"""The estimate of time, memory and disk, which writes nothing."""

import shutil
from types import SimpleNamespace

import pytest

import vaecli
from tests import runs
from tests.conftest import bars
from tests.experiments.trainings import options, run_training
from vaecli.experiments import dry_run
from vaecli.experiments.dry_run import estimate
from vaecli.experiments.resume import make_plan
from vaecli.run.lock import run_lock
from vaecli.run.writer import required_disk
from vaecli.system.errors import ConfigError, DataError, ResourceError, TrainingDiverged
from vaecli.training import loop


def test_a_new_run_is_estimated_and_nothing_is_written(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = make_plan(options(digits, epochs=7), run_dir=tmp_path / "a" / "run")
    result = estimate(plan, tmp_path / "a" / "run", overwrite=False)
    state = vaecli.start(plan.config, bars(96))
    assert result.parameters == state.parameters
    assert (result.device, result.epochs) == ("cpu", 7)
    assert 0 < result.epoch_seconds < 60
    assert result.memory > 2**20
    assert result.notices == []
    assert list(tmp_path.iterdir()) == []


def test_the_estimate_of_disk_covers_what_a_run_writes(digits, tmp_path):
    """It is no more than a few times that."""
    wide = options(digits, epochs=4, save_every=1, validation=16, network="mlp:width=256,depth=2")
    result = estimate(make_plan(wide), tmp_path / "run", overwrite=False)
    run_training(wide, tmp_path / "run")
    written = sum(p.stat().st_size for p in (tmp_path / "run" / "checkpoints").iterdir())
    assert written <= result.disk <= 2 * written


def test_a_resume_is_estimated_by_what_is_left(run_dir):
    before = runs.contents(run_dir)
    result = estimate(make_plan({"epochs": 5}, resume=str(run_dir)), None, overwrite=False)
    assert result.epochs == 3
    assert result.disk == required_disk(left(run_dir, 5))
    assert runs.contents(run_dir) == before


def left(run_dir, epochs):
    """The state from which a run with so many epochs would be resumed."""
    plan = make_plan({"epochs": epochs}, resume=str(run_dir))
    state = vaecli.start(plan.config, bars(96))
    state.history = plan.run.history()
    return state


def test_a_run_whose_epochs_are_done_needs_no_more_time(run_dir):
    """It was killed while its last pictures were drawn."""
    runs.set_record(run_dir, status="running")
    result = estimate(make_plan({}, resume=str(run_dir)), None, overwrite=False)
    assert (result.epochs, result.epoch_seconds) == (0, 0.0)


def test_a_resume_on_other_data_is_refused(run_dir):
    runs.set_record(run_dir, data={"train": "0" * 64, "test": "0" * 64})
    plan = make_plan({"epochs": 5}, resume=str(run_dir))
    with pytest.raises(ConfigError, match="The data differ"):
        estimate(plan, None, overwrite=False)
    assert estimate(plan, None, overwrite=False, allow_data_change=True).epochs == 3


def test_a_run_directory_that_would_be_refused_is_refused(digits, run_dir):
    plan = make_plan(options(digits), run_dir=run_dir)
    with pytest.raises(ConfigError, match="is not empty"):
        estimate(plan, run_dir, overwrite=False)
    assert estimate(plan, run_dir, overwrite=True).epochs == 50
    with pytest.raises(ConfigError, match="--overwrite needs --run-dir"):
        estimate(plan, None, overwrite=True)


def test_a_run_that_would_be_replaced_is_not_read(digits, run_dir):
    """Not even if its model is another."""
    plan = make_plan(options(digits, latent_dim=7, epochs=9), run_dir=run_dir)
    result = estimate(plan, run_dir, overwrite=True)
    assert result.epochs == 9
    assert result.disk == required_disk(vaecli.start(plan.config, bars(96)))


def test_mistakes_are_found(digits, tmp_path, monkeypatch):
    def try_out(**more):
        estimate(make_plan(options(digits, **more)), tmp_path / "run", overwrite=False)

    with pytest.raises(DataError, match="nowhere has no file"):
        try_out(data_dir="nowhere")
    with pytest.raises(ConfigError, match="this machine has"):
        try_out(device="cuda:77")
    with pytest.raises(TrainingDiverged, match="in batch 2 of epoch 1"):
        try_out(lr=1e9, batch_size=4)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=50_000))
    with pytest.raises(ResourceError, match="needs about"):
        try_out()
    assert list(tmp_path.iterdir()) == []


def test_warnings_of_the_start_are_reported(digits, tmp_path):
    plan = make_plan(options(digits, compile=True, preset="rae-gp", epochs=1))
    (notice,) = estimate(plan, tmp_path / "run", overwrite=False).notices
    assert notice.text.startswith("torch cannot compile rae:")


def test_a_short_epoch_is_measured_whole_and_a_long_one_is_extrapolated(
    digits, tmp_path, monkeypatch
):
    now = [0.0]
    batches = []

    def fit(state, *images, real=dry_run.fit):
        for event in real(state, *images):
            now[0] += 1.0
            batches.append(event)
            yield event

    def evaluate(model, objective, images, seed):
        now[0] += 0.5 * len(images)
        return {"loss": 1.0}

    monkeypatch.setattr(dry_run, "fit", fit)
    monkeypatch.setattr(dry_run, "evaluate", evaluate)
    monkeypatch.setattr(loop, "evaluate", evaluate)
    monkeypatch.setattr(dry_run.time, "perf_counter", lambda: now[0])
    plan = make_plan(options(digits, batch_size=1, validation=16))
    result = estimate(plan, tmp_path / "run", overwrite=False)
    assert len(batches) == 4  # that after which more than 3 seconds have passed is the last
    assert result.epoch_seconds == pytest.approx(80 * 1.0 + (40 + 16) * 0.5)
    batches.clear()
    result = estimate(make_plan(options(digits)), tmp_path / "run", overwrite=False)
    assert [type(event).__name__ for event in batches] == ["Step", "Step", "Step", "Epoch"]
    assert batches[-1].test_seconds == 40 * 0.5
    assert result.epoch_seconds == batches[-1].train_seconds + 40 * 0.5


def test_a_run_that_is_being_trained_is_refused(digits, run_dir):
    resumed = make_plan({"epochs": 5}, resume=str(run_dir))
    new = make_plan(options(digits), run_dir=run_dir)
    with run_lock(run_dir):
        with pytest.raises(ConfigError, match="is being trained by process"):
            estimate(resumed, None, overwrite=False)
        with pytest.raises(ConfigError, match="is being trained by process"):
            estimate(new, run_dir, overwrite=True)


@pytest.mark.parametrize(("peak", "expected"), [(123_456_789, 123_456_789), (None, 0)])
def test_the_memory_is_the_peak_of_this_process_in_bytes(
    digits, tmp_path, monkeypatch, peak, expected
):
    monkeypatch.setattr(dry_run.machine, "peak_memory", lambda: peak)
    plan = make_plan(options(digits, epochs=1))
    assert estimate(plan, tmp_path / "run", overwrite=False).memory == expected

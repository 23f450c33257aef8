"""Workers: every trial is trained once, whatever happens to its worker."""

import signal

import pytest
import torch

from tests import runs
from tests.experiments.trainings import Stop, poison
from tests.experiments.tune.studies import outcome, start, work, work_until
from vaecli.experiments import train
from vaecli.experiments.stopping import StopRequest
from vaecli.experiments.tune import worker
from vaecli.experiments.tune.locks import claim
from vaecli.experiments.tune.result import finish
from vaecli.experiments.tune.worker import TrialEnded, Worker
from vaecli.run.lock import run_lock
from vaecli.system.errors import ConfigError, Interrupted, ResourceError, RunError
from vaecli.training.epoch import Epoch


@pytest.fixture(scope="module")
def whole(digits, tmp_path_factory):
    """A study of four trials by one worker that nobody stops; do not write to it."""
    study = start(digits, tmp_path_factory.mktemp("whole") / "study")
    work(study)
    return study


def test_a_study_has_as_many_trials_as_asked_each_with_its_run(whole):
    rows = whole.rows()
    assert [row.number for row in rows] == [0, 1, 2, 3]
    assert all(row.state == "completed" for row in rows)
    for row in rows:
        config = runs.config(row.run)
        assert (config["lr"], config["latent_dim"]) == tuple(row.options.values())
        assert config["epochs"] == 2
        assert runs.record(row.run)["status"] == "completed"
        losses = [float(epoch["valid_loss"]) for epoch in runs.losses(row.run)]
        assert (row.value, row.epochs) == (min(losses), 2)
    assert len({tuple(row.options.values()) for row in rows}) == 4


def test_the_first_trial_has_the_options_as_given(whole):
    assert whole.rows()[0].options == {"lr": 0.001, "latent-dim": 3}


def test_the_first_trial_is_drawn_if_the_options_as_given_are_not_in_the_ranges(digits, tmp_path):
    study = start(digits, tmp_path / "study", 1, search=("lr=2e-3..1e-2", "latent-dim=2,3"))
    work(study)
    assert study.rows()[0].options["lr"] >= 2e-3


@pytest.mark.parametrize("epochs", [1, 2, 3, 5])
def test_a_killed_study_is_the_same_in_the_end(digits, tmp_path, whole, epochs):
    """Also if its worker dies between two trials, and the run says that it still trains."""
    study = start(digits, tmp_path / "study")
    work_until(study, epochs)
    for row in study.rows():
        if row.state == "running":
            runs.set_record(row.run, status="running")
    again = start(digits, tmp_path / "study")
    work(again)
    assert outcome(again) == outcome(whole)
    for row, wanted in zip(again.rows(), whole.rows(), strict=True):
        runs.assert_same_run(row.run, wanted.run)


@pytest.mark.parametrize("suggested", [0, 1, 2])
def test_a_worker_killed_before_its_run_begins_loses_no_trial(digits, tmp_path, whole, suggested):
    study = start(digits, tmp_path / "study")
    trial = study.storage.ask()
    for name, found in list(study.search.items())[:suggested]:
        found.suggest(trial, name)
    work(start(digits, tmp_path / "study"))
    assert outcome(study) == outcome(whole)


def test_a_worker_killed_between_the_last_epoch_and_the_result_loses_nothing(
    digits, tmp_path, whole, monkeypatch
):
    study = start(digits, tmp_path / "study")
    with monkeypatch.context() as patch:
        patch.setattr(Worker, "_tell", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            work(study)
    assert runs.record(study.run_of(0))["status"] == "completed"
    assert study.rows()[0].state == "running"
    work(start(digits, tmp_path / "study"))
    assert outcome(study) == outcome(whole)
    assert runs.record(study.run_of(0))["resumes"] == 0


def test_a_signal_saves_the_trial_and_says_how_to_go_on(digits, tmp_path, whole):
    study = start(digits, tmp_path / "study")
    with pytest.raises(Interrupted) as stopped:
        work(study, Stop(8, signal.SIGTERM))
    assert stopped.value.status == 143
    assert str(stopped.value).endswith(f"Go on with: vaecli tune --study {study.folder}")
    assert runs.header(study.run_of(study.rows()[-1].number))["position"]["batch"] > 0
    work(start(digits, tmp_path / "study"))
    assert outcome(study) == outcome(whole)


def test_the_time_limit_ends_the_worker_and_not_the_study(digits, tmp_path, whole):
    study = start(digits, tmp_path / "study")
    stop = StopRequest(study.base)
    for event in Worker(study, stop).work():
        if isinstance(event, Epoch):
            stop.limit = 0.0
    assert [(row.state, row.epochs) for row in study.rows()] == [("running", 1)]
    assert not study.record.finished
    work(study)
    assert outcome(study) == outcome(whole)


def test_two_workers_take_different_trials(digits, tmp_path):
    study = start(digits, tmp_path / "study", 5)
    other = start(digits, tmp_path / "study", 5)
    first = Worker(study, StopRequest(study.base)).work()
    while not isinstance(next(first), Epoch):
        pass
    second = Worker(other, StopRequest(other.base)).work()
    ended = []
    while len(ended) < 4:  # the first trial stays with the first worker
        event = next(second)
        if isinstance(event, TrialEnded):
            ended.append(event.row.number)
    assert ended == [1, 2, 3, 4]
    assert study.rows()[0].state == "running"
    assert not finish(other)
    list(first)
    assert not [event for event in second if isinstance(event, TrialEnded)]
    assert [row.state for row in other.rows()] == ["completed"] * 5
    assert other.read_again().finished


def test_a_trial_that_ends_while_it_is_claimed_is_not_taken(digits, tmp_path, monkeypatch):
    """Its worker ends it after the other has read that it runs, and then releases it."""
    study = start(digits, tmp_path / "study", 2)
    study.storage.ask()
    other = start(digits, tmp_path / "study", 2)
    claim_trial = worker.claim
    told = []

    def end_and_claim(folder, number):
        if not told:
            told.append(number)
            other.storage.tell(number, 5.0)
        return claim_trial(folder, number)

    monkeypatch.setattr(worker, "claim", end_and_claim)
    work(study)
    assert told == [0]
    assert [trial.value == 5.0 for trial in study.storage.trials] == [True, False]
    assert not study.run_of(0).exists()


def test_a_worker_waits_for_the_others_and_takes_over_from_a_dead_one(
    digits, tmp_path, monkeypatch
):
    study = start(digits, tmp_path / "study", 1)
    trial = study.storage.ask()
    lock = claim(study.folder, trial.number)
    waits = []

    def wait(seconds):
        waits.append(seconds)
        assert not study.run_of(0).exists()
        if len(waits) == 3:
            lock.release()  # as the system does when a process ends

    monkeypatch.setattr(worker.time, "sleep", wait)
    work(study)
    assert len(waits) == 3
    assert [row.state for row in study.rows()] == ["completed"]


def test_a_run_that_is_resumed_by_hand_is_left_alone(digits, tmp_path, monkeypatch):
    study = start(digits, tmp_path / "study", 2)
    work_until(study, 1)
    with run_lock(study.run_of(0)):
        monkeypatch.setattr(worker, "POLL", 0)
        events = Worker(study, StopRequest(study.base)).work()
        while not isinstance(event := next(events), TrialEnded):
            pass
        assert event.row.number == 1
    list(events)
    assert [row.state for row in study.rows()] == ["completed"] * 2


def test_a_trial_that_diverges_is_failed_and_the_study_goes_on(digits, tmp_path, monkeypatch):
    study = start(digits, tmp_path / "study", 2)
    poison(monkeypatch, epoch=2, times=1)
    work(study)
    failed, completed = study.rows()
    assert (failed.state, failed.epochs, completed.state) == ("failed", 1, "completed")
    assert failed.reason.startswith("Training diverged: loss became nan")
    assert runs.record(failed.run)["status"] == "diverged"
    assert study.record.test.trial == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), "Out of memory."),
        (MemoryError(), "Out of memory."),
        (ZeroDivisionError("oops"), "Unexpected ZeroDivisionError: oops"),
    ],
)
def test_a_trial_that_its_options_stop_is_failed_and_the_study_goes_on(
    digits, tmp_path, monkeypatch, error, reason
):
    study = start(digits, tmp_path / "study", 2)
    fit = train.fit

    def fail_once(state, *images):
        monkeypatch.setattr(train, "fit", fit)
        raise error
        yield

    monkeypatch.setattr(train, "fit", fail_once)
    work(study)
    assert [(row.state, row.reason) for row in study.rows()] == [
        ("failed", reason),
        ("completed", None),
    ]


def test_options_that_fit_no_model_fail_their_trial(digits, tmp_path):
    """Both ends of the range fit, and the numbers between them do not."""
    search = ("latent-dim=2..4",)
    fields = {"posterior": "quantized:dim=2,codes=4", "prior": "codes", "latent_dim": 2}
    study = start(digits, tmp_path / "study", 8, search=search, options=fields)
    work(study)
    states = {row.options["latent-dim"]: row.state for row in study.rows()}
    assert states[3] == "failed"
    assert "failed" not in (states.get(2), states.get(4))


def test_a_full_disk_stops_the_worker_and_keeps_the_trial(digits, tmp_path, monkeypatch):
    study = start(digits, tmp_path / "study", 1)
    with monkeypatch.context() as patch:

        def full(*_):
            raise ResourceError("The disk is full.")

        patch.setattr("vaecli.run.writer.RunWriter.save", full)
        with pytest.raises(ResourceError):
            work(study)
    assert study.rows()[0].state == "running"
    work(study)
    assert study.rows()[0].state == "completed"


def test_a_study_without_a_completed_trial_says_why(digits, tmp_path, monkeypatch):
    study = start(digits, tmp_path / "study", 2)
    poison(monkeypatch, epoch=1)
    with pytest.raises(RunError, match=r"No trial of .* was completed: Training diverged"):
        work(study)


def test_a_worker_killed_before_it_stops_a_pruned_trial_loses_nothing(
    digits, tmp_path, monkeypatch
):
    """The epoch is reported, and the run does not know yet that it was given up."""
    study = start(digits, tmp_path / "study", 1)
    work_until(study, 1)
    runs.set_record(study.run_of(0), status="running")
    monkeypatch.setattr(Worker, "_is_to_prune", lambda *_: True)
    with pytest.raises(RunError, match="all were pruned"):
        work(start(digits, tmp_path / "study", 1))
    assert (study.rows()[0].state, study.rows()[0].epochs) == ("pruned", 1)
    record = runs.record(study.run_of(0))
    assert (record["status"], record["resumes"]) == ("interrupted", 0)
    assert record["reason"].startswith("Stopped: the trial is worse than the median")


def test_a_missing_device_fails_no_trial(digits, tmp_path):
    start(digits, tmp_path / "study", 1)
    study = start(digits, tmp_path / "study", 1, options={"device": "cuda:7"})
    with pytest.raises(ConfigError, match="cuda:7"):
        work(study)
    assert study.rows() == []

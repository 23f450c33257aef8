"""The result of a study, and that the test images decide nothing in it."""

import csv
import json
import shutil
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from tests import runs
from tests.conftest import bars, idx
from tests.experiments.trainings import run_training
from tests.experiments.tune.studies import outcome, start, work
from vaecli.config.config import Config
from vaecli.config.option_files import read_options_file
from vaecli.data.splits import load_part
from vaecli.evaluation.bounds import evaluate
from vaecli.experiments.tune import result
from vaecli.experiments.tune import study as studies
from vaecli.experiments.tune.record import write_study
from vaecli.experiments.tune.result import draw, finish, importance_of_options, to_dict, value_of
from vaecli.run.find import open_run


@pytest.fixture(scope="module")
def finished(digits, tmp_path_factory):
    """A study of four trials that has ended; do not write to it."""
    study = start(digits, tmp_path_factory.mktemp("finished") / "study")
    work(study)
    return study


def test_the_best_options_train_the_best_trial_again(finished, tmp_path):
    best = min(finished.rows(), key=lambda row: row.value)
    options = read_options_file(finished.folder / "best.json")
    run_training(options, tmp_path / "again")
    runs.assert_same_run(tmp_path / "again", best.run)


def test_the_table_has_a_row_for_each_trial(finished):
    with (finished.folder / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["number"]) for row in rows] == [0, 1, 2, 3]
    for row, wanted in zip(rows, finished.rows(), strict=True):
        assert float(row["value"]) == wanted.value
        assert float(row["lr"]) == wanted.options["lr"]
        assert int(row["latent-dim"]) == wanted.options["latent-dim"]
        assert (row["run"], row["state"], row["reason"]) == (wanted.run.name, "completed", "")


def test_the_test_result_is_that_of_the_best_checkpoint_of_the_best_trial(finished):
    best = min(finished.rows(), key=lambda row: row.value)
    run = open_run(best.run, "best")
    images = load_part(run.config, "test", None, run.config.seed).images
    wanted = evaluate(*run.parts(), images, run.config.seed)
    assert finished.record.test.metrics == pytest.approx(wanted)
    assert finished.record.test.trial == best.number
    assert finished.record.test.images == 40


def test_the_test_images_are_evaluated_once(digits, tmp_path, monkeypatch):
    calls = []
    evaluated = result.evaluate
    monkeypatch.setattr(result, "evaluate", lambda *a: calls.append(a) or evaluated(*a))
    for trials in (3, 3, 3):
        work(study := start(digits, tmp_path / "study", trials))
    write_study(study.folder, study.record.model_copy(update={"finished": False}))
    work(start(digits, tmp_path / "study", 3))  # as after more trials, none of them better
    assert len(calls) == 1


def test_lost_files_of_the_result_are_written_again(digits, tmp_path):
    study = start(digits, tmp_path / "study", 1)
    work(study)
    lost = study.folder / "best.json", study.folder / "trials.csv"
    contents = [path.read_bytes() for path in lost]
    for path in lost:
        path.unlink()
    work(start(digits, tmp_path / "study", 1))
    assert [path.read_bytes() for path in lost] == contents


def test_the_test_result_is_that_of_the_best_trial_of_an_extended_study(digits, tmp_path):
    """It is kept if the best trial is still the same, and is that of another one else."""
    study = start(digits, tmp_path / "study", 2)
    work(study)
    found = study.record.test
    of_another = found.model_copy(update={"trial": 1 - found.trial})
    kept = found.model_copy(update={"metrics": {"loss": 7.0}})
    for before, after in ((of_another, found), (kept, kept)):
        changes = {"finished": False, "test": before}
        write_study(study.folder, study.record.model_copy(update=changes))
        assert finish(study)
        assert study.record.test == after


def test_the_test_images_decide_nothing(digits, tmp_path, monkeypatch):
    """Other test images: the same trials, pruned alike, and the same best; another test loss."""
    monkeypatch.setattr(studies, "FIRST_TRIALS", 2)
    monkeypatch.setattr(studies, "FIRST_EPOCHS", 1)
    scrambled = shutil.copytree(digits, tmp_path / "scrambled")
    noise = np.random.default_rng(7).integers(0, 256, bars(40).x.squeeze(1).shape)
    for path in scrambled.glob("t10k-images*"):
        path.unlink()
    (scrambled / "t10k-images-idx3-ubyte").write_bytes(idx(noise))
    found = []
    for folder in (digits, scrambled):
        study = start(folder, tmp_path / f"of-{folder.name}", 7)
        work(study)
        found.append((study, outcome(study)))
    (first, rows), (second, other_rows) = found
    assert rows == other_rows
    assert {state for _, state, *_ in rows} == {"completed", "pruned"}
    assert first.record.test.trial == second.record.test.trial
    assert first.record.test.metrics != second.record.test.metrics


def test_a_pruned_run_can_be_trained_on_by_hand(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(studies, "FIRST_TRIALS", 2)
    monkeypatch.setattr(studies, "FIRST_EPOCHS", 1)
    study = start(digits, tmp_path / "study", 7)
    work(study)
    pruned = next(row for row in study.rows() if row.state == "pruned")
    assert pruned.reason == "worse than the median after epoch 1"
    assert runs.record(pruned.run)["status"] == "interrupted"
    run_training({}, resume=str(pruned.run))
    assert runs.record(pruned.run)["status"] == "completed"
    assert study.row_of(study.storage.trials[pruned.number]) == pruned


def test_the_object_for_programs_is_strict_json(finished):
    found = json.loads(json.dumps(to_dict(finished), allow_nan=False))
    best = min(found["trials"], key=lambda trial: trial["value"])
    assert found["best"] == best
    assert found["finished"] is True
    assert found["metric"] == "loss"
    assert [trial["run"] for trial in found["trials"]] == [
        str(finished.run_of(number)) for number in range(4)
    ]


def test_the_picture_is_drawn(finished, tmp_path):
    assert draw(finished) == []
    assert (finished.folder / "tuning.png").read_bytes().startswith(b"\x89PNG")


def test_importance_compares_pruned_trials_too_after_an_epoch_that_all_have_reached():
    """The loss after epoch 2 is `a` alone; what completed trials reach later is `b` alone."""
    storage = optuna.create_study()
    distributions = {name: FloatDistribution(0, 1) for name in "ab"}
    points = [(i / 19, (7 * i % 20) / 19) for i in range(20)]
    for a, b in points:
        losses = {1: 9.0, 2: 5 + a} | ({3: b} if a < 0.4 else {})
        trial = create_trial(
            params={"a": a, "b": b},
            distributions=distributions,
            intermediate_values=losses,
            value=min(losses.values()),
            state=TrialState.COMPLETE if a < 0.4 else TrialState.PRUNED,
        )
        storage.add_trial(trial)
    study = SimpleNamespace(storage=storage, base=Config(), row_of=row_with_state)
    importances, epoch = importance_of_options(study)
    assert epoch == 2
    assert importances["a"] > 0.8
    for n in (5, 14):
        few = SimpleNamespace(**vars(study) | {"storage": optuna.create_study()})
        few.storage.add_trials(storage.trials[:n])
        assert importance_of_options(few) == ({}, 0)


def test_importances_leave_out_what_only_two_options_together_explain():
    storage = optuna.create_study()
    distributions = {name: FloatDistribution(0, 1) for name in "ab"}
    for i in range(40):
        a, b = i / 39, (7 * i % 40) / 39
        loss = (a - 0.5) * (b - 0.5)
        params = {"a": a, "b": b}
        trial = create_trial(
            params=params, distributions=distributions, intermediate_values={1: loss}, value=loss
        )
        storage.add_trial(trial)
    study = SimpleNamespace(storage=storage, base=Config(), row_of=row_with_state)
    importances, _ = importance_of_options(study)
    assert importances.keys() == {"a", "b"}
    assert sum(importances.values()) < 0.8  # normalized it would be 1


def row_with_state(trial):
    states = {TrialState.COMPLETE: "completed", TrialState.PRUNED: "pruned"}
    return SimpleNamespace(state=states[trial.state])


def test_a_picture_that_cannot_be_drawn_is_a_warning(finished, monkeypatch):
    def fail(*_, **__):
        raise ValueError("no ink.")

    monkeypatch.setattr(result, "plot_tuning", fail)
    assert draw(finished) == ["Could not save tuning.png: no ink."]


@pytest.mark.parametrize(
    ("metric", "value"), [("loss", 5.0), ("distortion", 2.0), ("negative_elbo", 5.5)]
)
def test_what_trials_are_compared_by(metric, value):
    assert value_of({"loss": 5.0, "distortion": 2.0, "rate": 3.5}, metric) == value


def test_the_negative_elbo_without_a_rate_is_the_distortion():
    assert value_of({"loss": 5.0, "distortion": 2.0}, "negative_elbo") == 2.0

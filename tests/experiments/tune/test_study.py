"""The trials of a study in its storage: which are pruned, and what their rows say."""

from tests.experiments.tune.studies import start, work
from vaecli.experiments.tune import study as studies
from vaecli.experiments.tune import worker


def reported(study, losses):
    """A trial with these losses, an epoch each."""
    trial = study.storage.ask()
    for epoch, loss in enumerate(losses, 1):
        trial.report(loss, epoch)
    return trial


def test_a_trial_above_the_median_is_pruned_after_two_epochs_once_five_are_complete(
    digits, tmp_path
):
    study = start(digits, tmp_path / "study")
    pruned = []
    for loss in (1.0, 2.0, 3.0, 4.0, 5.0):
        pruned += [reported(study, [9.0] * epochs).should_prune() for epochs in (1, 2, 3)]
        study.storage.tell(reported(study, [loss] * 3), loss)
    assert not any(pruned)
    last = [reported(study, [9.0] * epochs).should_prune() for epochs in (1, 2, 3)]
    assert last == [False, True, True]
    assert not reported(study, [2.5, 2.5]).should_prune()
    assert not reported(study, [2.5, 9.0]).should_prune()  # its lowest loss counts


def test_the_row_of_a_trial_has_its_lowest_loss_and_its_last_epoch(digits, tmp_path):
    study = start(digits, tmp_path / "study")
    reported(study, [3.0, 1.0, 2.0])
    (row,) = study.rows()
    assert (row.state, row.value, row.epochs) == ("running", 1.0, 3)


def test_the_sampler_is_told_the_lowest_loss(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "value_of", lambda metrics, metric: -metrics["loss"])  # rising
    study = start(digits, tmp_path / "study", 1)
    work(study)
    (trial,) = study.storage.trials
    assert trial.intermediate_values[1] < trial.intermediate_values[2]
    assert trial.value == trial.intermediate_values[1]


def test_a_trial_that_has_done_all_epochs_is_not_pruned(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(studies, "FIRST_TRIALS", 1)
    study = start(digits, tmp_path / "study", 4)
    work(study)
    assert [row.state for row in study.rows()] == ["completed"] * 4
    values = [row.value for row in study.rows()]
    assert values != sorted(values, reverse=True)  # one was worse than those before

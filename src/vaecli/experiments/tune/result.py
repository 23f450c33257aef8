"""The result of a study: its table, the options of its best trial, and that trial's test loss."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

from ...config.config import to_json
from ...data.splits import load_part
from ...evaluation.bounds import evaluate
from ...pictures.option_axes import OptionAxis
from ...pictures.trial_losses import best_trial
from ...pictures.tuning import plot_tuning
from ...run.find import open_run
from ...system import files
from ...system.devices import select_device
from ...system.errors import NoTrialCompleted
from ...system.seeds import derive_seed
from .locks import study_lock
from .ranges import Numbers, Range
from .record import StudyRecord, TestResult, write_study
from .rows import TrialRow
from .study import Study

TABLE = "trials.csv"
BEST = "best.json"
PICTURE = "tuning.png"
METRIC_NAMES = {
    "loss": "loss",
    "distortion": "distortion",
    "negative_elbo": "negative ELBO",
}
FEW_TRIALS = 15  # with fewer the two longest bars are often wrong


def value_of(metrics: Mapping[str, float], metric: str) -> float:
    """What trials are compared by, in nats per image; see `search.metric_of`.

    Args:
        metrics: Means over a split, by name.
        metric: loss, distortion or negative_elbo.
    """
    if metric == "negative_elbo":
        return metrics["distortion"] + metrics.get("rate", 0.0)  # deterministic: no rate
    return metrics[metric]


def write_table(study: Study) -> None:
    """Write trials.csv: one row for each trial that has begun."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    fields = ["number", "state", "value", "epochs", "seconds"]
    writer.writerow([*fields, *study.search, "run", "reason"])
    for row in study.rows():
        cells = [getattr(row, name) for name in fields]
        writer.writerow([*cells, *row.options.values(), row.run.name, row.reason])
    files.write_atomic(study.folder / TABLE, text.getvalue().encode())


def finish(study: Study) -> bool:
    """Write the result, if all trials have ended; whether they have.

    The test set is read here and only here, for the best trial. A result that is written already is
    kept.

    Raises:
        NoTrialCompleted: No trial was completed.
    """
    with study_lock(study.folder):
        record = study.read_again()
        rows = study.rows()
        if len(rows) < record.trials or any(row.state == "running" for row in rows):
            return False
        write_table(study)
        best = best_trial(rows)
        if best is None:
            reasons = (row.reason for row in rows if row.state == "failed")
            raise NoTrialCompleted(
                f"No trial of {study.folder} was completed: {next(reasons, 'all were pruned')}"
            )
        if not record.finished or not (study.folder / BEST).exists():
            _write_best(study, record, best)
        return True


def _write_best(study: Study, record: StudyRecord, best: TrialRow) -> None:
    """Write best.json and, in study.json, the test result."""
    config = open_run(best.run).config
    text = json.dumps(to_json(config), indent=2, ensure_ascii=False) + "\n"
    files.write_atomic(study.folder / BEST, text.encode())
    test = record.test
    if test is None or test.trial != best.number:
        test = _evaluate(best)
    study.record = record.model_copy(update={"finished": True, "test": test})
    write_study(study.folder, study.record)


def _evaluate(best: TrialRow) -> TestResult:
    """Evaluate the best checkpoint of a trial on the test images."""
    run = open_run(best.run)
    config = run.config
    model, objective = run.parts()
    device = select_device(config.device)
    images = load_part(config, "test", None, config.seed).images
    metrics = evaluate(model.to(device), objective.to(device), images.to(device), config.seed)
    return TestResult(trial=best.number, images=len(images), metrics=metrics)


def draw(study: Study) -> list[str]:
    """Save the picture of a study; a warning for one that could not be saved."""
    metric = METRIC_NAMES[study.record.metric]
    axes = [_axis(name, found) for name, found in study.search.items()]
    try:
        importances, epoch = importance_of_options(study)
        picture = plot_tuning(study.rows(), axes, importances, metric, importance_epoch=epoch)
        files.write_atomic(study.folder / PICTURE, picture)
    except Exception as error:  # of any kind: the result is there without it
        return [f"Could not save {PICTURE}: {str(error).removesuffix('.')}."]
    return []


def _axis(name: str, found: Range) -> OptionAxis:
    if isinstance(found, Numbers):
        return OptionAxis(name, found.low, found.high, found.log)
    return OptionAxis(name, choices=tuple(found.examples))


def importance_of_options(study: Study) -> tuple[dict[str, float], int]:
    """Fraction of the variance that each option explains by itself, and after which epoch.

    The loss is the lowest until an epoch that every trial has reached which ended without a
    failure, so that the trials that were pruned count as the others do.
    """
    trials = [
        trial
        for trial in study.storage.get_trials(deepcopy=False)
        if study.row_of(trial).state in ("completed", "pruned") and trial.intermediate_values
    ]
    if len(trials) < FEW_TRIALS:
        return {}, 0
    epoch = min(max(trial.intermediate_values) for trial in trials)
    compared = optuna.create_study()
    for trial in trials:
        losses = (loss for at, loss in trial.intermediate_values.items() if at <= epoch)
        compared.add_trial(
            create_trial(params=trial.params, distributions=trial.distributions, value=min(losses))
        )
    evaluator = FanovaImportanceEvaluator(seed=derive_seed(study.base.seed, "importance"))
    # normalized, the fractions would hide what only several options together explain
    found = get_param_importances(compared, evaluator=evaluator, normalize=False)
    return {name: float(fraction) for name, fraction in found.items()}, epoch


def to_dict(study: Study) -> dict[str, Any]:
    """The result of a study as values for JSON; the result so far, if it is not finished."""
    rows = study.rows()
    best = best_trial(rows)
    test = study.record.test
    return {
        "study": str(study.folder),
        "finished": study.record.finished,
        "metric": study.record.metric,
        "search": study.record.search,
        "best": best and _as_values(best),
        "config": str(study.folder / BEST) if study.record.finished else None,
        "test": test and test.model_dump(),
        "trials": [_as_values(row) for row in rows],
    }


def _as_values(row: TrialRow) -> dict[str, Any]:
    return asdict(row) | {"run": str(row.run)}

"""What `vaecli tune` says of a study, and how it shows the events of a worker."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from vaecli.config.build import resolve
from vaecli.config.config import Config
from vaecli.experiments.events import Notice
from vaecli.experiments.tune import record as records
from vaecli.experiments.tune.rows import TrialRow
from vaecli.experiments.tune.search import parse_search
from vaecli.terminal.tune import TrialViews, result_text

BASE = resolve(Config())
FIRST = TrialRow(0, "completed", 105.0, 5, 75.0, {"lr": BASE.lr}, Path("study/trial-000"))
BEST = replace(FIRST, number=1, value=102.5, options={"lr": 0.005}, run=Path("study/trial-001"))


def study(rows, metric):
    metrics = {"loss": 1.0, "distortion": 80.0, "rate": 23.25}
    record = SimpleNamespace(
        metric=metric, test=records.TestResult(trial=1, images=40, metrics=metrics)
    )
    search = parse_search(["lr=1e-3..1e-2:log"], BASE)
    return SimpleNamespace(
        rows=lambda: rows, record=record, base=BASE, search=search, folder=Path("study")
    )


@pytest.mark.parametrize(
    ("first", "metric", "text"),
    [
        (FIRST, "loss", "loss 102.50 (2.50 lower than with the options as given), test loss 1.00"),
        (replace(FIRST, options={"lr": 0.002}), "loss", "loss 102.50, test loss 1.00"),
        (replace(FIRST, value=None), "loss", "loss 102.50, test loss 1.00"),
        (
            replace(FIRST, options={"lr": 0.002}),
            "negative_elbo",
            "negative ELBO 102.50, test negative ELBO 103.25",
        ),
    ],
)
def test_the_best_trial_is_compared_with_the_options_as_given(first, metric, text):
    lines = result_text(study([first, BEST], metric)).splitlines()
    assert f"Best is trial 1: validation {text} (40 images)." in lines
    assert "  vaecli sample -r study/trial-001" in lines


class Shown:
    """Keeps what a progress is asked to show."""

    def __init__(self):
        self.rows = []
        self.said = []

    def show(self, rows):
        self.rows.append([row.number for row in rows])

    def say(self, notice):
        self.said.append(notice.text)


def test_trials_are_shown_in_order_and_a_warning_once():
    shown = Shown()
    notices = [Notice("few images", "warning"), Notice("cached"), Notice("few images", "warning")]
    TrialViews(shown, [], 5).show([BEST, FIRST, *notices])
    assert shown.rows[:2] == [[1], [0, 1]]
    assert shown.said == ["few images"]

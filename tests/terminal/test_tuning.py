"""The progress of a study on stderr, and the table of its trials."""

import io
import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from vaecli.experiments.events import Notice
from vaecli.experiments.tune.rows import TrialRow
from vaecli.terminal import tuning as module
from vaecli.terminal.trial_table import format_option, trial_line, trial_table
from vaecli.terminal.tuning import StudyProgress, StudyView

OPTIONS = {"lr": 0.00123456, "network.width": 400}


def row(number, state="completed", value=100.0, epochs=5, reason=None, **options):
    run = Path(f"runs/tune-1/trial-{number:03}")
    return TrialRow(number, state, value, epochs, 75.0, OPTIONS | options, run, reason)


ROWS = [
    row(0),
    row(1, "failed", None, 2, "The loss is NaN.\nLower it."),
    row(2, "pruned", 98.0, 2),
    row(3, value=99.456),
    row(4, "running", 120.0, 1),
]


def test_the_table_has_the_best_first_then_pruned_running_and_failed_trials():
    assert trial_table(ROWS).splitlines() == [
        "Trials by validation loss, nats per image, lowest first.",
        "Their runs are in runs/tune-1:",
        "",
        "trial    loss  epochs  state      lr        network.width  run",
        "    3   99.46       5  completed  0.001235  400            trial-003",
        "    0  100.00       5  completed  0.001235  400            trial-000",
        "    2   98.00       2  pruned     0.001235  400            trial-002",
        "    4  120.00       1  running    0.001235  400            trial-004",
        "    1       -       2  failed     0.001235  400            trial-001",
        "trial 1 failed: The loss is NaN. Lower it.",
    ]


def test_a_narrow_table_has_the_options_of_a_trial_below_it():
    lines = trial_table([row(3, prior="vamp")], width=45).splitlines()
    assert lines[3:] == [
        "",
        "trial     loss  epochs  state      run",
        "    3   100.00       5  completed  trial-003",
        "      lr=0.001235 network.width=400",
        "      prior=vamp",
    ]
    assert trial_table([row(3)], width=40).splitlines()[-1] == "      trial-003"


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_of_the_table_is_wider_than_the_terminal(width):
    rows = [row(n, **{"fitted_prior.components": n, "network": "mlp", "x": n}) for n in range(12)]
    lines = trial_table(rows, "negative ELBO", width).splitlines()
    assert max(map(cell_len, lines)) <= width
    for name in ("fitted_prior.components", "trial-011"):
        assert any(name in line for line in lines)


def test_runs_in_several_folders_are_named_whole():
    other = TrialRow(7, "completed", 1.0, 1, 1.0, OPTIONS, Path("elsewhere/\x1b[31m"))
    lines = trial_table([row(0), other]).splitlines()
    assert lines[3].endswith("  elsewhere/\\x1b[31m")
    assert lines[4].endswith("  runs/tune-1/trial-000")


def test_a_study_without_trials_has_a_table():
    assert trial_table([]).endswith("trial  loss  epochs  state  run")


def test_a_line_says_what_became_of_a_trial():
    options = "lr=0.001235 network.width=400"
    assert trial_line(ROWS[3], ROWS) == (
        f"trial 3 completed, 5 epochs in 0:01:15, validation loss 99.46, {options}, best so far"
    )
    assert trial_line(ROWS[2], ROWS, "distortion") == (
        f"trial 2 pruned, 2 epochs in 0:01:15, validation distortion 98.00, {options}, "
        "best 99.46 of trial 3"
    )
    assert trial_line(ROWS[1], ROWS) == (
        f"trial 1 failed with {options}: The loss is NaN. Lower it."
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (True, "true"), (64, "64"), (1.23456e-5, "1.235e-05"), (0.1, "0.1"), ("a", "a")],
)
def test_an_option_has_few_characters(value, text):
    assert format_option(value) == text


def show(snapshots, mode="plain", quiet=False):
    with StudyProgress(mode, quiet, 6, 5) as progress:
        for rows in snapshots:
            progress.show(rows)
        progress.say(Notice("fine"))
        progress.say(Notice("latent_dim=5 is small", "warning"))


def test_without_a_terminal_each_trial_that_ends_gets_one_line(capsys):
    """Those that had ended before are counted; those that end at once have numbers in turn."""
    show([ROWS[:1], ROWS[:1], ROWS[:3], ROWS, ROWS])
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0].split(" with")[0] for line in lines] == [
        "2/6: trial 1 failed",
        "3/6: trial 2 pruned",
        "4/6: trial 3 completed",
        "fine",
        "Warning: --latent-dim 5 is small",
    ]


@pytest.mark.parametrize(("mode", "quiet"), [("plain", True), ("bar", True), ("auto", True)])
def test_quiet_prints_warnings_only(mode, quiet, capsys):
    show([[], ROWS], mode, quiet)
    assert capsys.readouterr().err == "Warning: --latent-dim 5 is small\n"


def draw(width, height=24, rows=ROWS, ascii_only=False, **changes):
    """The lines of the view on a terminal."""
    file = io.TextIOWrapper(io.BytesIO(), "ascii" if ascii_only else "utf-8")
    console = Console(file=file, width=width, height=height, force_terminal=True, no_color=True)
    values = {"trials": 6, "epochs": 5, "elapsed": 84.0} | changes
    console.print(StudyView(rows, **values))
    file.seek(0)
    return [re.sub(r"\x1b\[[\d;]*m", "", line).rstrip() for line in file.read().splitlines()]


def test_the_view_has_the_counts_the_best_and_the_last_trials():
    lines = draw(80)
    # 4.2 of 6 trials took 84 s, so 1.8 more take 36 s
    assert lines[0].startswith("4/6 trials ")
    assert lines[0].endswith(" 0:01:24 elapsed, 0:00:36 left")
    assert lines[1:] == [
        "2 completed, 1 running, 1 pruned, 1 failed",
        "best 99.46 of trial 3: lr=0.001235 network.width=400",
        "trial      loss    epoch  state      options",
        "    0    100.00      5/5  completed  lr=0.001235 network.width=400",
        "    1         -      2/5  failed     lr=0.001235 network.width=400",
        "    2     98.00      2/5  pruned     lr=0.001235 network.width=400",
        "    3     99.46      5/5  completed  lr=0.001235 network.width=400",
        "    4    120.00      1/5  running    lr=0.001235 network.width=400",
    ]


def test_the_time_left_counts_only_what_was_done_here():
    assert draw(80, first_done=3.6)[0].endswith(" 0:04:12 left")  # 0.6 trials took 84 s
    assert draw(80, first_done=4.2)[0].endswith(" elapsed")


@pytest.mark.parametrize("width", [40, 59])
def test_a_narrow_view_has_no_options_in_its_rows(width):
    lines = draw(width, metric="negative ELBO")
    assert lines[0].endswith("0:00:36 left")
    assert "elapsed" not in lines[0]
    assert lines[3].split() == ["trial", "negative", "ELBO", "epoch", "state"]
    assert lines[7].split() == ["3", "99.46", "5/5", "completed"]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_the_view_is_never_wider_than_the_terminal(width, ascii_only):
    rows = [row(n, text="x" * 100) for n in range(20)]
    lines = draw(width, rows=rows, ascii_only=ascii_only)
    assert max(map(cell_len, lines)) <= width
    assert len(lines) == 4 + 10
    if ascii_only:
        assert "".join(lines).isascii()


def test_a_low_terminal_shows_fewer_trials_and_those_that_run_always():
    rows = [row(0, "running", None, 0), *(row(n) for n in range(1, 12))]
    lines = draw(80, height=10, rows=rows)
    assert len(lines) == 8
    assert [line.split()[0] for line in lines[4:]] == ["0", "9", "10", "11"]


def test_a_study_that_begins_has_a_view():
    assert draw(80, rows=[])[1:] == [
        "",
        "no validation loss yet",
        "trial      loss    epoch  state      options",
    ]


def test_on_a_terminal_the_table_is_drawn_twice_a_second_or_when_a_trial_ends(
    on_terminal, monkeypatch
):
    terminal = on_terminal()
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with StudyProgress("auto", False, 6, 5) as progress:
        lengths = []
        for rows, seconds in ((ROWS[:1], 1), (ROWS[:1], 0.1), (ROWS[:3], 0.1), (ROWS[:3], 0.6)):
            now[0] += seconds
            progress.show(rows)
            lengths.append(len(terminal.getvalue()))
    assert lengths[0] == lengths[1] < lengths[2] < lengths[3]
    assert "trial 1 failed" not in terminal.getvalue()
    assert "\x1b[?25h" in terminal.getvalue()  # the cursor is back

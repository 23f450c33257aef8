"""Progress of a training on stderr and in train.log."""

import io
import re
import sys
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

from vaecli.evaluation.means import RunningMeans
from vaecli.experiments.events import Notice
from vaecli.objectives import LossTerms
from vaecli.system.errors import ConfigError, Interrupted
from vaecli.terminal import progress as module
from vaecli.terminal.progress import Bar, Progress, choose_mode, image_progress
from vaecli.training.epoch import Epoch
from vaecli.training.loop import Step

MEANS = {"loss": 123.456, "distortion": 100.0, "rate": 23.456}
HEADER = [
    "             train, nats per image       test, nats per image",
    "  epoch     loss distortion   rate     loss distortion   rate  seconds",
]


def epoch(number, valid=None, **changes):
    return Epoch(number, {**MEANS, **changes}, {**MEANS, "loss": 99.0}, 4.25, 1.0, valid or {})


def step(batch=1, **metrics):
    """A step with means of these metrics over 32 images."""
    means = RunningMeans()
    values = {name: torch.tensor(value) for name, value in (metrics or MEANS).items()}
    means.add(LossTerms(values["loss"], values), 32)
    return Step(epoch=1, batch=batch, batches=4, learning_rate=1e-3, means=means)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "train.log"


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def on_terminal(monkeypatch):
    """Let stderr be a terminal of 80 columns from now on: `shown = on_terminal()`."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)

    def start():
        monkeypatch.setattr(sys, "stderr", Terminal())
        return sys.stderr

    return start


def show(log, events, mode="plain", quiet=False, epochs=50):
    with Progress(mode, quiet, log, epochs) as progress:
        progress.show(events)


def test_an_epoch_is_a_line_under_one_header(log, capsys):
    show(log, [epoch(1), epoch(2)])
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        *HEADER,
        "   1/50   123.46     100.00  23.46    99.00     100.00  23.46      4.2",
        "   2/50   123.46     100.00  23.46    99.00     100.00  23.46      4.2",
    ]
    assert log.read_text().splitlines() == lines


def test_validation_has_a_column_between_train_and_test(log, capsys):
    show(log, [epoch(1, valid={"loss": 77.125, "distortion": 1.0})])
    lines = capsys.readouterr().err.splitlines()
    assert lines[2].split() == [
        "1/50",
        "123.46",
        "100.00",
        "23.46",
        "77.12",
        "99.00",
        "100.00",
        "23.46",
        "4.2",
    ]
    assert lines[0].split()[4] == "valid"
    assert len({len(line) for line in lines[1:]}) == 1
    assert max(map(len, lines)) <= 79


def test_a_metric_that_is_not_there_is_a_dash(log, capsys):
    train = {"loss": 1.0, "distortion": 1.0, "prior_nll": 2.0}
    show(log, [Epoch(1, train, train, 1.0, 1.0)])
    assert capsys.readouterr().err.splitlines()[2].split() == [
        "1/50",
        "1.00",
        "1.00",
        "-",
        "1.00",
        "1.00",
        "-",
        "1.0",
    ]


def test_steps_are_not_shown_in_plain_lines(log, capsys):
    show(log, [step(1), step(2)])
    assert capsys.readouterr() == ("", "")
    assert log.read_text() == ""


@pytest.mark.parametrize(
    ("mode", "quiet", "shown"),
    [
        ("plain", False, ["hello", *HEADER, "1/50", "Warning: careful"]),
        ("none", False, ["hello", "Warning: careful"]),
        ("plain", True, ["Warning: careful"]),
        ("bar", True, ["Warning: careful"]),
    ],
)
def test_quiet_shows_warnings_only_and_none_no_epochs(log, capsys, mode, quiet, shown):
    show(log, [Notice("hello"), epoch(1), Notice("careful", "warning")], mode, quiet)
    lines = capsys.readouterr().err.splitlines()
    assert [line if "1/50" not in line else "1/50" for line in lines] == shown
    logged = log.read_text().splitlines()
    assert [logged[0], *logged[1:3], logged[4]] == ["hello", *HEADER, "Warning: careful"]


def test_quiet_shows_no_bar_on_a_terminal(log, on_terminal, monkeypatch):
    terminal = on_terminal()
    monkeypatch.setattr(module, "REFRESH", 0.0)
    show(log, [step(), epoch(1)], "auto", quiet=True)
    assert terminal.getvalue() == ""


def test_the_log_goes_on_where_it_ended(log):
    show(log, [epoch(1)])
    show(log, [epoch(2)])
    assert log.read_text().count("epoch     loss distortion") == 2  # a header for each process


def test_an_error_that_ends_a_training_is_logged(log):
    for error in (ConfigError("It is wrong."), Interrupted(2, "Stopped by SIGINT.")):
        with pytest.raises(type(error)), Progress("none", True, log, 1):
            raise error
    with pytest.raises(KeyError), Progress("none", True, log, 1):
        raise KeyError("a defect has its own file")
    assert log.read_text() == "It is wrong.\nStopped by SIGINT.\n"


def test_warnings_and_errors_name_options_as_flags(log, capsys):
    show(log, [Notice("Try on_nan='rollback'.", "warning")], "none", quiet=True)
    with pytest.raises(ConfigError), Progress("none", True, log, 1):
        raise ConfigError("epochs=0 is too few.")
    assert log.read_text() == "Warning: Try --on-nan rollback.\n--epochs 0 is too few.\n"
    assert capsys.readouterr().err == "Warning: Try --on-nan rollback.\n"


def test_a_log_that_cannot_be_written_stops_nothing(log, capsys):
    with Progress("plain", False, log, 50) as progress:
        progress.log.close()
        progress.log = SimpleNamespace(write=fail, flush=fail, close=lambda: None)
        progress.say("hello")
    assert capsys.readouterr().err == "hello\n"


def fail(*arguments):
    raise OSError(28, "No space left on device")


def test_a_stderr_that_is_gone_stops_nothing(log, monkeypatch):
    monkeypatch.setattr(
        sys, "stderr", SimpleNamespace(write=fail, flush=fail, isatty=lambda: False)
    )
    show(log, [Notice("hello")])
    assert log.read_text() == "hello\n"


def test_auto_is_a_bar_on_a_terminal_and_lines_elsewhere(on_terminal, monkeypatch):
    on_terminal()
    assert choose_mode("auto") == "bar"
    monkeypatch.setenv("TERM", "dumb")
    assert choose_mode("auto") == "plain"
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert choose_mode("auto") == "plain"
    for mode in ("bar", "plain", "none"):
        assert choose_mode(mode) == mode


def test_the_bar_shows_the_run_and_the_metrics_of_the_epoch(log, on_terminal, monkeypatch):
    terminal = on_terminal()
    monkeypatch.setattr(module, "REFRESH", 0.0)
    show(
        log,
        [step(2, loss=3.0, distortion=2.0, rate=1.0, fooled_fraction=0.5), epoch(1)],
        "bar",
        epochs=2,
    )
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.getvalue())
    assert re.search(r"epoch 1/2 .*\d:\d\d:\d\d elapsed, \d:\d\d:\d\d left", text)
    assert "batch 2/4  loss 3.00  distortion 2.00  rate 1.00 nats" in text
    assert "1/2   123.46" in text
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h") == 1


def test_the_unit_stands_behind_the_metrics_that_have_it():
    words = module._describe({"loss": 1.0, "fooled_fraction": 0.25, "rate": 2.0, "mmd": 3.0})
    assert words == "loss 1.00  rate 2.00 nats  fooled_fraction 0.25  mmd 3.00"


def test_a_bar_reads_the_means_at_most_twice_a_second(log, on_terminal, monkeypatch):
    """Reading them waits for the device."""
    on_terminal()
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    reads = []
    monkeypatch.setattr(RunningMeans, "read", lambda means: reads.append(now[0]) or dict(MEANS))
    with Progress("bar", False, log, 50) as progress:
        for _ in range(5):
            now[0] += 0.25
            progress.show([step()])
    assert reads == [0.5, 1.0]


def test_without_a_bar_the_means_are_not_read(log, monkeypatch):
    monkeypatch.setattr(RunningMeans, "read", fail)
    monkeypatch.setattr(module, "REFRESH", 0.0)
    show(log, [step()])
    assert log.read_text() == ""


def test_the_bar_counts_images_per_second_and_the_time_left(on_terminal, monkeypatch):
    on_terminal()
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    drawn = []
    bar = Bar(epochs=10)
    monkeypatch.setattr(bar.live, "update", lambda group, refresh: drawn.append(render(group)))
    first = step(2)
    now[0] += 10
    bar.show(first, MEANS)
    assert "0:00:10 elapsed, 0:03:10 left" in drawn[0]  # half an epoch of ten took ten seconds
    assert "3 images/s" in drawn[0]
    second = step(4)
    second.means.images = 132
    now[0] += 5
    bar.show(second, MEANS)
    assert "20 images/s" in drawn[1]
    third = step(1)  # of the next epoch: its images count from 0
    now[0] += 4
    bar.show(third, MEANS)
    assert "8 images/s" in drawn[2]
    bar.live.stop()


def render(group):
    console = Console(width=120, file=io.StringIO())
    console.print(group)
    return console.file.getvalue()


def test_progress_over_images_is_a_bar_on_a_terminal_only(on_terminal, monkeypatch):
    terminal = on_terminal()
    with image_progress("log p(x)", 10) as on_progress:
        on_progress(4)
        on_progress(6)
    assert "log p(x)" in terminal.getvalue()
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with image_progress("log p(x)", 10) as on_progress:
        on_progress(10)
    assert sys.stderr.getvalue().strip() == ""

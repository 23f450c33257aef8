"""Progress of a training on stderr and in train.log."""

import io
import re
import sys
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

from vaecli.evaluation.means import RunningMeans
from vaecli.experiments.events import FitStep, Notice
from vaecli.objectives import LossTerms
from vaecli.system.errors import ConfigError, Interrupted
from vaecli.terminal import progress as module
from vaecli.terminal.progress import Progress, choose_mode, image_progress, show_elapsed
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


def fail(*arguments, **options):
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


def test_the_bar_is_erased_at_the_end(log, on_terminal, monkeypatch):
    terminal = on_terminal()
    monkeypatch.setattr(module, "REFRESH", 0.0)
    show(log, [step()], "bar")
    _, elapsed, rest = terminal.getvalue().rpartition("elapsed")
    assert elapsed
    assert rest.count("\x1b[2K") >= 2  # both lines


def test_a_message_above_the_bar_is_printed_as_it_is(log, on_terminal):
    """A path with brackets, numbers or many letters: no markup, no colours, no line break."""
    terminal = on_terminal()
    text = "saved [red]/runs/" + "12 x" * 40
    show(log, [Notice(text)], "bar")
    assert f"{text}\n" in terminal.getvalue()


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


class Bench:
    """A bar on a clock that is set by hand; what it shows after a batch."""

    def __init__(self, monkeypatch, log, epochs, start=100.0):
        self.now = start
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)
        self.progress = Progress("bar", False, log, epochs)
        self.drawn = None
        monkeypatch.setattr(self.progress.bar.live, "update", self.draw)

    def draw(self, group, refresh):
        assert refresh  # nothing else refreshes it
        self.drawn = group

    def after(self, seconds, epoch, batch, images, metrics=MEANS):
        """The two lines after the time that a batch took; they may be those of before."""
        self.now += seconds
        means = RunningMeans()
        values = {name: torch.tensor(value) for name, value in metrics.items()}
        means.add(LossTerms(values["loss"], values), images)
        self.progress.show([Step(epoch, batch, 4, 1e-3, means)])
        return render(self.drawn) if self.drawn else ""

    def completed(self):
        """Which part of the progress bar is filled."""
        line, _ = self.drawn.renderables
        (bar,) = [cell for column in line.columns for cell in column.cells if has_total(cell)]
        return bar.completed / bar.total


def has_total(cell):
    return hasattr(cell, "completed")


@pytest.fixture
def bench(on_terminal, monkeypatch, log):
    """A bar on a terminal: `bench(epochs=10).after(...)`."""
    on_terminal()
    made = []

    def make(epochs):
        made.append(Bench(monkeypatch, log, epochs))
        return made[-1]

    yield make
    for each in made:
        each.progress.bar.live.stop()
        each.progress.log.close()


def test_the_time_left_is_that_of_the_epochs_still_to_do(bench):
    bar = bench(epochs=10)
    bar.after(0, epoch=1, batch=1, images=32)
    shown = bar.after(10, epoch=1, batch=2, images=64)
    assert "epoch 1/10" in shown
    assert "batch 2/4" in shown
    assert "0:00:10 elapsed, 0:03:10 left" in shown  # half an epoch of ten took ten seconds
    assert bar.completed() == pytest.approx(0.05)
    shown = bar.after(90, epoch=3, batch=2, images=64)
    assert "epoch 3/10" in shown
    assert "0:01:40 elapsed, 0:05:00 left" in shown  # two and a half took 100
    assert bar.completed() == pytest.approx(0.25)
    assert "0:06:40 elapsed, 0:00:00 left" in bar.after(300, epoch=10, batch=4, images=128)
    assert bar.completed() == 1


def test_the_time_left_of_a_resumed_run_counts_only_what_was_done_since(bench):
    """Half an epoch took ten seconds, and nine and a half are left."""
    bar = bench(epochs=50)
    bar.after(0.1, epoch=41, batch=1, images=32)  # too early to be shown
    shown = bar.after(9.9, epoch=41, batch=2, images=64)
    assert "0:00:10 elapsed, 0:03:10 left" in shown
    assert bar.completed() == pytest.approx(40.5 / 50)  # the bar shows the whole run


def test_after_a_rollback_the_time_left_counts_from_where_training_is(bench):
    """It is resumed in epoch 4 and falls back to epoch 3."""
    bar = bench(epochs=10)
    bar.after(10, epoch=4, batch=3, images=96)
    shown = bar.after(10, epoch=3, batch=1, images=32)
    assert "0:00:20 elapsed, 0:10:20 left" in shown  # a quarter of an epoch, and 7.75 are left


def test_images_per_second_are_those_since_the_last_refresh(bench):
    bar = bench(epochs=10)
    assert "3 images/s" in bar.after(10, epoch=1, batch=1, images=32)
    assert "20 images/s" in bar.after(5, epoch=1, batch=2, images=132)
    # The rest of the epoch and the next batches count too, though they are not shown.
    bar.after(0.1, epoch=1, batch=4, images=232)
    bar.after(0.1, epoch=2, batch=1, images=50)
    assert "300 images/s" in bar.after(0.8, epoch=2, batch=4, images=200)
    assert "1,000 images/s" in bar.after(2, epoch=3, batch=1, images=2000)


def test_images_that_were_done_before_a_resume_make_it_no_faster(bench):
    """Four batches of 100 images in ten seconds, the first of them the third of its epoch."""
    bar = bench(epochs=10)
    bar.after(0.1, epoch=2, batch=3, images=300)
    bar.after(0.1, epoch=2, batch=4, images=400)
    bar.after(0.1, epoch=3, batch=1, images=100)
    assert "40 images/s" in bar.after(9.7, epoch=3, batch=2, images=200)


def test_the_metrics_shown_are_the_means_of_the_epoch_so_far(bench):
    """Weighted by images: 2 of 30 images and 6 of 10 give 3."""
    bar = bench(epochs=10)
    means = RunningMeans()
    for batch, (loss, images) in enumerate(((2.0, 30), (6.0, 10)), 1):
        values = {"loss": torch.tensor(loss), "rate": torch.tensor(loss / 2)}
        means.add(LossTerms(values["loss"], values), images)
        bar.now += 1
        bar.progress.show([Step(1, batch, 4, 1e-3, means)])
    assert "batch 2/4  loss 3.00  rate 1.50 nats  10 images/s" in render(bar.drawn)


def test_a_fit_is_one_line_with_the_time_since_the_start(bench):
    bar = bench(epochs=10)
    bar.now += 75
    bar.progress.show([FitStep("best", 0.25)])
    assert "fitting the prior (best) 25%" in render(bar.drawn)
    assert "0:01:15 elapsed" in render(bar.drawn)
    (filled,) = [cell for column in bar.drawn.columns for cell in column.cells if has_total(cell)]
    assert filled.completed / filled.total == 0.25


def test_a_fit_goes_on_if_the_terminal_is_gone(bench, monkeypatch):
    bar = bench(epochs=10)
    monkeypatch.setattr(bar.progress.bar.live, "update", fail)
    bar.progress.show([FitStep("best", 0.25), FitStep("best", 1.0)])
    assert bar.drawn is None


def test_the_progress_of_a_fit_is_neither_a_plain_line_nor_logged(log, capsys):
    show(log, [FitStep("last", 0.5)])
    assert capsys.readouterr() == ("", "")
    assert log.read_text() == ""


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


def test_progress_over_images_is_the_share_of_the_images_done(on_terminal, monkeypatch):
    on_terminal()
    bars = []

    class Spy(module.ImageBar):
        def __init__(self, **options):
            super().__init__(**options)
            bars.append(self)

    monkeypatch.setattr(module, "ImageBar", Spy)
    with image_progress("log p(x)", 40) as on_progress:
        for images, percentage in ((10, 25), (10, 50), (20, 100)):
            on_progress(images)
            assert bars[0].tasks[0].percentage == percentage


def test_elapsed_time_is_shown_while_work_goes_on_at_a_terminal_and_by_lines_elsewhere(
    on_terminal, monkeypatch
):
    terminal = on_terminal()
    with show_elapsed("t-SNE"):
        pass
    assert "t-SNE" in terminal.getvalue()
    _, elapsed, rest = terminal.getvalue().rpartition("0:00:00")
    assert elapsed
    assert "\x1b[2K" in rest  # it is erased
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with show_elapsed("t-SNE"):
        assert sys.stderr.getvalue() == "t-SNE ...\n"
        later = module.time.monotonic() + 75
        monkeypatch.setattr(module.time, "monotonic", lambda: later)
    assert sys.stderr.getvalue() == "t-SNE ...\nt-SNE: 0:01:15\n"


def test_elapsed_time_can_be_hidden(on_terminal, monkeypatch):
    terminal = on_terminal()
    with show_elapsed("t-SNE", hidden=True):
        pass
    assert terminal.getvalue() == ""

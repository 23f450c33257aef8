"""Signals in an import, in a batch, before the first batch, in evaluation, on a terminal."""

import os
import shlex
import signal
import time

import pytest

from tests.processes import (
    SLOW,
    Terminal,
    assert_clean,
    assert_cursor_is_back,
    begin,
    end,
    posix,
    run_process,
    wait_for,
)
from tests.runs import arguments, contents, header, record
from vaecli.run import names

pytestmark = posix
slow = pytest.mark.slow

# The third batch of the second epoch never ends by itself.
STUCK = """
import time
from pathlib import Path
from vaecli.experiments import train
def stuck(*arguments, fit=train.fit):
    for event in fit(*arguments):
        if isinstance(event, train.Step) and (event.epoch, event.batch) == (2, 3):
            Path({mark!r}).touch()
            time.sleep(1000)
        yield event
train.fit = stuck
"""
# Ctrl-C while the second batch of the second epoch is trained.
INTERRUPTED = """
import os, signal
from vaecli.experiments import train
def interrupted(*arguments, fit=train.fit):
    for event in fit(*arguments):
        if isinstance(event, train.Step) and (event.epoch, event.batch) == (2, 2):
            os.kill(os.getpid(), signal.SIGINT)
        yield event
train.fit = interrupted
"""
SLOW_EVALUATION = """
import time
from pathlib import Path
from vaecli.training import loop
def slow(*arguments, evaluate=loop.evaluate):
    Path({mark!r}).touch()
    time.sleep(0.5)
    return evaluate(*arguments)
loop.evaluate = slow
"""
# Ctrl-C at the moment when a module is looked for.
IN_IMPORT = """
import os, signal, sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
"""


@pytest.mark.parametrize("name", ["typer", "torch", "numpy.dtypes"])
def test_an_interrupt_during_an_import_is_quiet(trained, tmp_path, name):
    """Compiled modules abort, or raise an error of their own, if they meet a KeyboardInterrupt."""
    fault = IN_IMPORT.format(name=name)
    done = run_process("sample", "-r", trained, "-o", tmp_path / "x.png", fault=fault)
    assert done == (130, "", "")
    assert list(tmp_path.iterdir()) == []


def position(run):
    """Epochs done and batches done of the next, as the checkpoint has them."""
    found = header(run)
    return len(found["history"]), found["position"]["batch"]


def status(run):
    return record(run)["status"]


@slow
def test_one_interrupt_answers_at_once_and_saves_the_middle_of_an_epoch(cli, digits, tmp_path):
    run = tmp_path / "run"
    done = run_process(*arguments(digits, run, "--epochs", 3), fault=INTERRUPTED)
    assert done.status == 130
    assert_clean(done, tmp_path)
    assert status(run) == "interrupted"
    assert position(run) == (1, 2)  # no further batch
    said = done.err.splitlines()[-1]
    assert said == f"Stopped by SIGINT. Resume with: vaecli train --resume {run}"
    again = cli(*shlex.split(said.partition("vaecli ")[2]), "-q")
    assert again == (0, f"{run}\n", "")


@slow
def test_a_second_interrupt_ends_a_batch_that_hangs(digits, tmp_path):
    run = tmp_path / "run"
    mark = tmp_path / "mark"
    terminal = Terminal(*arguments(digits, run), fault=STUCK.format(mark=str(mark)))
    wait_for(mark)
    old = contents(run / names.CHECKPOINTS)
    terminal.press(b"\x03")
    time.sleep(0.3)
    assert terminal.process.poll() is None
    terminal.press(b"\x03")
    ended, shown = terminal.end()  # the batch would take 1000 seconds
    assert ended == 130
    assert "Traceback" not in shown
    assert_cursor_is_back(shown)
    assert contents(run / names.CHECKPOINTS) == old
    assert position(run) == (1, 0)
    assert status(run) == "interrupted"
    assert not list(run.rglob(".tmp-*"))


@slow
@pytest.mark.parametrize(("name", "number"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_after_a_signal_the_terminal_has_its_cursor_back(digits, tmp_path, name, number):
    run = tmp_path / "run"
    terminal = Terminal(*arguments(digits, run, "--epochs", 1000), fault=SLOW.format(seconds=0.02))
    wait_for(run / "samples" / "epoch-0002.png")
    os.kill(terminal.process.pid, getattr(signal, name))
    ended, shown = terminal.end()
    assert ended == number
    assert "Traceback" not in shown
    assert f"Stopped by {name}. Resume with: vaecli train --resume {run}" in shown
    assert_cursor_is_back(shown)
    assert position(run) >= (2, 0)
    assert status(run) == "interrupted"
    assert not list(run.rglob(".tmp-*"))


@slow
def test_a_terminal_that_is_closed_stops_and_saves(digits, tmp_path):
    run = tmp_path / "run"
    terminal = Terminal(*arguments(digits, run, "--epochs", 1000), fault=SLOW.format(seconds=0.02))
    wait_for(run / "samples" / "epoch-0002.png")
    terminal.hang_up()
    assert end(terminal.process).status == 129
    assert position(run) >= (2, 0)
    assert status(run) == "interrupted"
    assert not list(run.rglob(".tmp-*"))


@slow
def test_a_signal_before_the_first_batch_leaves_a_run_to_resume(cli, digits, tmp_path):
    run = tmp_path / "run"
    process = begin(*arguments(digits, run, "--epochs", 2))
    wait_for(run / names.CONFIG)
    process.send_signal(signal.SIGTERM)
    done = end(process)
    assert done.status == 143
    assert_clean(done, tmp_path)
    assert done.err.splitlines()[-1].startswith("Stopped by SIGTERM. ")
    assert "Training continues" not in done.err
    assert status(run) == "interrupted"
    assert cli("train", "-q", "--resume", run) == (0, f"{run}\n", "")


@slow
def test_a_signal_during_evaluation_keeps_the_epoch(cli, digits, tmp_path):
    run = tmp_path / "run"
    mark = tmp_path / "mark"
    process = begin(
        *arguments(digits, run, "--epochs", 2), fault=SLOW_EVALUATION.format(mark=str(mark))
    )
    wait_for(mark)
    process.send_signal(signal.SIGTERM)
    done = end(process)
    assert done.status == 143
    assert_clean(done, tmp_path)
    assert position(run) == (1, 0)
    assert record(run)["epochs_done"] == 1
    assert status(run) == "interrupted"
    assert cli("train", "-q", "--resume", run) == (0, f"{run}\n", "")


def test_a_second_interrupt_before_the_first_checkpoint_gives_the_replaced_run_back(
    digits, run_dir, tmp_path
):
    old = contents(run_dir)
    mark = tmp_path / "mark"
    stuck = STUCK.format(mark=str(mark)).replace("(2, 3)", "(1, 2)")
    process = begin(*arguments(digits, run_dir, "--overwrite"), fault=stuck)
    wait_for(mark)
    assert len(list(tmp_path.glob(".run-replaced-*"))) == 1
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert end(process).status == 130
    assert contents(run_dir) == old
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mark", "run"]

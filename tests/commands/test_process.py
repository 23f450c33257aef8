"""Training as a process of its own: signals, terminals, streams that are closed."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import TINY

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals and terminals")


def arguments(digits, run, *more):
    return ["train", "--data-dir", digits, *TINY, "--run-dir", run, *more]


# As a shell starts it: what runs the tests may itself ignore signals, and children inherit that.
FRESH = """
import signal
for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    signal.signal(getattr(signal, name), signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
from vaecli.commands import main
main()
"""


def start(digits, run, *more, **options):
    command = [sys.executable, "-c", FRESH, *map(str, arguments(digits, run, *more))]
    return subprocess.Popen(command, start_new_session=True, **options)


def wait_for(path, seconds=60):
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.02)


@pytest.mark.slow
@posix
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_stops_after_the_batch_and_keeps_the_last_epoch(digits, tmp_path, name, status):
    run = tmp_path / "run"
    process = start(digits, run, "--epochs", "100000", stdout=-1, stderr=-1, text=True)
    wait_for(run / "samples" / "epoch-0003.png")
    process.send_signal(getattr(signal, name))
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (status, "")
    assert err.splitlines()[-1] == f"Stopped by {name}. Go on with: vaecli train --resume {run}"
    record = json.loads((run / "run.json").read_text())
    assert record["status"] == "interrupted"
    assert record["epochs_done"] >= 3
    import vaecli

    assert len(vaecli.open(run).losses()["epoch"]) >= record["epochs_done"]
    assert vaecli.open(run).model().sample(1).isfinite().all()
    assert not list(run.rglob(".tmp-*"))


@pytest.mark.slow
def test_plot_loss_works_while_a_run_trains(cli, digits, tmp_path):
    run = tmp_path / "run"
    process = start(digits, run, "--epochs", "100000", "-q")
    try:
        wait_for(run / "samples" / "epoch-0002.png")
        for _ in range(3):
            assert cli("plot-loss", "-r", run).status == 0
            assert cli("sample", "-r", run, "-n", 1).status == 0
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def read_terminal(digits, run, columns, *more):
    """What a run prints to a terminal of this width."""
    import pty

    pid, terminal = pty.fork()
    if pid == 0:
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns)}
        command = [sys.executable, "-m", "vaecli", *map(str, arguments(digits, run, *more))]
        os.execve(sys.executable, command, environment)
    shown = b""
    while True:
        try:
            if not select.select([terminal], [], [], 60)[0]:
                break
            shown += os.read(terminal, 65536)
        except OSError:
            break
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return shown.decode()


@pytest.mark.slow
@posix
@pytest.mark.parametrize("columns", [20, 80])
def test_a_terminal_gets_a_bar_and_its_cursor_back(digits, tmp_path, columns):
    shown = read_terminal(digits, tmp_path / "run", columns, "--epochs", "80")
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") > 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    assert "80/80" in text
    if columns == 80:
        assert re.search(r"epoch \d+/80 .* elapsed, .* left", text)
        assert re.search(r"batch \d/3  loss .*  distortion .*  rate .* nats  [\d,]+ images/s", text)
    assert str(tmp_path / "run") in text  # the result is not wrapped


@pytest.mark.slow
@posix
def test_a_reader_that_goes_away_stops_no_training(digits, tmp_path):
    run = tmp_path / "run"
    process = start(digits, run, "--epochs", "5", stdout=subprocess.DEVNULL, stderr=-1)
    process.stderr.readline()
    process.stderr.close()
    assert process.wait() == 0
    assert json.loads((run / "run.json").read_text())["status"] == "completed"
    assert "5/5" in (run / "train.log").read_text()


class Counting:
    """A step that counts how often it is read."""

    reads = 0

    def read(self):
        self.reads += 1
        return {}


def test_the_screen_looks_at_the_means_at_most_twice_a_second(tmp_path):
    from vaecli.commands.screen import Screen

    step, began = Counting(), time.monotonic()
    with Screen("plain", True, tmp_path / "log", 1) as screen:
        while time.monotonic() < began + 1.2:
            screen.step(step)
    assert step.reads == 2


@posix
def test_a_signal_that_was_ignored_stays_ignored():
    from vaecli.commands.stopping import Stopping

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Stopping() as stopping:
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            os.kill(os.getpid(), signal.SIGTERM)
            assert stopping.caught is signal.SIGTERM
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL  # a second one acts at once
    finally:
        signal.signal(signal.SIGHUP, before)

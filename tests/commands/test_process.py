"""Training as a process of its own: signals, terminals, streams that are closed."""

import re
import signal
import subprocess

import pytest

import vaecli
from tests import runs
from tests.processes import Terminal, assert_cursor_is_back, begin, end, plain, posix, wait_for
from tests.runs import arguments
from vaecli.run import names

pytestmark = pytest.mark.slow


@posix
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_stops_after_the_batch_and_keeps_the_last_epoch(digits, tmp_path, name, status):
    run = tmp_path / "run"
    process = begin(*arguments(digits, run, "--epochs", "100000"))
    wait_for(run / names.EPOCH_SAMPLES.format(3))
    process.send_signal(getattr(signal, name))
    ended, out, err = end(process)
    assert (ended, out) == (status, "")
    assert err.splitlines()[-1] == f"Stopped by {name}. Resume with: vaecli train --resume {run}"
    record = runs.record(run)
    assert record["status"] == "interrupted"
    assert record["epochs_done"] >= 3
    assert len(vaecli.open(run).losses()["epoch"]) >= record["epochs_done"]
    assert vaecli.open(run).model().sample(1).isfinite().all()
    assert not list(run.rglob(".tmp-*"))


def test_the_commands_work_while_a_run_trains(cli, digits, tmp_path):
    run = tmp_path / "run"
    process = begin(*arguments(digits, run, "--epochs", "100000", "-q"))
    try:
        wait_for(run / names.EPOCH_SAMPLES.format(2))
        for _ in range(3):
            assert cli("plot-loss", "-r", run).status == 0
            assert cli("sample", "-r", run, "-n", 1).status == 0
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()


@posix
@pytest.mark.parametrize("columns", [20, 80])
def test_a_terminal_gets_a_bar_and_its_cursor_back(digits, tmp_path, columns):
    run = tmp_path / "run"
    status, shown = Terminal(*arguments(digits, run, "--epochs", "80"), COLUMNS=str(columns)).end()
    assert status == 0
    assert_cursor_is_back(shown)
    text = plain(shown)
    assert "80/80" in text
    if columns == 80:
        assert re.search(r"epoch \d+/80 .* elapsed, .* left", text)
        assert re.search(r"batch \d/3  loss .*  distortion .*  rate .* nats  [\d,]+ images/s", text)
    assert str(run) in text  # the result is not wrapped


@posix
def test_a_reader_that_goes_away_stops_no_training(digits, tmp_path):
    run = tmp_path / "run"
    process = begin(*arguments(digits, run, "--epochs", "5"), stdout=subprocess.DEVNULL)
    process.stderr.readline()
    process.stderr.close()
    assert process.wait() == 0
    assert runs.record(run)["status"] == "completed"
    assert "5/5" in (run / names.LOG).read_text()

"""Training by several processes: what they reach, how they begin, fail, stop and go on."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests import runs
from tests.processes import (
    PATIENCE,
    Terminal,
    assert_cursor_is_back,
    assert_refused,
    begin,
    end,
    plain,
    posix,
    run_process,
    wait_for,
)
from tests.runs import arguments
from tests.several import FAILS, OTHER_IMAGES, SIGNALLED, run_several
from vaecli.run import names
from vaecli.run.lock import require_free

LOST = "Error: Lost the connection to another process."
SMALL_BATCHES = ("--batch-size", 8)  # 12 in an epoch


def assert_like(run: Path, reference: Path) -> None:
    """The same epochs, with the same losses up to rounding."""
    found, expected = runs.losses(run), runs.losses(reference)
    assert [row["epoch"] for row in found] == [row["epoch"] for row in expected]
    for row, other in zip(found, expected, strict=True):
        for name, value in other.items():
            if not name.endswith("seconds"):
                assert float(row[name]) == pytest.approx(float(value), rel=1e-4, abs=1e-4), name


def errors(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith("Error: ")]


def ranks_of(launcher: int) -> list[int]:
    """The ids of the processes that `--devices` has started."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text()
    return list(map(int, children.split()))


def wait_for_end(pids: list[int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline, f"some of {pids} run on"
        time.sleep(0.05)


def test_two_processes_train_as_one_does(cli, digits, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    assert cli(*arguments(digits, one, "--epochs", 2)).status == 0
    done = run_process(*arguments(digits, two, "--epochs", 2, "--devices", 2))
    assert (done.status, done.out) == (0, f"{two}\n")
    assert_like(two, one)
    record = runs.record(two)
    assert (record["processes"], record["devices"]) == (2, ["cpu", "cpu"])
    assert runs.record(one)["processes"] == 1
    logs = [(run / names.LOG).read_text().splitlines() for run in (one, two)]
    assert len(logs[0]) == len(logs[1])
    assert [line for line in done.err.splitlines() if "Warning" in line] == []


def test_a_start_that_fails_is_told_once(digits, tmp_path):
    run = tmp_path / "run"
    done = run_process(*arguments(tmp_path / "none", run, "--devices", 2))
    assert_refused(done, 3, tmp_path)
    assert not run.exists()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("sample",), "vaecli sample works in one process: start no others."),
        (("data", "check", "."), "vaecli data check works in one process: start no others."),
        (("train", "--devices", 2), "torchrun has started the processes: leave out --devices."),
    ],
)
@pytest.mark.parametrize("rank", [0, 1])
def test_what_several_processes_cannot_do_process_0_refuses(cli, monkeypatch, words, error, rank):
    variables = {"RANK": rank, "WORLD_SIZE": 2, "LOCAL_RANK": rank, "MASTER_ADDR": "localhost"}
    for name, value in {**variables, "MASTER_PORT": 1}.items():
        monkeypatch.setenv(name, str(value))
    done = cli(*words)
    assert (done.status, done.out) == (2, "")
    assert done.err == ("" if rank else f"Error: {error}\n")


def test_a_half_set_environment_is_that_of_a_process_that_is_alone(cli, digits, monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.setenv(name, "2")
    assert "at most" in cli("train", "--devices", 100_000).err
    assert cli("parts").status == 0


@pytest.mark.slow
def test_a_process_with_other_images_is_named(digits, tmp_path):
    run = tmp_path / "run"
    words = arguments(digits, run, "--epochs", 2)
    first, second = run_several(2, *words, faults={1: OTHER_IMAGES})
    assert_refused(first, 3, tmp_path)
    assert first.err.startswith("Error: Process 1: The images of mnist differ from those of")
    assert (second.status, second.out, second.err) == (3, "", "")
    assert not run.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "before", "status", "first", "second"),
    [
        ("MemoryError()", True, 6, "Error: Process 1: Out of memory.", ""),
        ("ValueError('odd')", True, 1, "", "Error: Process 1: unexpected ValueError: odd"),
        ("MemoryError()", False, 6, LOST, "Error: Process 1: Out of memory."),
        ("ValueError('odd')", False, 6, LOST, "Error: Process 1: unexpected ValueError: odd"),
    ],
)
def test_a_process_that_fails_is_named(digits, tmp_path, error, before, status, first, second):
    run = tmp_path / "run"
    fault = FAILS.format(error=error, before=before)
    done, other = run_several(2, *arguments(digits, run, "--epochs", 2), faults={1: fault})
    assert done.status == status
    assert [line.partition(" Resume")[0] for line in errors(done.err)] == [first] * bool(first)
    assert [line[: len(second)] for line in errors(other.err)] == [second] * bool(second)
    assert run.exists() == (not before)
    if not before:
        assert runs.record(run)["status"] == "interrupted"


@pytest.mark.slow
@posix
@pytest.mark.parametrize("counts", [(1, 2), (2, 1), (2, 3)])
def test_a_run_that_stops_within_an_epoch_is_resumed_by_other_processes(
    cli, digits, tmp_path, counts
):
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert cli(*arguments(digits, whole, "--epochs", 3, *SMALL_BATCHES)).status == 0
    words = arguments(digits, run, "--epochs", 3, *SMALL_BATCHES)
    if counts[0] == 1:
        stopped = [run_process(*words, fault=SIGNALLED)]
    else:
        stopped = run_several(counts[0], *words, faults={0: SIGNALLED})
    assert {done.status for done in stopped} == {128 + signal.SIGTERM}
    assert [done.err for done in stopped[1:]] == [""] * (counts[0] - 1)
    assert stopped[0].err.count("Resume with") == 1
    batch = runs.header(run)["position"]["batch"]
    assert 5 <= batch <= 6 if counts[0] == 1 else batch == 8
    for done in run_several(counts[1], "train", "--resume", run):
        assert done.status == 0, done.err
    assert_like(run, whole)
    assert runs.record(run)["processes"] == counts[1]


@pytest.mark.slow
def test_every_way_to_end_a_training_is_that_of_one_process(cli, digits, tmp_path):
    """Patience, a validation set, a prior that is fitted afterwards, kept checkpoints."""
    chosen = ("--epochs", 30, "--validation", 16, "--patience", 1, "--lr", 0.05, "--save-every", 1)
    chosen += ("--fitted-prior", "mixture:components=2", "--prior", "normal")
    one, two = tmp_path / "one", tmp_path / "two"
    assert cli(*arguments(digits, one, *chosen)).status == 0
    for done in run_several(2, *arguments(digits, two, *chosen)):
        assert done.status == 0, done.err
    assert_like(two, one)
    for field in ("status", "reason", "epochs_done"):
        assert runs.record(two)[field] == runs.record(one)[field], field
    found = {path.relative_to(one) for path in one.rglob("*")}
    assert {path.relative_to(two) for path in two.rglob("*")} == found


@pytest.mark.slow
def test_all_processes_go_back_when_training_diverges(digits, tmp_path):
    run = tmp_path / "run"
    chosen = ("--epochs", 3, "--optimizer", "sgd", "--lr", 1e6, "--on-nan", "rollback")
    first, second = run_several(2, *arguments(digits, run, *chosen))
    assert (first.status, second.status) == (5, 5)
    assert "rollback 3 of 3" in first.err
    assert (first.err.count("Error: "), second.err) == (1, "")
    assert runs.record(run)["status"] == "diverged"


@pytest.mark.slow
@posix
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_stops_all_processes_once(digits, tmp_path, name, status):
    run = tmp_path / "run"
    process = begin(*arguments(digits, run, "--epochs", 100_000, "--devices", 2))
    wait_for(run / names.EPOCH_SAMPLES.format(3))
    pids = ranks_of(process.pid)
    process.send_signal(getattr(signal, name))
    done = end(process)
    wait_for_end(pids)
    assert (done.status, done.out) == (status, "")
    advice = f"Resume with: vaecli train --resume {run} --devices 2"
    assert done.err.splitlines()[-1] == f"Stopped by {name}. {advice}"
    assert done.err.count("Stopped") == 1
    assert runs.record(run)["status"] == "interrupted"


@pytest.mark.slow
@posix
@pytest.mark.parametrize("victim", [0, 1, None])
def test_a_process_that_is_killed_ends_all_and_the_run_is_resumed(digits, tmp_path, victim):
    """Without a number it is the one that has started the others: they save."""
    run = tmp_path / "run"
    process = begin(*arguments(digits, run, "--epochs", 100_000, "--devices", 2))
    wait_for(run / names.EPOCH_SAMPLES.format(2))
    pids = ranks_of(process.pid)
    os.kill(process.pid if victim is None else pids[victim], signal.SIGKILL)
    done = end(process)
    wait_for_end(pids)
    said = [line for line in done.err.splitlines() if "Resume with" in line]
    advice = f"Resume with: vaecli train --resume {run} --devices 2"
    if victim is None:
        assert said == [f"Stopped by SIGTERM. {advice}"]
    else:
        assert done.status == 128 + signal.SIGKILL
        what = f"Error: Process {victim} was ended by SIGKILL, as when memory runs out."
        assert said == [f"{what} {advice}"]
    assert "Traceback" not in done.err
    require_free(run)
    epochs = len(runs.header(run)["history"]) + 2
    resumed = run_process("train", "--resume", run, "--epochs", epochs)
    assert resumed.status == 0, resumed.err
    assert [int(row["epoch"]) for row in runs.losses(run)] == [*range(1, epochs + 1)]


@pytest.mark.slow
@posix
def test_the_terminal_is_that_of_process_0(digits, tmp_path):
    words = arguments(digits, tmp_path / "whole", "--epochs", 80, "--devices", 2)
    status, shown = Terminal(*words).end()
    assert status == 0
    assert_cursor_is_back(shown)
    assert re.search(r"epoch \d+/80 .* elapsed, .* left", plain(shown))
    run = tmp_path / "run"
    terminal = Terminal(*arguments(digits, run, "--epochs", 100_000, "--devices", 2))
    wait_for(run / names.EPOCH_SAMPLES.format(3))
    terminal.press(b"\x03")
    status, shown = terminal.end()
    assert status == 130
    assert_cursor_is_back(shown)
    assert plain(shown).count("Stopped by SIGINT.") == 1
    assert "Error" not in shown

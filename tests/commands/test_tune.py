"""`vaecli tune` on the command line."""

import json
import signal
import sys

import pytest

from tests import runs
from tests.conftest import TINY
from tests.json_schema import problems
from tests.processes import SLOW, begin, end, posix, run_process, wait_for
from vaecli.pictures.run_pictures import RunPictures
from vaecli.terminal.results import RESULTS
from vaecli.terminal.schema import result_schema

SEARCH = ("--search", "lr=1e-3..1e-2:log", "--search", "latent-dim=2,3,4")


def arguments(digits, folder, *more):
    fixed = ("--epochs", 2, "--validation", 32, "--threads", 1, "--data-dir", digits, *TINY)
    return ["tune", *fixed, *SEARCH, "--study", folder, *more]


@pytest.fixture
def bare(monkeypatch):
    monkeypatch.setattr(RunPictures, "_save", lambda pictures, wanted: [])


@pytest.mark.usefixtures("bare")
def test_a_study_is_searched_and_its_folder_printed(cli, digits, tmp_path):
    folder = tmp_path / "study"
    done = cli(*arguments(digits, folder, "--trials", 3, "--progress", "plain"))
    assert (done.status, done.out) == (0, f"{folder}\n")
    lines = done.err.splitlines()
    assert lines[0].startswith(f"Starting the study {folder}: 3 trials of 2 epochs")
    assert lines[1] == "Searching lr in 0.001..0.01:log, latent-dim in 2,3,4."
    assert lines[2].startswith("1/3: trial 0 completed, 2 epochs in ")
    assert "Best is trial " in done.err
    assert f"  vaecli train --config {folder}/best.json" in lines
    for name in ("study.json", "best.json", "trials.csv", "tuning.png", "trial-002/train.log"):
        assert (folder / name).is_file()
    log = (folder / "trial-001" / "train.log").read_text()
    assert log.startswith(f"Training {folder / 'trial-001'} on cpu")
    assert "    2/2 " in log


@pytest.mark.usefixtures("bare")
def test_json_is_one_object_on_stdout(cli, digits, tmp_path):
    done = cli(*arguments(digits, tmp_path / "study", "--trials", 1, "-q", "--json"))
    assert (done.status, done.err) == (0, "")
    found = json.loads(done.out)
    assert problems(found, result_schema(RESULTS["tune"])) == []
    assert found["best"]["options"] == {"lr": 0.001, "latent-dim": 3}
    assert len(found["trials"]) == 1
    again = cli("tune", "--study", tmp_path / "study", "--json", "-q")
    assert json.loads(again.out) == found


@pytest.mark.usefixtures("bare")
def test_commands_read_a_trial_and_best_json_trains(cli, digits, tmp_path):
    folder = tmp_path / "study"
    assert cli(*arguments(digits, folder, "--trials", 2, "-q")).status == 0
    trial = folder / "trial-001"
    more = cli("tune", "--study", folder, "--trials", 3, "--progress", "plain")
    assert [line[:4] for line in more.err.splitlines() if "/3: " in line] == ["3/3:"]
    assert cli("evaluate", "-r", trial).status == 0
    assert cli("sample", "-r", trial, "-o", tmp_path / "grid.png").status == 0
    done = cli("train", "-q", "--config", folder / "best.json", "-r", tmp_path / "run")
    assert done.status == 0
    best = json.loads(cli("tune", "--study", folder, "--json", "-q").out)["best"]
    runs.assert_same_tensors(runs.tensors(tmp_path / "run"), runs.tensors(tmp_path / best["run"]))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--search", "lr=1..0"), "--search lr=1..0"),
        (("--search", "lrr=0..1"), "Did you mean 'lr'?"),
        (("--trials", 0), "--trials"),
        (("--storage", "nothing://x"), "The --storage cannot be used"),
        (("--patience", 2), "--patience 2 needs a validation set"),
    ],
)
def test_a_mistake_is_one_sentence_with_status_2(cli, tmp_path, monkeypatch, more, words):
    monkeypatch.chdir(tmp_path)
    done = cli("tune", "--train-images", 100, *more)
    assert (done.status, done.out) == (2, "")
    assert words in done.err
    assert len(done.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_without_optuna_the_extra_is_named(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "optuna", None)
    done = cli("tune")
    assert done.status == 2
    assert done.err.endswith('install it with: pip install "vaecli[tune]"\n')


@posix
@pytest.mark.slow
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_trial(digits, tmp_path, kind):
    folder = tmp_path / "study"
    command = arguments(digits, folder, "--trials", 2)
    worker = begin(*command, fault=SLOW.format(seconds=0.2))
    wait_for(folder / "trial-000" / "checkpoints" / "last.safetensors")
    worker.send_signal(kind)
    done = end(worker)
    assert_stopped(done, kind, folder)
    done = run_process(*command, "--json", "-q")
    assert done.status == 0, done.err
    assert [trial["state"] for trial in json.loads(done.out)["trials"]] == ["completed"] * 2
    assert runs.record(folder / "trial-000")["resumes"] == 1


def assert_stopped(done, kind, folder):
    assert (done.status, done.out) == (128 + kind, "")
    assert done.err.endswith(f"Go on with: vaecli tune --study {folder}\n")
    assert "Traceback" not in done.err


@posix
@pytest.mark.slow
def test_two_workers_that_are_killed_lose_and_double_no_trial(digits, tmp_path):
    folder = tmp_path / "study"
    command = arguments(digits, folder, "--trials", 6)
    for number in (0, 2):
        workers = [begin(*command, fault=SLOW.format(seconds=0.2)) for _ in range(2)]
        wait_for(folder / f"trial-{number:03}" / "checkpoints" / "last.safetensors")
        for worker in workers:
            worker.kill()
            end(worker)
    workers = [begin(*command, "--json", "-q") for _ in range(2)]
    results = [end(worker) for worker in workers]
    assert [(done.status, done.err) for done in results] == [(0, "")] * 2
    found, other = (json.loads(done.out) for done in results)
    assert found == other
    assert [trial["number"] for trial in found["trials"]] == list(range(6))
    assert {trial["state"] for trial in found["trials"]} <= {"completed", "pruned"}
    made = sorted(path.name for path in folder.glob("trial-*"))
    assert made == [f"trial-{number:03}" for number in range(6)]
    assert sum(runs.record(folder / name)["resumes"] for name in made) >= 2
    for name in made:
        numbers = [int(epoch["epoch"]) for epoch in runs.losses(folder / name)]
        assert numbers == list(range(1, len(numbers) + 1))

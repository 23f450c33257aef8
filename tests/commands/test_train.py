"""`vaecli train` from outside: what it writes, prints, and does when stopped."""

import json
import shlex

import numpy as np
import pytest
import torch
from PIL import Image

from tests.commands.test_process import arguments
from tests.conftest import TINY, bars
from vaecli.pictures import grids
from vaecli.run import checkpoint
from vaecli.system import files
from vaecli.system.errors import ResourceError


def test_train_prints_the_run_directory_and_the_next_commands(cli, digits, tmp_path):
    run = tmp_path / "run"
    done = cli(*arguments(digits, run, "--epochs", 2))
    assert (done.status, done.out) == (0, f"{run}\n")
    lines = done.err.splitlines()
    assert lines[0].startswith(f"Training {run} on cpu (")
    assert "96 training and 40 test images, 32 in a batch." in lines[0]
    assert [line.split()[0] for line in lines[4:6]] == ["1/2", "2/2"]
    assert lines[-6].startswith("Sooner: --preset vae-fast.")
    assert lines[-4:] == [
        f"  vaecli sample -n 64 -o grid.png -r {run}",
        f"  vaecli reconstruct -r {run}",
        f"  vaecli embed --split test --plot latent.png -r {run}",
        f"  vaecli plot-loss -r {run}",
    ]
    assert "\x1b" not in done.err  # no colours, no bar
    assert (run / "train.log").read_text().splitlines() == lines


def test_the_sooner_recipe_is_not_praised_to_who_takes_it(cli, digits, tmp_path):
    done = cli(*arguments(digits, tmp_path / "run", "--epochs", 1, "--preset", "vae-fast"))
    assert done.status == 0
    assert "Sooner" not in done.err


def test_the_next_commands_work_as_printed(cli, digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = cli("train", "--data-dir", digits, *TINY, "--epochs", 1)
    commands = [line.split()[1:] for line in done.err.splitlines()[-4:]]
    assert commands[1] == ["reconstruct"]
    for command in commands:
        assert cli(*command).status == 0
    assert (tmp_path / "grid.png").exists()
    assert (tmp_path / "latent.png").exists()


def test_a_line_says_loss_distortion_and_rate_of_both_splits(cli, digits, tmp_path):
    run = tmp_path / "run"
    done = cli(*arguments(digits, run, "--epochs", 1))
    header, row = (run / "losses.csv").read_text().splitlines()
    values = dict(zip(header.split(","), row.split(","), strict=True))
    cells = [
        float(values[f"{s}_{t}"]) for s in ("train", "test") for t in ("loss", "distortion", "rate")
    ]
    shown = done.err.splitlines()[4].split()
    assert shown[1:7] == [f"{value:.2f}" for value in cells]


def test_quiet_prints_the_result_only_and_none_no_progress(cli, digits, tmp_path):
    quiet = cli(*arguments(digits, tmp_path / "a", "--epochs", 1, "-q"))
    assert quiet == (0, f"{tmp_path / 'a'}\n", "")
    none = cli(*arguments(digits, tmp_path / "b", "--epochs", 1, "--progress", "none"))
    assert "1/1" not in none.err
    assert "Next" in none.err
    assert "1/1" in (tmp_path / "a" / "train.log").read_text()


def test_the_pictures_show_what_they_say(trained):
    def sheet(name):
        return np.asarray(Image.open(trained / name))

    train, test = bars(96), bars(40, seed=1)
    assert (sheet("data.png") == np.asarray(grids.grid(train.first(64).pixels(slice(None))))).all()
    real = np.asarray(grids.grid(test.first(32).pixels(slice(None)), 4))
    assert (sheet("real-and-generated.png")[-real.shape[0] :, : real.shape[1]] == real).all()
    assert (sheet("reconstructions.png")[:8] == np.asarray(grids.grid(test.pixels(slice(8))))).all()
    assert sheet("samples.png").shape == (78, 78)
    assert (sheet("samples/epoch-0001.png") != sheet("samples/epoch-0002.png")).any()


def test_flags_win_over_the_environment_over_the_file(cli, digits, tmp_path, monkeypatch):
    file = tmp_path / "given.json"
    file.write_text(json.dumps({"epochs": 1, "lr": 0.5, "seed": 4, "batch_size": 7}))
    monkeypatch.setenv("VAECLI_LR", "0.25")
    monkeypatch.setenv("VAECLI_SEED", "5")
    run = tmp_path / "run"
    cli("train", "-q", "--config", file, "--seed", 6, "--data-dir", digits, "--run-dir", run,
        "--network", "mlp:width=8")  # fmt: skip
    found = json.loads((run / "config.json").read_text())
    assert (found["epochs"], found["lr"], found["seed"]) == (1, 0.25, 6)
    assert (found["batch_size"], found["latent_dim"]) == (7, 20)
    assert found["network"] == "mlp:width=8,depth=2,activation=relu,norm=none,output_bias=zero"


def test_the_config_of_a_run_trains_the_same_model(cli, trained, tmp_path):
    run = tmp_path / "again"
    assert cli("train", "-q", "--config", trained / "config.json", "--run-dir", run).status == 0
    for name in ("samples.png", "reconstructions.png"):
        assert (run / name).read_bytes() == (trained / name).read_bytes(), name
    ours, theirs = (checkpoint.load(r / "checkpoints/last.safetensors")[0] for r in (run, trained))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    ours, theirs = ((r / "losses.csv").read_text().splitlines() for r in (run, trained))
    assert [line.split(",")[:7] for line in ours] == [line.split(",")[:7] for line in theirs]


def test_an_existing_run_is_kept_unless_told_otherwise(cli, digits, run_dir):
    before = (run_dir / "losses.csv").read_bytes()
    done = cli(*arguments(digits, run_dir, "--epochs", 1))
    assert (done.status, done.out) == (2, "")
    assert (run_dir / "losses.csv").read_bytes() == before
    assert cli(*arguments(digits, run_dir, "--epochs", 1, "--overwrite", "-q")).status == 0
    assert len((run_dir / "losses.csv").read_text().splitlines()) == 2


@pytest.fixture
def full_disk(monkeypatch):
    """Let the disk be full for files with an ending: `full_disk(".png")`."""
    write = files.write_atomic

    def for_files(ending):
        def full(path, content):
            if path.suffix == ending:
                raise ResourceError(f"Cannot write {path}: No space left on device.")
            write(path, content)

        monkeypatch.setattr(files, "write_atomic", full)

    return for_files


def test_a_picture_that_cannot_be_written_warns_and_stops_nothing(cli, digits, tmp_path, full_disk):
    full_disk(".png")
    run = tmp_path / "run"
    done = cli(*arguments(digits, run, "--epochs", 1, "-q"))
    assert (done.status, done.out) == (0, f"{run}\n")
    assert done.err.count("Warning: Could not save ") == 6
    assert (run / "checkpoints" / "last.safetensors").exists()


def test_a_checkpoint_that_cannot_be_written_is_status_6(cli, digits, tmp_path, full_disk):
    full_disk(".safetensors")
    run = tmp_path / "run"
    done = cli(*arguments(digits, run, "-q"))
    assert (done.status, done.out) == (6, "")
    assert json.loads((run / "run.json").read_text())["status"] == "failed"


def test_divergence_is_status_5_and_recorded(cli, digits, tmp_path):
    run = tmp_path / "run"
    done = cli(*arguments(digits, run, "--lr", "1e9", "--batch-size", "4"))
    assert (done.status, done.out) == (5, "")
    assert "Training diverged" in done.err
    assert "--lr" in done.err
    assert json.loads((run / "run.json").read_text())["status"] == "diverged"


def test_the_files_of_an_epoch_are_written_in_order(cli, digits, tmp_path, monkeypatch):
    """Checkpoint, then losses, then the picture, then run.json: none says what is not so yet."""
    written, write = [], files.write_atomic
    monkeypatch.setattr(files, "write_atomic", lambda p, c: (written.append(p.name), write(p, c)))
    cli(*arguments(digits, tmp_path / "run", "--epochs", 2, "-q"))
    for number in (1, 2):
        at = written.index(f"epoch-{number:04d}.png")
        assert written[at - 2 : at + 2] == [
            "last.safetensors",
            "losses.csv",
            f"epoch-{number:04d}.png",
            "run.json",
        ]
    assert written[:2] == ["config.json", "run.json"]


def test_the_pictures_follow_the_seed(cli, digits, tmp_path):
    import vaecli
    from vaecli.system.seeds import random_stream

    run = tmp_path / "run"
    cli(*arguments(digits, run, "--epochs", 1, "--seed", 3, "-q"))
    with random_stream(torch.device("cpu"), 3, "samples"):
        x = vaecli.open(run).model().sample(64)
    assert (np.asarray(Image.open(run / "samples.png")) == np.asarray(grids.grid(x))).all()


def test_the_advice_quotes_a_path_with_spaces(cli, digits, tmp_path):
    run = tmp_path / "my 'runs'"
    done = cli(*arguments(digits, run, "--epochs", 1))
    for line in done.err.splitlines()[-4:]:
        assert str(run) in shlex.split(line)


def test_an_error_is_kept_in_the_log(cli, digits, tmp_path):
    run = tmp_path / "run"
    done = cli(*arguments(digits, run, "--lr", "1e9", "--batch-size", "4"))
    said = done.err.strip().splitlines()[-1].removeprefix("Error: ")
    assert (run / "train.log").read_text().splitlines()[-1] == said


def test_a_closed_stdout_stops_no_training(cli, digits, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    assert cli(*arguments(digits, tmp_path / "run", "--epochs", 1, "-q")).status == 0

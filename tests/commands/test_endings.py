"""What ends a training early or lets it go on: validation, patience, time."""

import json
import time

import pytest
import torch

import vaecli
from tests.commands.test_process import arguments
from tests.commands.test_resume import assert_same_run, tensors
from tests.conftest import bars
from vaecli.run import checkpoint
from vaecli.training.early_stopping import find_best, why_over
from vaecli.training.epoch import Epoch

FAST = ("-q", "--lr", "0.03", "--validation", 32)


def record(run):
    return json.loads((run / "run.json").read_text())


def rows(run):
    lines = (run / "losses.csv").read_text().splitlines()
    header, *cells = (line.split(",") for line in lines)
    return [dict(zip(header, row, strict=True)) for row in cells]


def history(losses):
    means = {"loss": 1.0}
    return [Epoch(i, means, means, 0.0, 0.0, {"loss": v}) for i, v in enumerate(losses, 1)]


def test_the_last_training_images_are_held_out(cli, digits, tmp_path):
    run = tmp_path / "run"
    assert cli(*arguments(digits, run, *FAST, "--epochs", 1)).status == 0
    config = vaecli.open(run).config
    data = vaecli.load(config)
    every = bars(96)
    assert torch.equal(data.train.x, every.x[:64])
    assert torch.equal(data.validation.x, every.x[64:])
    assert torch.equal(data.validation.labels, every.labels[64:])
    for split, count in (("train", 64), ("validation", 32), ("test", 40)):
        out = tmp_path / "e.csv"
        assert cli("embed", "-r", run, "--split", split, "-o", out).status == 0
        assert len(out.read_text().splitlines()) == count + 1
    assert set(record(run)["data"]) == {"train", "test", "validation"}


def test_the_validation_columns_stand_between_train_and_test(cli, digits, tmp_path):
    run = tmp_path / "run"
    done = cli(*arguments(digits, run, *FAST[1:], "--epochs", 2))
    names = list(rows(run)[0])
    terms = ("loss", "distortion", "rate")
    expected = [f"{split}_{term}" for split in ("train", "valid", "test") for term in terms]
    assert names == ["epoch", *expected, "train_seconds", "test_seconds"]
    assert float(rows(run)[0]["valid_loss"]) == pytest.approx(
        float(rows(run)[0]["valid_distortion"]) + float(rows(run)[0]["valid_rate"]), abs=1e-3
    )
    shown = [line.split() for line in done.err.splitlines()][4]
    assert shown[4] == f"{float(rows(run)[0]['valid_loss']):.2f}"
    assert max(map(len, done.err.splitlines()[2:6])) <= 79


def test_best_is_the_model_of_the_lowest_validation_loss(cli, digits, tmp_path):
    run = tmp_path / "run"
    # So high a rate that the loss goes up and down.
    options = ("--lr", "0.2", "--seed", 2, "--validation", 32, "--epochs", 12, "--save-every", 1)
    assert cli(*arguments(digits, run, "-q", *options)).status == 0
    losses = [float(row["valid_loss"]) for row in rows(run)]
    best = losses.index(min(losses)) + 1
    assert best != 12
    ours = checkpoint.load(run / "checkpoints/best.safetensors")[0]
    theirs = checkpoint.load(run / f"checkpoints/epoch-{best:04d}.safetensors")[0]
    assert ours.keys() == {name for name in theirs if name.startswith("model.")}
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    # What reads a run reads the best, unless told otherwise.
    for chosen, name in (((), "best"), (("--checkpoint", "last"), "last")):
        for target, options in ((run, chosen), (run / f"checkpoints/{name}.safetensors", ())):
            out = tmp_path / f"{target.name}-{name}.png"
            assert cli("sample", "-r", target, *options, "--seed", 2, "-o", out).status == 0
    pictures = {p.name: p.read_bytes() for p in tmp_path.glob("*.png")}
    assert pictures["run-best.png"] == pictures["best.safetensors-best.png"]
    assert pictures["run-last.png"] == pictures["last.safetensors-last.png"]
    assert pictures["run-best.png"] != pictures["run-last.png"]
    assert pictures["run-best.png"] == (run / "samples.png").read_bytes()


def test_a_best_checkpoint_that_is_not_there_is_said(cli, trained):
    done = cli("sample", "-r", trained, "--checkpoint", "best")
    assert (done.status, done.out) == (4, "")
    assert "has no best checkpoint: train it with --validation N." in done.err
    done = cli("embed", "-r", trained, "--split", "validation")
    assert done.status == 2
    assert "held out no images" in done.err
    done = cli("sample", "-r", trained / "checkpoints/last.safetensors", "--checkpoint", "last")
    assert done.status == 2


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--patience", 3], "--patience 3 needs a validation set: add --validation N"),
        (["--validation", 96], "--validation 96: of 96 training images none would be left"),
        (["--validation", 0], "--validation 0: should be greater than or equal to 1"),
        (["--max-time", "soon"], "--max-time soon: write a time as 2h, 90m, 1h30m or 45s"),
        (["--max-time", "0s"], "--max-time 0s: a time must be above 0"),
        (["--sample-every", 0], "--sample-every 0: should be greater"),
    ],
)
def test_a_wrong_limit_is_status_2(cli, digits, tmp_path, options, reason):
    done = cli(*arguments(digits, tmp_path / "run", *options))
    assert (done.status, done.out) == (2, "")
    assert reason in done.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("losses", "patience", "over"),
    [
        ([3, 2, 1, 1.5, 1.2], 2, True),
        ([3, 2, 1, 1.5, 0.9], 2, False),
        ([1, 1, 1], 2, True),  # as low is not lower
        ([1], 1, False),
        ([2, 3], 1, True),
        ([3, 2, 4, 5, 6], None, False),
    ],
)
def test_patience_counts_the_epochs_since_the_lowest_loss(losses, patience, over):
    config = vaecli.Config(validation=1, patience=patience)
    assert bool(why_over(config, history(losses))) == over
    assert find_best(config, history(losses)).number == losses.index(min(losses)) + 1


def test_patience_ends_a_run_and_more_of_it_goes_on_exactly(cli, digits, tmp_path):
    run, reference = tmp_path / "run", tmp_path / "reference"
    options = ("--lr", "0.2", "--seed", 2, "--validation", 32, "--epochs", 12)
    cli(*arguments(digits, reference, "-q", *options))
    first = cli(*arguments(digits, run, *options, "--patience", 1))
    assert first.status == 0
    done = len(rows(run))
    assert done < 12
    assert record(run)["status"] == "completed"
    assert (
        f"lowest after epoch {done - 1} and has been no lower up to epoch {done}"
        in record(run)["reason"]
    )
    assert "Ended early: the validation loss" in first.err
    again = cli("train", "--resume", run)
    assert (again.status, again.out) == (0, f"{run}\n")
    assert "is already complete: the validation loss was lowest" in again.err
    assert again.err.endswith("extend it with --patience N.\n")
    assert cli("train", "-q", "--resume", run, "--patience", 12).status == 0
    assert_same_run(run, reference)
    assert record(run)["reason"] is None
    ours, theirs = ((r / "checkpoints/best.safetensors") for r in (run, reference))
    ours, theirs = checkpoint.load(ours)[0], checkpoint.load(theirs)[0]
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_max_time_interrupts_with_status_0_and_the_run_goes_on(cli, digits, tmp_path):
    run = tmp_path / "run"
    began = time.monotonic()
    done = cli(*arguments(digits, run, "--epochs", 100000, "--max-time", "1s"))
    assert 1 <= time.monotonic() - began < 10
    assert (done.status, done.out) == (0, f"{run}\n")
    said = "Stopped: the time of --max-time is over. Go on with: vaecli train --resume"
    assert done.err.splitlines()[-1] == f"{said} {run}"
    assert (record(run)["status"], record(run)["reason"]) == ("interrupted", f"{said} {run}")
    before = len(rows(run))
    assert cli("train", "-q", "--resume", run, "--epochs", before + 1).status == 0
    assert len(rows(run)) == before + 1
    assert record(run)["status"] == "completed"


def test_checkpoints_and_pictures_come_at_their_cadence(cli, digits, tmp_path):
    run = tmp_path / "run"
    cli(*arguments(digits, run, "-q", "--epochs", 5, "--save-every", 2, "--sample-every", 3))
    assert {p.name for p in (run / "samples").iterdir()} == {"epoch-0003.png"}
    found = {p.name for p in (run / "checkpoints").iterdir()}
    assert found == {"last.safetensors", "epoch-0002.safetensors", "epoch-0004.safetensors"}
    # Each of them is a whole state, and a model to read.
    lone = tmp_path / "lone"
    (lone / "checkpoints").mkdir(parents=True)
    for name in ("config.json", "run.json"):
        (lone / name).write_bytes((run / name).read_bytes())
    fourth = (run / "checkpoints/epoch-0004.safetensors").read_bytes()
    (lone / "checkpoints/last.safetensors").write_bytes(fourth)
    vaecli.open(lone).note(status="interrupted")
    assert cli("train", "-q", "--resume", lone).status == 0
    assert all(torch.equal(t, tensors(run)[name]) for name, t in tensors(lone).items())
    numbered = run / "checkpoints/epoch-0004.safetensors"
    assert cli("sample", "-r", numbered, "-o", tmp_path / "4.png").status == 0
    done = cli("train", "--resume", numbered)
    assert done.status == 2
    assert f"name the run {run}" in done.err
    assert cli(*arguments(digits, run, "-q", "--epochs", 1, "--overwrite")).status == 0


def test_changed_data_need_leave(cli, run_dir, digits):
    vaecli.open(run_dir).note(data={"train": "0" * 64, "test": "0" * 64})
    refused = cli("train", "--resume", run_dir, "--epochs", 3)
    assert refused.status == 2
    assert "--allow-data-change" in refused.err
    assert cli("train", "-q", "--resume", run_dir, "--epochs", 3, "--allow-data-change").status == 0
    assert record(run_dir)["data"]["train"] == bars(96).fingerprint()

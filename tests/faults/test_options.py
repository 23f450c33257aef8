"""Options, devices and configuration files that cannot be."""

import json
import os

import pytest
import torch

from tests.processes import assert_refused
from tests.runs import arguments, config


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--lr", "nan", "--lr nan: should be a finite number"),
        ("--lr", "-1", "--lr -1.0: should be greater than 0"),
        ("--batch-size", "0", "--batch-size 0: should be greater than or equal to 1"),
        ("--latent-dim", "0", "--latent-dim 0: should be greater than or equal to 1"),
        ("--seed", "-1", "--seed -1: should be greater than or equal to 0"),
        ("--seed", 2**64, f"--seed {2**64}: should be less than {2**64}"),
        ("--threads", 100_000, f"--threads 100000: at most {4 * os.cpu_count()} on this machine"),
        ("--progress", "loud", "'loud' is not one of 'auto', 'bar', 'plain', 'none'"),
    ],
)
def test_a_value_that_cannot_be_is_named(cli, tmp_path, monkeypatch, option, value, reason):
    monkeypatch.chdir(tmp_path)
    done = cli("train", option, value)
    assert_refused(done, 2, tmp_path)
    assert reason in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "near"), [(["trian"], "train"), (["train", "--epoch", "3"], "--epochs")]
)
def test_a_slip_is_answered_with_what_was_meant(cli, tmp_path, line, near):
    done = cli(*line)
    assert_refused(done, 2, tmp_path)
    assert near in done.err.replace(" ".join(line), "")


@pytest.mark.parametrize("name", ["cuda", "cuda:9", "mps", "tpu"])
def test_a_device_that_is_missing_is_answered_with_those_there_are(
    cli, digits, tmp_path, monkeypatch, name
):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    done = cli(*arguments(digits, tmp_path / "run", "--device", name))
    assert_refused(done, 2, tmp_path)
    assert f"--device {name}: this machine has cpu." in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"epoch": 3}', "Unknown configuration key 'epoch'. Did you mean 'epochs'?"),
        (b'{"epochs": "many"}', "epochs='many': should be a valid integer"),
        (b'{"epochs": 3,\n "lr": 0.1,\n}', "line 3 column 1"),
        (b'\xef\xbb\xbf{"epochs": 0}', "epochs=0: should be greater than or equal to 1"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_named(cli, tmp_path, monkeypatch, content, reason):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "given.json"
    file.write_bytes(content)
    done = cli("train", "--config", file)
    assert_refused(done, 2, tmp_path, old={file: content})
    assert reason in done.err
    assert len(done.err) < 1000
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            ["sample", "-n", 100_001],
            "'--count' / '-n': Input should be less than or equal to 100000",
        ),
        (
            ["sample", "-n", 4, "--columns", 5],
            "--columns 5: at most the number of images, --count 4.",
        ),
        (["sample", "--style-of", 10**30], f"--style-of {10**30} needs labels"),
        (["reconstruct", "-n", 10**30], f"--count {10**30}: there are only 40 images."),
        (["evaluate", "-n", 10**30], f"--count {10**30}: there are only 40 images."),
        (["evaluate", "--samples", 10**6 + 1], "Input should be less than or equal to 1000000"),
        (["classify", "--labels", 10**30], f"--labels {10**30}: must be a multiple of 2"),
    ],
)
def test_a_number_that_is_too_large_is_answered_with_its_bound(
    cli, trained, tmp_path, line, reason
):
    done = cli(*line[:1], "-r", trained, *line[1:])
    assert_refused(done, 2, tmp_path)
    assert reason in done.err


def test_bounds_are_said_in_the_help(cli):
    said = " ".join(" ".join(cli(command, "-h").out for command in ("sample", "evaluate")).split())
    for bound in ("at most 100,000.", "at most their number.", "at most 1,000,000:"):
        assert bound in said
    assert "at most 4 per core." in " ".join(cli("train", "-h").out.split())


@pytest.mark.parametrize("place", ["file", "variable"])
def test_too_many_threads_are_refused_wherever_they_are_set(
    cli, trained, tmp_path, monkeypatch, place
):
    """Thousands would crash torch."""
    line = ["train", "--run-dir", tmp_path / "run"]
    if place == "file":
        file = tmp_path / "config.json"
        file.write_text(json.dumps({**config(trained), "threads": 100_000}))
        line += ["--config", file]
    else:
        monkeypatch.setenv("VAECLI_THREADS", "100000")
    done = cli(*line)
    assert_refused(done, 2, tmp_path)
    assert f"at most {4 * os.cpu_count()} on this machine, 4 per core." in done.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (["--latent-dim", 2**31 - 1], "a model of this width and latent_dim needs "),
        (["--objective", "iwae:samples=2147483647"], "Out of memory."),
    ],
)
def test_a_size_beyond_all_memory_is_status_6(cli, digits, tmp_path, part, said):
    done = cli("train", "--data-dir", digits, "--run-dir", tmp_path / "run", "-q", *part)
    assert_refused(done, 6, tmp_path)
    assert said in done.err

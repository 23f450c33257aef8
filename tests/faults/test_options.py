"""Options, devices and configuration files that cannot be."""

import pytest
import torch

from tests.processes import assert_refused
from tests.runs import arguments


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--lr", "nan", "--lr nan: should be a finite number"),
        ("--lr", "-1", "--lr -1.0: should be greater than 0"),
        ("--batch-size", "0", "--batch-size 0: should be greater than or equal to 1"),
        ("--latent-dim", "0", "--latent-dim 0: should be greater than or equal to 1"),
        ("--seed", "-1", "--seed -1: should be greater than or equal to 0"),
        ("--seed", 2**64, f"--seed {2**64}: should be less than {2**64}"),
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

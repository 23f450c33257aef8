"""Images that teach nothing, files that are damaged, and losses that are no number."""

import math
import socket

import numpy as np
import pytest
import torch
from torchvision.datasets import KMNIST

import vaecli
from tests.conftest import TINY, bars, idx, write_idx
from tests.processes import assert_clean, assert_refused, posix, run_process
from tests.runs import arguments, contents, header, losses, record, tensors

FILES = [f"{s}-{k}-ubyte" for s in ("train", "t10k") for k in ("images-idx3", "labels-idx1")]


def write_images(folder, train, test):
    """The four files, of the same label, for pixels given as arrays `(N, H, W)`."""
    folder.mkdir()
    for split, pixels in (("train", train), ("t10k", test)):
        (folder / f"{split}-images-idx3-ubyte").write_bytes(idx(pixels))
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(idx(np.zeros(len(pixels))))
    return folder


@pytest.mark.parametrize(("count", "value"), [(33, 0), (33, 255), (33, 100), (1, None)])
def test_images_that_hardly_differ_train_without_a_nan(cli, tmp_path, count, value):
    pixels = bars(count).x.squeeze(1).numpy() if value is None else np.full((count, 8, 8), value)
    data = write_images(tmp_path / "data", pixels, pixels[:1])
    run = tmp_path / "run"
    done = cli(*arguments(data, run, "-q", "--epochs", 2))
    assert (done.status, done.err) == (0, "")
    assert_clean(done, tmp_path, result=f"{run}\n")
    assert all(math.isfinite(float(cell)) for row in losses(run) for cell in row.values())
    assert vaecli.open(run).model().sample(4).isfinite().all()
    assert cli("embed", "-r", run, "--plot", tmp_path / "z.png").status == 0


@pytest.mark.parametrize("name", FILES)
def test_a_bit_flipped_in_a_gzip_file_changes_no_image_unnoticed(cli, tmp_path, monkeypatch, name):
    data = write_idx(tmp_path / "data")
    path = data / f"{name}.gz"
    whole = path.read_bytes()
    monkeypatch.chdir(tmp_path)
    for position in np.random.default_rng(0).integers(10, len(whole), 8):
        damaged = bytearray(whole)
        damaged[position] ^= 4
        path.write_bytes(damaged)
        done = cli("train", "--data-dir", data, *TINY)
        assert_refused(done, 3, tmp_path, old={path: damaged})
        assert str(path) in done.err
        assert [p.name for p in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda raw: raw[:1000], "984"),
        (lambda raw: b"", "is empty: 0 bytes found"),
        (lambda raw: raw[:4] + b"\0\0\xff\xff" + raw[8:], "65,535"),
    ],
    ids=["short", "empty", "false header"],
)
def test_a_damaged_file_offers_to_get_it_again(cli, tmp_path, monkeypatch, damage, found):
    path = write_idx(tmp_path / "KMNIST" / "raw", zipped=False) / FILES[0]
    path.write_bytes(damage(path.read_bytes()))
    monkeypatch.chdir(tmp_path)
    old = contents(tmp_path)
    done = cli("train", "--data", "kmnist", "--data-dir", tmp_path, *TINY)
    assert_refused(done, 3, tmp_path, old=old)
    assert contents(tmp_path) == old
    assert "Get it " in done.err
    assert FILES[0] in done.err
    assert found in done.err


def test_without_network_a_missing_set_says_what_to_put_where(cli, tmp_path, monkeypatch):
    def offline(*arguments, **options):
        raise OSError("Network is unreachable")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, offline)
    monkeypatch.chdir(tmp_path)
    done = cli("train", "--data", "kmnist", "--data-dir", tmp_path / "new")
    assert_refused(done, 3, tmp_path)
    assert str(tmp_path / "new" / "KMNIST" / "raw") in done.err
    for name, _ in KMNIST.resources:
        assert name in done.err
    assert KMNIST.mirrors[0] in done.err
    assert list(tmp_path.iterdir()) == []


# The objective answers NaN from the first batch of the third epoch on: 3 batches and 1 evaluation.
POISON = """
import dataclasses
from vaecli.objectives import ELBO
def poisoned(*arguments, forward=ELBO.forward, calls=[]):
    calls.append(1)
    terms = forward(*arguments)
    if len(calls) <= 2 * (3 + 1):
        return terms
    metrics = {name: value * float("nan") for name, value in terms.metrics.items()}
    return dataclasses.replace(terms, loss=terms.loss * float("nan"), metrics=metrics)
ELBO.forward = poisoned
"""


@posix
@pytest.mark.slow
def test_a_loss_that_becomes_nan_keeps_the_epoch_before(cli, digits, tmp_path):
    run = tmp_path / "run"
    done = run_process(*arguments(digits, run, "-q", "--epochs", 4), fault=POISON)
    assert_refused(done, 5, tmp_path)
    assert "became nan in batch 1 of epoch 3" in done.err
    assert len(header(run)["history"]) == 2
    assert all(torch.isfinite(tensor).all() for tensor in tensors(run).values())
    rows = losses(run)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert rows[2]["train_loss"] == "nan"
    assert [rows[2][f"test_{term}"] for term in ("loss", "distortion", "rate")] == [""] * 3
    assert record(run)["status"] == "diverged"
    assert cli("train", "-q", "--resume", run).status == 0
    assert all(math.isfinite(float(cell)) for row in losses(run) for cell in row.values())
    assert [row["epoch"] for row in losses(run)] == ["1", "2", "3", "4"]

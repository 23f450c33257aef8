"""Each command on a small run: what it prints, and what is in the files it writes."""

import csv
import io
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import vaecli
from tests.conftest import TINY, bars
from vaecli.pictures import grids
from vaecli.system.seeds import random_stream

CPU = torch.device("cpu")


def picture(source):
    return np.asarray(Image.open(io.BytesIO(source) if isinstance(source, bytes) else source))


def expected_samples(run, count, seed=0):
    model = vaecli.open(run).model()
    with random_stream(CPU, seed, "samples"):
        return model.sample(count)


def test_sample_draws_what_the_model_draws(cli, run_dir, tmp_path):
    target = tmp_path / "grid.png"
    done = cli("sample", "-r", run_dir, "-n", 5, "--seed", 3, "-o", target)
    assert done == (0, f"{target}\n", "")
    wanted = grids.grid(expected_samples(run_dir, 5, seed=3))
    assert (picture(target) == np.asarray(wanted)).all()


def test_sample_writes_into_the_run_and_again_the_same_bytes(cli, run_dir):
    done = cli("sample", "-r", run_dir)
    path = run_dir / "samples.png"
    assert done.out == f"{path}\n"
    first = path.read_bytes()
    cli("sample", "-r", run_dir)
    assert path.read_bytes() == first
    assert picture(path).shape == (8 * 10 - 2, 8 * 10 - 2)


def test_sample_repeats_the_picture_of_train(cli, run_dir):
    trained = (run_dir / "samples.png").read_bytes()
    cli("sample", "-r", run_dir)
    assert (run_dir / "samples.png").read_bytes() == trained
    assert (run_dir / "samples" / "epoch-0002.png").read_bytes() == trained


def test_columns_can_be_chosen(cli, run_dir, tmp_path):
    cli("sample", "-r", run_dir, "-n", 6, "--columns", 2, "-o", tmp_path / "a.png")
    assert picture(tmp_path / "a.png").shape == (3 * 10 - 2, 2 * 10 - 2)


def test_reconstruct_shows_inputs_over_reconstructions(cli, run_dir, tmp_path):
    target = tmp_path / "r.png"
    done = cli("reconstruct", "-r", run_dir, "--split", "train", "-n", 6, "-o", target)
    assert done == (0, f"{target}\n", "")
    x = bars(96).first(6).pixels(slice(None))
    sheet = picture(target)
    assert (sheet[:8] == np.asarray(grids.grid(x))).all()
    assert (sheet[10:] == np.asarray(grids.grid(vaecli.open(run_dir).model().reconstruct(x)))).all()


def test_reconstruct_repeats_the_picture_of_train(cli, run_dir):
    trained = (run_dir / "reconstructions.png").read_bytes()
    cli("reconstruct", "-r", run_dir)
    assert (run_dir / "reconstructions.png").read_bytes() == trained


def test_more_images_than_there_are_is_a_mistake(cli, run_dir):
    done = cli("reconstruct", "-r", run_dir, "-n", 41)
    assert (done.status, done.out) == (2, "")
    assert "count=41: the split has only 40 images" in done.err


def test_embed_writes_an_npz_of_all_latents(cli, run_dir):
    done = cli("embed", "-r", run_dir)
    assert done == (0, f"{run_dir / 'embeddings.npz'}\n", "")
    found = np.load(run_dir / "embeddings.npz")
    assert set(found) == {"index", "label", "mean", "log_var"}
    test = bars(40, seed=1)
    q = vaecli.open(run_dir).model().posterior(test.pixels(slice(None)))
    np.testing.assert_allclose(found["mean"], q.mean.detach(), atol=1e-5)
    np.testing.assert_allclose(found["log_var"], q.log_var.detach(), atol=1e-5)
    assert found["label"].tolist() == test.labels.tolist()
    assert found["index"].tolist() == list(range(40))


def test_embed_writes_csv_and_npy(cli, run_dir, tmp_path):
    for ending in ("npz", "csv", "npy"):
        target = tmp_path / f"a.{ending}"
        assert cli("embed", "-r", run_dir, "--split", "train", "-o", target).status == 0
        again = target.read_bytes()
        cli("embed", "-r", run_dir, "--split", "train", "-o", target)
        assert target.read_bytes() == again
    means = np.load(tmp_path / "a.npy")
    assert means.shape == (96, 3)
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert list(rows[0]) == ["index", "label", "z1", "z2", "z3"]
    assert [int(row["label"]) for row in rows] == bars(96).labels.tolist()
    table = [[float(row[f"z{d}"]) for d in (1, 2, 3)] for row in rows]
    assert (np.float32(table) == means).all()  # full precision


def test_embed_with_a_plot_writes_only_the_plot(cli, run_dir, tmp_path):
    target = tmp_path / "latent.png"
    assert cli("embed", "-r", run_dir, "--plot", target) == (0, f"{target}\n", "")
    assert picture(target).shape[:2] == (840, 1008)
    assert not (run_dir / "embeddings.npz").exists()


def test_embed_with_both_writes_both(cli, run_dir, tmp_path):
    plot, table = tmp_path / "latent.svg", tmp_path / "a.csv"
    assert cli("embed", "-r", run_dir, "--plot", plot, "-o", table).out == f"{table}\n{plot}\n"
    assert plot.read_text().startswith("<?xml")
    assert len(table.read_text().splitlines()) == 41


def test_plot_loss_draws_the_losses(cli, run_dir):
    path = run_dir / "loss.png"
    path.unlink()
    assert cli("plot-loss", "-r", run_dir) == (0, f"{path}\n", "")
    assert picture(path).shape[1] == 1440


def test_plot_loss_overlays_runs(cli, run_dir, tmp_path):
    one, two = tmp_path / "1.png", tmp_path / "2.png"
    cli("plot-loss", "-r", run_dir, "-o", one)
    cli("plot-loss", "-r", run_dir, "-r", run_dir / "checkpoints/last.safetensors", "-o", two)
    assert picture(one).shape == picture(two).shape
    cli("plot-loss", "-r", run_dir, "-r", tmp_path / "run" / ".." / "run", "-o", two)
    assert (picture(one) != picture(two)).any()


def test_plot_loss_before_the_first_epoch_says_so(cli, tmp_path):
    run = vaecli.run.create(vaecli.Config(), tmp_path / "new")
    done = cli("plot-loss", "-r", run.folder)
    assert (done.status, done.out) == (4, "")
    assert "its first epoch has not ended" in done.err


@pytest.mark.parametrize("command", ["sample", "reconstruct", "embed"])
def test_a_checkpoint_alone_is_enough(cli, run_dir, tmp_path, command):
    lone = tmp_path / "elsewhere" / "model.safetensors"
    lone.parent.mkdir()
    lone.write_bytes((run_dir / "checkpoints" / "last.safetensors").read_bytes())
    done = cli(command, "-r", lone)
    assert done.status == 0
    assert done.out.startswith(str(lone.parent))


def test_the_newest_run_is_read_and_named(cli, digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        cli("train", "-q", "--epochs", 1, "--data-dir", digits, *TINY)
    done = cli("sample")
    assert done.out == "runs/mnist-vae-2/samples.png\n"
    assert done.err == "Reading runs/mnist-vae-2, the newest run; -r chooses another.\n"


def test_the_environment_stands_in_for_run_dir(cli, run_dir, monkeypatch):
    monkeypatch.setenv("VAECLI_RUN_DIR", str(run_dir))
    assert cli("sample") == (0, f"{run_dir / 'samples.png'}\n", "")
    assert cli("plot-loss") == (0, f"{run_dir / 'loss.png'}\n", "")


@pytest.mark.parametrize(
    ("name", "status"), [("x", 2), ("x.exe", 2), ("missing/x.png", 2), ("X.PNG", 0), ("x.jpg", 0)]
)
def test_the_ending_chooses_the_format(cli, run_dir, tmp_path, name, status):
    done = cli("sample", "-r", run_dir, "-n", 4, "-o", tmp_path / name)
    assert done.status == status
    assert (tmp_path / name).exists() == (status == 0)


def test_a_dash_writes_to_stdout(run_dir, monkeypatch, capfdbinary):
    monkeypatch.setattr(sys, "argv", ["vaecli", "sample", "-r", str(run_dir), "-n", "4", "-o", "-"])
    with pytest.raises(SystemExit) as stopped:
        vaecli.commands.main()
    assert not stopped.value.code
    assert picture(capfdbinary.readouterr().out).shape == (8, 38)


def test_an_existing_file_is_replaced_whole(cli, run_dir, tmp_path):
    target = tmp_path / "grid.png"
    target.write_bytes(b"x" * 1_000_000)
    cli("sample", "-r", run_dir, "-n", 4, "-o", target)
    assert picture(target).shape == (8, 38)

"""`vaecli embed`: latents as a table or a picture."""

import csv

import numpy as np

import vaecli
from tests.commands.pictures import picture
from tests.conftest import bars


def test_an_npz_holds_all_latents(cli, run_dir):
    done = cli("embed", "-r", run_dir)
    assert done == (0, f"{run_dir / 'embeddings.npz'}\n", "")
    found = np.load(run_dir / "embeddings.npz")
    assert set(found) == {"index", "label", "mean", "log_var"}
    test = bars(40, seed=1)
    q = vaecli.open(run_dir).model().posterior(test.pixels(slice(None)))
    np.testing.assert_allclose(found["mean"], q.mean.detach(), atol=1e-5)
    np.testing.assert_allclose(found["log_var"], q.variance.log().detach(), atol=1e-5)
    assert found["label"].tolist() == test.labels.tolist()
    assert found["index"].tolist() == list(range(40))


def test_csv_and_npy_hold_the_means(cli, run_dir, tmp_path):
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


def test_a_plot_alone_writes_no_table(cli, run_dir, tmp_path):
    target = tmp_path / "latent.png"
    assert cli("embed", "-r", run_dir, "--plot", target) == (0, f"{target}\n", "")
    assert picture(target).shape[:2] == (840, 1008)
    assert not (run_dir / "embeddings.npz").exists()


def test_a_plot_and_a_table_are_both_written(cli, run_dir, tmp_path):
    plot = tmp_path / "latent.svg"
    table = tmp_path / "a.csv"
    assert cli("embed", "-r", run_dir, "--plot", plot, "-o", table).out == f"{table}\n{plot}\n"
    assert plot.read_text().startswith("<?xml")
    assert len(table.read_text().splitlines()) == 41


def test_a_table_and_a_plot_do_not_go_to_one_place(cli, trained, tmp_path):
    for place in ("-", tmp_path / "x"):
        done = cli("embed", "-r", trained, "-o", place, "--plot", place)
        assert (done.status, done.out) == (2, "")
        assert f"-o and --plot both name {place}: name another file" in done.err


def test_a_conditional_model_is_given_the_labels(cli, conditional, tmp_path):
    cli("embed", "-r", conditional, "-o", tmp_path / "e.npy")
    test = bars(40, seed=1)
    x = test.pixels(slice(None))
    z = vaecli.open(conditional).model().embed(x, test.one_hot_labels(slice(None)))
    np.testing.assert_allclose(np.load(tmp_path / "e.npy"), z.numpy(), atol=1e-5)

"""`vaecli embed`: latents as a table or a picture."""

import csv
import io
import re
import sys

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.contour import ContourSet

import vaecli
from tests.commands.pictures import picture
from tests.conftest import bars
from tests.runs import arguments


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
    done = cli("embed", "-r", run_dir, "--plot", target)
    assert (done.status, done.out) == (0, f"{target}\n")
    assert re.fullmatch(
        "t-SNE of 40 latents \\.\\.\\.\nt-SNE of 40 latents: 0:00:\\d\\d\n", done.err
    )
    assert picture(target).shape[:2] == (1050, 1260)
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


@pytest.mark.parametrize(("split", "images"), [("test", bars(40, seed=1)), ("train", bars(96))])
def test_every_format_has_the_same_latents_of_the_split(cli, run_dir, tmp_path, split, images):
    files = {ending: tmp_path / f"a.{ending}" for ending in ("npz", "csv", "npy")}
    for path in files.values():
        assert cli("embed", "-r", run_dir, "--split", split, "-o", path).out == f"{path}\n"
    arrays = np.load(files["npz"])
    x = images.pixels(slice(None))
    means = vaecli.open(run_dir).model().posterior(x).mean.detach()
    np.testing.assert_allclose(arrays["mean"], means, atol=1e-5)
    assert {name: array.dtype for name, array in arrays.items()} == {
        "index": np.int64,
        "label": np.uint8,
        "mean": np.float32,
        "log_var": np.float32,
    }
    assert np.array_equal(np.load(files["npy"]), arrays["mean"])
    header, *rows = csv.reader(files["csv"].read_text().splitlines())
    assert header == ["index", "label", "z1", "z2", "z3"]
    table = np.array(rows, float)
    assert np.array_equal(table[:, 0], np.arange(len(images)))
    assert np.array_equal(table[:, 1], images.labels)
    assert np.array_equal(np.float32(table[:, 2:]), arrays["mean"])


def test_a_dash_writes_the_table_to_stdout(result_of, run_dir, tmp_path):
    out = result_of("embed", "-r", run_dir)
    assert np.load(io.BytesIO(out))["mean"].shape == (40, 3)
    assert not (run_dir / "embeddings.npz").exists()


def shown_points(figure):
    """The points of each label of a map."""
    scatters = [c for c in figure.axes[0].collections if isinstance(c, PathCollection)]
    return {int(s.get_label()): np.array(s.get_offsets()) for s in scatters}


def test_principal_components_are_shown_on_demand(cli, trained, figures):
    """Every label its own points, with the share of variance in the names of the axes."""
    plot = trained.parent / "map.svg"
    assert cli("embed", "-r", trained, "--split", "train", "--plot", plot, "--method", "pca") == (
        0,
        f"{plot}\n",
        "",
    )
    assert plot.read_bytes() == b".svg"
    plot.unlink()
    (axes,) = figures[0].axes
    assert axes.get_title() == "Latents of the mnist train images, run"
    train = bars(96)
    z = vaecli.open(trained).model().posterior(train.pixels(slice(None))).mean.detach().numpy()
    centred = z.astype(float) - z.mean(0, dtype=float)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    largest = directions[range(2), np.abs(directions[:2]).argmax(1)]
    points = centred @ directions[:2].T * np.sign(largest)
    found = shown_points(figures[0])
    assert found.keys() == {0, 1}
    for label, shown in found.items():
        np.testing.assert_allclose(shown, points[train.labels == label], atol=1e-4)
    parts = 100 * singular**2 / (singular**2).sum()
    assert [axes.get_xlabel(), axes.get_ylabel()] == [
        f"principal component {number} ({part:.1f} % of variance)"
        for number, part in enumerate(parts[:2], 1)
    ]


@pytest.mark.parametrize(
    ("dimensions", "names"), [(1, ["latent 1", ""]), (2, ["latent 1", "latent 2"])]
)
def test_one_or_two_latents_are_shown_as_they_are(
    cli, digits, tmp_path, figures, dimensions, names
):
    run = tmp_path / "run"
    cli(*arguments(digits, run, "-q", "--epochs", 1, "--latent-dim", dimensions))
    cli("embed", "-r", run, "--plot", tmp_path / "map.png", "-o", tmp_path / "z.npz")
    figure = figures[-1]  # the first is that of the losses
    (axes,) = figure.axes
    assert axes.get_title() == "Latents of the mnist test images, run"
    assert [axes.get_xlabel(), axes.get_ylabel()] == names
    table = np.load(tmp_path / "z.npz")
    for label, shown in shown_points(figure).items():
        means = table["mean"][table["label"] == label]
        np.testing.assert_allclose(shown[:, :dimensions], means, rtol=1e-6)
        assert not shown[:, dimensions:].any()
    lines = [c for c in axes.collections if isinstance(c, ContourSet)]
    assert len(lines) == dimensions - 1
    for contours in lines:  # of N(0, I): circles with 99, 90 and 50 % of its mass inside
        radii = [np.linalg.norm(path.vertices, axis=1).mean() for path in contours.get_paths()]
        expected = np.sqrt(-2 * np.log([0.01, 0.1, 0.5]))
        np.testing.assert_allclose(radii, expected, rtol=0.04)


def test_more_than_two_latents_are_shown_by_tsne(cli, trained, tmp_path, figures):
    """The same picture each time, by default."""
    for method in ("auto", "tsne"):
        cli("embed", "-r", trained, "--plot", tmp_path / "map.png", "--method", method)
    first, second = (shown_points(figure) for figure in figures)
    assert first.keys() == second.keys() == {0, 1}
    for label, points in first.items():
        assert np.array_equal(points, second[label])
    (axes,) = figures[0].axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("t-SNE of 3 latents", "")
    assert len(axes.get_xticks()) == 0
    assert len(figures[0].legends) == 1


def test_a_method_without_a_plot_is_refused(cli, trained):
    done = cli("embed", "-r", trained, "--method", "pca")
    assert (done.status, done.out) == (2, "")
    assert done.err == "Error: --method pca is about the picture: add --plot FILE.\n"


def test_without_a_plot_neither_plots_nor_projections_are_imported(
    cli, trained, monkeypatch, tmp_path
):
    for name in ("vaecli.pictures.latent_map", "vaecli.evaluation.projection", "sklearn"):
        monkeypatch.setitem(sys.modules, name, None)  # refuses to be imported
    assert cli("embed", "-r", trained, "-o", tmp_path / "z.npy").status == 0


@pytest.mark.parametrize(("more", "background"), [((), "#ffffff"), (("--dark",), "#111111")])
def test_a_map_can_be_dark(cli, trained, tmp_path, figures, more, background):
    words = ("--method", "pca", "--plot", tmp_path / "map.png")
    assert cli("embed", "-r", trained, *words, *more).status == 0
    assert to_hex(figures[0].get_facecolor()) == background
    title = figures[0].legends[0].get_title()
    assert to_hex(title.get_color()) == ("#e6e6e6" if more else "#000000")

"""`vaecli sample`: what the model draws, with chosen labels, and where it is written."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

import vaecli
from tests.commands.pictures import grid, picture, tiles
from tests.conftest import bars
from vaecli.evaluation.decoding import fit_to_latents, sample_prior
from vaecli.system.seeds import random_stream


def expected_samples(run, count, seed=0):
    with random_stream(torch.device("cpu"), seed, "samples"):
        return vaecli.open(run).model().sample(count)


def label_of(tile):
    """A row has one bright line across, a column one upright."""
    return int(tile.mean(0).max() > tile.mean(1).max())


def test_sample_draws_what_the_model_draws(cli, run_dir, tmp_path):
    target = tmp_path / "grid.png"
    done = cli("sample", "-r", run_dir, "-n", 5, "--seed", 3, "--scale", 1, "-o", target)
    assert done == (0, f"{target}\n", "")
    assert (picture(target) == grid(expected_samples(run_dir, 5, seed=3))).all()


def test_sample_writes_into_the_run_and_the_same_bytes_again(cli, run_dir):
    path = run_dir / "samples.png"
    assert cli("sample", "-r", run_dir).out == f"{path}\n"
    first = path.read_bytes()
    cli("sample", "-r", run_dir)
    assert path.read_bytes() == first
    assert picture(path).shape == (7 * (8 * 10 - 2), 7 * (8 * 10 - 2))


def test_sample_repeats_the_picture_of_train(cli, run_dir):
    trained = (run_dir / "samples.png").read_bytes()
    cli("sample", "-r", run_dir)
    assert (run_dir / "samples.png").read_bytes() == trained
    assert (run_dir / "samples" / "epoch-0002.png").read_bytes() == trained


def test_columns_can_be_chosen(cli, run_dir, tmp_path):
    cli("sample", "-r", run_dir, "-n", 6, "--columns", 2, "--scale", 1, "-o", tmp_path / "a.png")
    assert picture(tmp_path / "a.png").shape == (3 * 10 - 2, 2 * 10 - 2)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("x", None),
        ("x.exe", None),
        ("missing/x.png", None),
        ("X.PNG", "PNG"),
        ("x.jpg", "JPEG"),
        ("x.webp", "WEBP"),
        ("x.bmp", "BMP"),
    ],
)
def test_the_ending_chooses_the_format(cli, run_dir, tmp_path, name, kind):
    out = tmp_path / name
    done = cli("sample", "-r", run_dir, "-n", 4, "--scale", 1, "-o", out)
    if kind:
        assert done == (0, f"{out}\n", "")
        assert Image.open(io.BytesIO(out.read_bytes())).format == kind
    else:
        assert (done.status, done.out) == (2, "")
        assert not out.exists()


def test_a_dash_writes_to_stdout(result_of, run_dir):
    before = (run_dir / "samples.png").read_bytes()
    shown = picture(result_of("sample", "-r", run_dir, "-n", 4, "--seed", 3, "--scale", 1))
    assert (shown == grid(expected_samples(run_dir, 4, seed=3))).all()
    assert (run_dir / "samples.png").read_bytes() == before


def test_an_existing_file_is_replaced_whole(cli, run_dir, tmp_path):
    target = tmp_path / "grid.png"
    target.write_bytes(b"x" * 1_000_000)
    cli("sample", "-r", run_dir, "-n", 4, "--scale", 1, "-o", target)
    assert picture(target).shape == (8, 38)


def test_all_labels_get_a_row_each(cli, conditional, tmp_path):
    out = tmp_path / "all.png"
    assert (
        cli("sample", "-r", conditional, "--label", "all", "-n", 40, "--scale", 1, "-o", out).status
        == 0
    )
    rows = tiles(out)
    assert [len(row) for row in rows] == [20, 20]
    right = [label_of(tile) == label for label, row in enumerate(rows) for tile in row]
    assert np.mean(right) > 0.75  # chance is 0.5


def test_one_label_is_sampled_alone_and_labels_take_turns(cli, conditional, tmp_path):
    for label in (0, 1):
        out = tmp_path / f"{label}.png"
        assert (
            cli(
                "sample", "-r", conditional, "--label", label, "-n", 40, "--scale", 1, "-o", out
            ).status
            == 0
        )
        every = [tile for row in tiles(out) for tile in row][:40]
        assert np.mean([label_of(tile) == label for tile in every]) >= 0.7
    cli(
        "sample",
        "-r",
        conditional,
        "-n",
        40,
        "--columns",
        40,
        "--scale",
        1,
        "-o",
        tmp_path / "turn.png",
    )
    labels = [label_of(tile) for tile in tiles(tmp_path / "turn.png")[0]]
    assert np.mean([label == n % 2 for n, label in enumerate(labels)]) >= 0.7


def decoded_samples(run, labels, seed=0):
    """The pixels that a conditional model decodes for these labels, shape `(N, 8, 8)`."""
    model = vaecli.open(run).model()
    c = model.one_hot(torch.tensor(labels))
    with random_stream(torch.device("cpu"), seed, "samples"):
        x = model.decode(model.sample_latent(len(labels), c), c)
    return x.detach()[:, 0].mul(255).round().numpy()


@pytest.mark.parametrize(
    ("options", "labels", "columns"),
    [
        (["--label", "all", "-n", 5], [0, 0, 0, 1, 1, 1], 3),  # rounded up
        (["--label", "all", "-n", 1], [0, 1], 1),
        (["--label", "all", "-n", 24], [0] * 12 + [1] * 12, 12),  # a row may be long
        (["--label", "all", "-n", 4, "--columns", 4], [0, 0, 1, 1], 4),
        (["--label", 1, "-n", 11], [1] * 11, 4),
        (["-n", 7], [0, 1, 0, 1, 0, 1, 0], 7),
        (["-n", 11], [0, 1] * 5 + [0], 4),
        (["-n", 7, "--columns", 3, "--seed", 5], [0, 1, 0, 1, 0, 1, 0], 3),
    ],
)
def test_every_cell_has_the_sample_of_its_label(
    cli, conditional, tmp_path, options, labels, columns
):
    """The cells after the last one have the grey between the images."""
    out = tmp_path / "x.png"
    assert cli("sample", "-r", conditional, *options, "--scale", 1, "-o", out).status == 0
    rows = tiles(out)
    assert {len(row) for row in rows} == {columns}
    shown = [tile for row in rows for tile in row]
    assert len(rows) == -(-len(labels) // columns)
    seed = 5 if "--seed" in options else 0
    assert np.array_equal(shown[: len(labels)], decoded_samples(conditional, labels, seed))
    assert all((tile == 96).all() for tile in shown[len(labels) :])


def test_the_style_of_an_image_is_its_latent(cli, conditional, tmp_path):
    out = tmp_path / "style.png"
    done = cli(
        "sample",
        "-r",
        conditional,
        "--style-of",
        3,
        "--label",
        "all",
        "-n",
        2,
        "--scale",
        1,
        "-o",
        out,
    )
    assert done.status == 0
    model = vaecli.open(conditional).model()
    test = bars(40, seed=1)
    z = model.embed(test.pixels(slice(3, 4)), test.one_hot_labels(slice(3, 4)))
    x = model.decode(z.expand(2, -1), torch.eye(2))
    assert (picture(out) == grid(x, 1)).all()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--label", 2], "--label 2: choose all, or a class from 0 to 1."),
        (["--label", "x"], "--label x: choose all, or a class from 0 to 1."),
        (["--style-of", 40], "--style-of 40: there are 40 images, numbered from 0."),
        (["--style-of", 0, "--fit", "gaussian"], "--style-of 0 keeps the latent of an image"),
        (["--style-of", 0, "--fit", "gaussian"], "--fit gaussian samples new ones"),
    ],
)
def test_a_label_that_does_not_exist_is_refused_with_those_that_do(
    cli, conditional, tmp_path, options, reason
):
    done = cli("sample", "-r", conditional, *options, "-o", tmp_path / "x.png")
    assert (done.status, done.out) == (2, "")
    assert reason in done.err
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize("options", [["--label", 0], ["--style-of", 0]])
def test_a_model_without_labels_says_so(cli, trained, tmp_path, options):
    done = cli("sample", "-r", trained, *options, "-o", tmp_path / "x.png")
    assert done.status == 2
    assert "not conditional" in done.err


@pytest.mark.parametrize("fit", ["gaussian", "mixture:components=4"])
def test_the_seed_decides_samples_of_a_fitted_density(cli, run_dir, tmp_path, fit):
    pictures = []
    for name, seed in (("1.png", 0), ("2.png", 0), ("3.png", 1)):
        options = ("--fit", fit, "-n", 9, "--seed", seed, "-o", tmp_path / name)
        assert cli("sample", "-r", run_dir, *options).status == 0
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1] != pictures[2]


def test_a_fitted_gaussian_is_that_of_the_training_latents(cli, run_dir, tmp_path):
    """Its samples have the moments of the latents, which decide their pictures."""
    model = vaecli.open(run_dir).model()
    fitted = fit_to_latents(model, vaecli.open(run_dir).config, bars(96), "gaussian", 3)
    out = tmp_path / "x.png"
    cli("sample", "-r", run_dir, "--fit", "gaussian", "-n", 9, "--scale", 1, "--seed", 3, "-o", out)
    x = sample_prior(fitted, torch.zeros(9, dtype=torch.long), 3)
    assert (picture(out) == grid(x)).all()


@pytest.mark.parametrize(
    ("fit", "reason"),
    [
        ("nonsense", "Unknown fitted prior 'nonsense'."),
        ("mixture:components=50", "components=19 or fewer"),
        ("mixture:covariance=round", "'covariance'"),
    ],
)
def test_a_fit_that_cannot_be_made_is_refused(cli, run_dir, tmp_path, fit, reason):
    done = cli("sample", "-r", run_dir, "--fit", fit, "-o", tmp_path / "x.png")
    assert (done.status, done.out) == (2, "")
    assert reason in done.err
    assert len(done.err.splitlines()) == 1


def test_scale_repeats_pixels_and_dark_darkens_the_gaps(cli, run_dir, tmp_path):
    files = {}
    for options in ((), ("--scale", 1), ("--scale", 3), ("--scale", 1, "--dark")):
        files[options] = tmp_path / f"{len(files)}.png"
        done = cli("sample", "-r", run_dir, "-n", 4, *options, "-o", files[options])
        assert done.status == 0
    automatic, raw, larger, dark = map(picture, files.values())
    assert raw.shape == (8, 38)
    assert (larger == raw.repeat(3, 0).repeat(3, 1)).all()
    assert (automatic == raw.repeat(13, 0).repeat(13, 1)).all()
    assert (raw[:, 8:10] == 96).all()
    assert (dark[:, 8:10] == 56).all()
    assert (dark[:, :8] == raw[:, :8]).all()


@pytest.mark.parametrize("command", ["sample", "reconstruct"])
def test_a_picture_that_is_too_large_is_refused_with_its_bound(cli, run_dir, tmp_path, command):
    done = cli(command, "-r", run_dir, "--scale", 1000, "-o", tmp_path / "x.png")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("Error: --scale 1000: a grid of ")
    assert "more than the 100 million pixels that a picture may have: use --scale " in done.err
    assert not (tmp_path / "x.png").exists()

"""Labels on the command line: conditional models, few labels, binarized images."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import vaecli
from tests.commands.test_process import arguments
from tests.conftest import bars
from vaecli.data.images import Images
from vaecli.evaluation.latent_density import fitted
from vaecli.pictures import grids as images
from vaecli.system.errors import ConfigError


@pytest.fixture(scope="module")
def conditional(digits, tmp_path_factory):
    """A conditional run on bars: label 0 is a row, label 1 a column."""
    from tests.conftest import vaecli as run

    folder = tmp_path_factory.mktemp("conditional") / "run"
    options = ("-q", "--conditional", "--epochs", 60, "--lr", "0.01")
    assert run(*arguments(digits, folder, *options)) == 0
    return folder


def sheet(path):
    return np.asarray(Image.open(path)).astype(float)


def tiles(path, size=8):
    """The images of a grid, row by row, as a nested list."""
    whole, step = sheet(path), size + images.GAP
    return [
        [whole[top : top + size, left : left + size] for left in range(0, whole.shape[1], step)]
        for top in range(0, whole.shape[0], step)
    ]


def label_of(tile):
    """A row has one bright line across, a column one upright."""
    return int(tile.mean(0).max() > tile.mean(1).max())


def test_a_row_for_each_label_shows_that_label(cli, conditional, tmp_path):
    out = tmp_path / "all.png"
    assert cli("sample", "-r", conditional, "--label", "all", "-n", 40, "-o", out).status == 0
    rows = tiles(out)
    assert [len(row) for row in rows] == [20, 20]
    right = [label_of(tile) == label for label, row in enumerate(rows) for tile in row]
    assert np.mean(right) > 0.75  # chance is 0.5


def test_one_label_alone_and_labels_in_turn(cli, conditional, tmp_path):
    for label in (0, 1):
        out = tmp_path / f"{label}.png"
        assert cli("sample", "-r", conditional, "--label", label, "-n", 40, "-o", out).status == 0
        every = [tile for row in tiles(out) for tile in row][:40]
        assert np.mean([label_of(tile) == label for tile in every]) >= 0.7
    options = ("-n", 40, "--columns", 40, "-o", tmp_path / "turn.png")
    cli("sample", "-r", conditional, *options)
    labels = [label_of(tile) for tile in tiles(tmp_path / "turn.png")[0]]
    assert np.mean([label == n % 2 for n, label in enumerate(labels)]) >= 0.7


def test_the_style_of_an_image_is_its_latent(cli, conditional, tmp_path):
    out = tmp_path / "style.png"
    done = cli("sample", "-r", conditional, "--style-of", 3, "--label", "all", "-n", 2, "-o", out)
    assert done.status == 0
    run, test = vaecli.open(conditional), bars(40, seed=1).at(slice(3, 4))
    model = run.model()
    z = model.embed(test.pixels(slice(None)), test.context(slice(None)))
    x = model.decode(z.expand(2, -1), torch.eye(2))
    assert (sheet(out) == np.asarray(images.grid(x, 1)).astype(float)).all()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--label", 2], "--label 2: choose all or one of 0 to 1."),
        (["--label", "x"], "--label x: choose all or one of 0 to 1."),
        (["--style-of", 40], "--style-of 40: there are 40 test images, from 0 on."),
        (["--style-of", 0, "--fit", "gaussian"], "use one"),
    ],
)
def test_a_label_that_is_not_there_is_answered_with_those_that_are(
    cli, conditional, tmp_path, options, reason
):
    done = cli("sample", "-r", conditional, *options, "-o", tmp_path / "x.png")
    assert (done.status, done.out) == (2, "")
    assert reason in done.err


@pytest.mark.parametrize("options", [["--label", 0], ["--style-of", 0]])
def test_a_model_without_labels_says_so(cli, trained, tmp_path, options):
    done = cli("sample", "-r", trained, *options, "-o", tmp_path / "x.png")
    assert done.status == 2
    assert "not conditional" in done.err


def test_reconstructions_and_embeddings_are_told_the_label(cli, conditional, tmp_path):
    out = tmp_path / "e.npy"
    cli("embed", "-r", conditional, "-o", out)
    model, test = vaecli.open(conditional).model(), bars(40, seed=1)
    x, c = test.pixels(slice(None)), test.context(slice(None))
    np.testing.assert_allclose(np.load(out), model.embed(x, c).numpy(), atol=1e-5)
    cli("reconstruct", "-r", conditional, "-n", 4, "-o", tmp_path / "r.png")
    shown = np.asarray(images.grid(model.reconstruct(x[:4], c[:4]))).astype(float)
    assert (sheet(tmp_path / "r.png")[10:] == shown).all()


@pytest.mark.parametrize("fit", ["gaussian", "mixture"])
def test_samples_of_a_fitted_density_are_decided_by_the_seed(cli, run_dir, tmp_path, fit):
    first, second, other = tmp_path / "1.png", tmp_path / "2.png", tmp_path / "3.png"
    for out, seed in ((first, 0), (second, 0), (other, 1)):
        options = ("--fit", fit, "-n", 9, "--seed", seed, "-o", out)
        assert cli("sample", "-r", run_dir, *options).status == 0
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()


def test_a_fitted_density_has_the_moments_of_the_latents():
    torch.manual_seed(0)
    z = torch.randn(500, 3) @ torch.randn(3, 3) + torch.tensor([1.0, -2.0, 5.0])
    normal = fitted(z.numpy(), 1).component_distribution
    torch.testing.assert_close(normal.mean[0], z.mean(0))
    torch.testing.assert_close(normal.covariance_matrix[0], torch.cov(z.T), rtol=0.01, atol=0.01)
    flat = np.zeros((10, 2), dtype=np.float32)
    assert fitted(flat, 3).sample((5,)).isfinite().all()
    assert fitted(z[:, :1].numpy(), 2).event_shape == (1,)


def test_a_fitted_mixture_finds_the_clusters_that_the_latents_came_from():
    """They overlap and are not of one size: to halve them would fit worse."""
    torch.manual_seed(0)
    centers, spread = torch.tensor([[-1.75, 0.0], [1.75, 0.0]]), torch.tensor([1.0, 0.5])
    z = centers[(torch.rand(9000) < 0.15).long()] + spread * torch.randn(9000, 2)
    found = fitted(z.numpy(), 2)
    parts, order = found.component_distribution, found.component_distribution.mean[:, 0].argsort()
    torch.testing.assert_close(parts.mean[order], centers, atol=0.1, rtol=0)
    chances = found.mixture_distribution.probs[order]
    torch.testing.assert_close(chances, torch.tensor([0.85, 0.15]), atol=0.02, rtol=0)
    torch.testing.assert_close(parts.variance[order][0], spread.square(), atol=0.05, rtol=0)


def test_a_conditional_model_needs_its_label():
    config = vaecli.Config(conditional=True, latent_dim=2, network="mlp:width=4")
    model = vaecli.start(config, bars(8)).model
    with pytest.raises(ConfigError, match="it needs labels"):
        model.embed(bars(2).pixels(slice(None)))
    unlabelled = Images(bars(8).x, torch.zeros(0, dtype=torch.uint8))
    with pytest.raises(ConfigError, match="conditional=True needs images with labels"):
        vaecli.start(config, unlabelled)


def test_binarized_pixels_are_black_or_white_and_follow_their_brightness():
    grey = Images(torch.full((2000, 1, 2, 2), 64, dtype=torch.uint8), torch.zeros(2000))
    torch.manual_seed(0)
    dynamic = Images(grey.x, grey.labels, binarize="dynamic")
    first, second = dynamic.pixels(slice(None)), dynamic.pixels(slice(None))
    assert set(first.unique().tolist()) == {0.0, 1.0}
    assert first.mean().item() == pytest.approx(64 / 255, abs=0.02)
    assert not torch.equal(first, second)
    threshold = Images(torch.tensor([[[[127, 128]]]]).byte(), torch.zeros(1), binarize="threshold")
    assert threshold.pixels(slice(None)).tolist() == [[[[0.0, 1.0]]]]


def test_a_dynamic_run_repeats_itself_to_the_bit(cli, digits, tmp_path):
    runs = [tmp_path / name for name in "ab"]
    for run in runs:
        options = ("-q", "--epochs", 2, "--binarize", "dynamic")
        assert cli(*arguments(digits, run, *options)).status == 0
    for name in ("data.png", "reconstructions.png", "real-and-generated.png"):
        assert (runs[0] / name).read_bytes() == (runs[1] / name).read_bytes()
    pixels = np.unique(sheet(runs[0] / "data.png"))
    assert set(pixels) <= {0.0, float(images.GREY), 255.0}


def test_hidden_labels_are_balanced_drawn_by_the_seed_and_zeros_in_the_context():
    data = bars(200)
    few = data.hide(20, seed=3)
    assert torch.bincount(few.labels.long()).tolist() == [10, 10, 180]
    assert torch.equal(few.labels[few.labelled], data.labels[few.labelled])
    assert torch.equal(few.labelled, data.hide(20, seed=3).labelled)
    assert not torch.equal(few.labelled, data.hide(20, seed=4).labelled)
    c = few.context(slice(None))
    assert torch.equal(c.sum(1).nonzero().squeeze(1), few.labelled)
    assert torch.equal(c[few.labelled].argmax(1), few.labels[few.labelled].long())
    assert few.fingerprint() != data.fingerprint()
    for wrong in (21, 2000):
        with pytest.raises(ConfigError, match=f"--labels {wrong}: take a multiple of 2"):
            data.hide(wrong, seed=0)


def test_labels_are_for_objectives_that_learn_without_them(cli, digits, tmp_path):
    done = cli(*arguments(digits, tmp_path / "run", "--labels", 10))
    assert (done.status, done.out) == (2, "")
    assert "--labels 10 needs an objective for few labels" in done.err


def test_beta_is_written_into_the_objective(cli, digits, tmp_path):
    run = tmp_path / "run"
    cli(*arguments(digits, run, "-q", "--epochs", 1, "--beta", 4))
    assert "beta=4.0" in json.loads((run / "config.json").read_text())["objective"]
    assert cli("train", "-q", "--resume", run, "--epochs", 2, "--beta", 4).status == 0
    done = cli("train", "--resume", run, "--epochs", 3, "--beta", 5)
    assert done.status == 2
    assert "--objective elbo:beta=5" in done.err

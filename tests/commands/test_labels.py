"""Labels on the command line: conditional models, few labels, binarized images."""

import inspect
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

import vaecli
from tests.commands.test_process import arguments
from tests.conftest import bars
from vaecli.config.presets import resolve
from vaecli.data.images import Images
from vaecli.pictures import grids
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
    whole, step = sheet(path), size + grids.PADDING
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
    run, test = vaecli.open(conditional), bars(40, seed=1).subset(slice(3, 4))
    model = run.model()
    z = model.embed(test.pixels(slice(None)), test.one_hot_labels(slice(None)))
    x = model.decode(z.expand(2, -1), torch.eye(2))
    assert (sheet(out) == np.asarray(grids.grid(x, 1)).astype(float)).all()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--label", 2], "label=2: choose all, or a class from 0 to 1."),
        (["--label", "x"], "label=x: choose all, or a class from 0 to 1."),
        (["--style-of", 40], "style_of=40: there are 40 images, numbered from 0."),
        (["--style-of", 0, "--fit", "gaussian"], "use one"),
    ],
)
def test_a_label_that_does_not_exist_is_refused_with_those_that_do(
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
    x, c = test.pixels(slice(None)), test.one_hot_labels(slice(None))
    np.testing.assert_allclose(np.load(out), model.embed(x, c).numpy(), atol=1e-5)
    cli("reconstruct", "-r", conditional, "-n", 4, "-o", tmp_path / "r.png")
    shown = np.asarray(grids.grid(model.reconstruct(x[:4], c[:4]))).astype(float)
    assert (sheet(tmp_path / "r.png")[10:] == shown).all()


@pytest.mark.parametrize("fit", ["gaussian", "mixture"])
def test_samples_of_a_fitted_density_are_decided_by_the_seed(cli, run_dir, tmp_path, fit):
    first, second, other = tmp_path / "1.png", tmp_path / "2.png", tmp_path / "3.png"
    for out, seed in ((first, 0), (second, 0), (other, 1)):
        options = ("--fit", fit, "-n", 9, "--seed", seed, "-o", out)
        assert cli("sample", "-r", run_dir, *options).status == 0
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()


def test_a_conditional_model_needs_its_label():
    config = vaecli.Config(conditional=True, latent_dim=2, network="mlp:width=4")
    model = vaecli.start(config, bars(8)).model
    with pytest.raises(ConfigError, match="it needs labels"):
        model.embed(bars(2).pixels(slice(None)))
    unlabelled = Images(bars(8).x, torch.zeros(0, dtype=torch.uint8))
    with pytest.raises(ConfigError, match="--conditional needs images with labels"):
        vaecli.start(config, unlabelled)


def test_a_dynamic_run_repeats_itself_to_the_bit(cli, digits, tmp_path):
    runs = [tmp_path / name for name in "ab"]
    for run in runs:
        options = ("-q", "--epochs", 2, "--binarize", "dynamic")
        assert cli(*arguments(digits, run, *options)).status == 0
    for name in ("data.png", "reconstructions.png", "real-and-generated.png"):
        assert (runs[0] / name).read_bytes() == (runs[1] / name).read_bytes()
    pixels = np.unique(sheet(runs[0] / "data.png"))
    assert set(pixels) <= {0.0, float(grids.PADDING_GREY), 255.0}


def test_labels_are_for_objectives_that_learn_without_them(cli, digits, tmp_path):
    done = cli(*arguments(digits, tmp_path / "run", "--labels", 10))
    assert (done.status, done.out) == (2, "")
    assert "--labels needs an objective for few labels" in done.err


def test_beta_is_written_into_the_objective(cli, digits, tmp_path):
    assert resolve({"beta": 4.0}).objective == "elbo:beta=4.0"
    assert resolve({"beta": 4.0, "objective": "elbo:annealing_epochs=3,beta=2"}).objective == (
        "elbo:annealing_epochs=3,beta=4.0"
    )
    assert resolve({"preset": "beta-vae", "beta": 2.0}).objective == "elbo:beta=2.0"
    run = tmp_path / "run"
    cli(*arguments(digits, run, "-q", "--epochs", 1, "--beta", 4))
    assert "beta=4.0" in json.loads((run / "config.json").read_text())["objective"]
    assert cli("train", "-q", "--resume", run, "--epochs", 2, "--beta", 4).status == 0
    done = cli("train", "--resume", run, "--epochs", 3, "--beta", 5)
    assert done.status == 2
    assert "--objective elbo:beta=5" in done.err


def test_parts_lists_and_explains(cli):
    from vaecli.config.build import TABLES
    from vaecli.config.presets import PRESETS

    listed = cli("parts").out
    for name in [*PRESETS, *(name for table in TABLES.values() for name in table)]:
        assert f"\n  {name} " in listed, name
    shown = cli("parts", "mlp").out
    assert "network mlp" in shown
    assert "      width (int, 400): Units in a hidden layer." in shown.splitlines()
    assert "https://arxiv.org/abs/1312.6114" in cli("parts", "vae").out
    wrong = cli("parts", "gausian")
    assert wrong.status == 2
    assert "Did you mean 'gaussian'?" in wrong.err


def test_every_part_names_its_paper_or_is_a_layer():
    """What `vaecli parts NAME` prints comes from the class itself."""
    from vaecli.commands.parts import references, summary
    from vaecli.config.build import TABLES
    from vaecli.config.spec import schema

    for kind, table in TABLES.items():
        for name, part in table.items():
            assert summary(part).endswith("."), name
            for option in schema(part):
                assert re.search(rf"(?m)^    {option}: \S", inspect.getdoc(part)), (name, option)
            assert kind == "network" or references(part), name
            for cited in references(part):
                assert re.match(r"\S.*?\(.*? \d{4}\), .*?https://\S+", cited), cited


def test_every_preset_has_the_paper_that_one_of_its_parts_cites():
    from vaecli.commands.parts import paper
    from vaecli.config.presets import PRESETS

    for name, preset in PRESETS.items():
        title, url = paper(name)
        assert re.fullmatch(r"[\w-][^,]*? \(.*, \d{4}\)", title), title
        assert url.endswith(preset.paper)

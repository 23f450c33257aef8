"""The pictures that training saves in the run directory."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import vaecli
from tests.conftest import bars
from tests.pictures.conftest import legend_entries
from vaecli.data.images import Images
from vaecli.evaluation.decoding import reconstruct
from vaecli.pictures import grids
from vaecli.pictures.run_pictures import RunPictures
from vaecli.run import names
from vaecli.system import files
from vaecli.system.seeds import random_stream

TEST = bars(40, seed=1)
RESULTS = [names.SAMPLES, names.REAL_AND_GENERATED, names.RECONSTRUCTIONS, names.LOSS_PLOT]


@pytest.fixture
def run(run_dir):
    """A trained run without its pictures."""
    for path in run_dir.rglob("*.png"):
        path.unlink()
    return vaecli.open(run_dir)


def picture(run, name):
    return np.asarray(Image.open(run.folder / name))


def reduced(sheet, height, width):
    """The right lower part of an enlarged picture, with one pixel for each of the raw picture.

    Args:
        sheet: The picture, with a margin on the left or above.
        height: Pixels of the raw picture, without margins.
        width: Likewise.
    """
    factor = -(-480 // max(height, width))
    part = sheet[-height * factor :, -width * factor :]
    raw = part[::factor, ::factor]
    assert (part == raw.repeat(factor, 0).repeat(factor, 1)).all()
    return raw


def raw_grid(run, name, rows, columns):
    """The raw pixels of a grid of images of 8 x 8 pixels."""
    return reduced(picture(run, name), rows * 10 - 2, columns * 10 - 2)


def real_and_generated(run):
    """The raw pixels of both grids."""
    sheet = picture(run, names.REAL_AND_GENERATED)
    width = 7 * (4 * 10 - 2)
    return reduced(sheet[:, :width], 78, 38), reduced(sheet[:, -width:], 78, 38)


def cells(sheet, columns, size=8):
    """The images of a grid, row by row, shape `(N, size, size)` or `(N, size, size, 3)`."""
    step = size + 2
    places = [
        (row * step, column * step)
        for row in range(-(-sheet.shape[0] // step))
        for column in range(columns)
    ]
    return np.stack([sheet[top : top + size, left : left + size] for top, left in places])


def test_the_first_training_images_are_saved(run):
    """In their order, and not reversed: black is 0."""
    train = bars(96)
    assert RunPictures(run, run.model(), 0).draw_data(train) == []
    assert [path.name for path in run.folder.glob("*.png")] == [names.DATA_PICTURE]
    assert (cells(raw_grid(run, names.DATA_PICTURE, 8, 8), 8) == train.x[:64, 0].numpy()).all()


def test_fewer_training_images_than_a_picture_has_are_all_shown(run):
    few = bars(9)
    assert RunPictures(run, run.model(), 0).draw_data(few) == []
    assert (cells(raw_grid(run, names.DATA_PICTURE, 1, 9), 9) == few.x[:, 0].numpy()).all()


def test_pixels_drawn_at_random_are_the_same_in_every_picture(run, figures):
    """Those of data.png and of the real images, whatever was drawn before."""
    images = replace(TEST, x=TEST.x // 2, binarize="dynamic")
    pictures = RunPictures(run, run.model(), 0)
    shown = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        pictures.draw_data(images)
        pictures.draw_results(images)
        data = cells(raw_grid(run, names.DATA_PICTURE, 6, 7), 7)[:40]
        real = cells(real_and_generated(run)[0], 4)
        shown.append((data, real))
    for once, again in zip(*shown, strict=True):
        assert (once == again).all()
        assert set(np.unique(once).tolist()) == {0, 255}


def test_pictures_leave_the_random_state_and_the_mode_as_they_are(run):
    model = run.model().train()
    pictures = RunPictures(run, model, 0)
    before = torch.get_rng_state()
    warnings = [*pictures.draw_data(TEST), *pictures.draw_epoch(1), *pictures.draw_results(TEST)]
    assert warnings == []
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training


def test_every_epoch_shows_the_same_latents(run):
    model = run.model()
    pictures = RunPictures(run, model.train(), seed=7)
    assert pictures.draw_epoch(3) == pictures.draw_epoch(12) == []
    assert model.training
    with random_stream(torch.device("cpu"), 7, "samples"):
        wanted = np.asarray(grids.grid(model.eval().sample(64)))
    for number in (3, 12):
        assert (raw_grid(run, f"samples/epoch-{number:04d}.png", 8, 8) == wanted).all()


def test_the_results_are_samples_reconstructions_and_losses(run):
    model = run.model()
    assert RunPictures(run, model, 0).draw_results(TEST) == []
    assert {path.name for path in run.folder.glob("*.png")} == set(RESULTS)
    wanted = grids.reconstruction_grid(*reconstruct(model, TEST.first(8)))
    assert (picture(run, names.RECONSTRUCTIONS) == np.asarray(wanted)).all()
    with random_stream(torch.device("cpu"), 0, "samples"):
        generated = model.eval().sample(32)
    pair = {"real": TEST.first(32).pixels(slice(None)), "generated": generated}
    wanted = grids.side_by_side({name: grids.grid(x, 4) for name, x in pair.items()})
    assert (picture(run, names.REAL_AND_GENERATED) == np.asarray(wanted)).all()


def test_the_real_images_are_the_test_images_on_the_left_and_the_samples_on_the_right(run, figures):
    """Both by their own pixels, under the caption that says so."""
    model = run.model()
    RunPictures(run, model, seed=5).draw_results(TEST)
    real, generated = real_and_generated(run)
    assert (cells(real, 4) == TEST.x[:32, 0].numpy()).all()
    with random_stream(torch.device("cpu"), 5, "samples"):
        x = model.eval().sample(32)
    assert (cells(generated, 4) == x[:, 0].mul(255).round().numpy()).all()
    blank = grids.grid(torch.zeros(32, 1, 8, 8), 4)
    captions = np.asarray(grids.side_by_side({"real": blank, "generated": blank}))[:20]
    assert (picture(run, names.REAL_AND_GENERATED)[:20] == captions).all()


def test_reconstructions_are_of_the_first_test_images_above_their_own(run, figures):
    model = run.model()
    RunPictures(run, model, 0).draw_results(TEST)
    above, below = np.split(cells(raw_grid(run, names.RECONSTRUCTIONS, 2, 8), 8), 2)
    assert (above == TEST.x[:8, 0].numpy()).all()
    x = model.reconstruct(TEST.pixels(slice(8)))
    assert (below == x.detach()[:, 0].mul(255).round().numpy()).all()


def test_the_loss_plot_shows_the_losses_of_the_run_under_its_folder(run, figures):
    RunPictures(run, run.model(), 0).draw_results(TEST)
    (figure,) = figures
    entries = legend_entries(figure)
    assert list(entries) == ["train", "test", str(run.folder)]
    losses = run.losses()
    for panel in figure.axes:
        shown = {line.get_linestyle(): list(line.get_ydata()) for line in panel.lines}
        term = panel.get_title()
        assert shown == {"--": losses[f"train_{term}"], "-": losses[f"test_{term}"]}


def test_the_samples_of_a_conditional_model_cycle_through_its_classes(run):
    config = vaecli.Config(conditional=True, latent_dim=3, network="mlp:width=16,depth=1")
    model = vaecli.start(config, bars(96)).model
    RunPictures(run, model, 0).draw_epoch(1)
    labels = torch.arange(64) % 2
    with random_stream(torch.device("cpu"), 0, "samples"):
        c = model.eval().one_hot(labels)
        x = model.decode(model.sample_latent(64, c), c).detach()
    wanted = x[:, 0].mul(255).round().numpy()
    assert (cells(raw_grid(run, names.EPOCH_SAMPLES.format(1), 8, 8), 8) == wanted).all()


def test_images_of_three_channels_get_pictures_in_colour(run, figures):
    random = np.random.default_rng(0)
    x = torch.from_numpy(random.integers(0, 256, (40, 3, 8, 8), dtype=np.uint8))
    images = Images(x, torch.zeros(40, dtype=torch.uint8))
    config = vaecli.Config(latent_dim=3, network="mlp:width=16,depth=1")
    pictures = RunPictures(run, vaecli.start(config, images).model, 0)
    assert [*pictures.draw_data(images), *pictures.draw_results(images)] == []
    colors = x.permute(0, 2, 3, 1).numpy()
    assert (cells(raw_grid(run, names.DATA_PICTURE, 6, 7), 7)[:40] == colors).all()
    assert (cells(raw_grid(run, names.RECONSTRUCTIONS, 2, 8), 8)[:8] == colors[:8]).all()
    assert (cells(real_and_generated(run)[0], 4) == colors[:32]).all()
    assert picture(run, names.SAMPLES).shape == (7 * 78, 7 * 78, 3)


def test_a_picture_that_cannot_be_saved_is_returned_as_a_warning(run, monkeypatch):
    """The others are saved, whatever the error is."""
    write = files.write_atomic

    def fail_for_samples(path, content):
        if path.name == names.SAMPLES:
            raise OSError("No space left on device")
        if path.name == names.RECONSTRUCTIONS:
            raise RuntimeError("The picture is too large.")
        write(path, content)

    monkeypatch.setattr(files, "write_atomic", fail_for_samples)
    warnings = RunPictures(run, run.model(), 0).draw_results(TEST)
    assert warnings == [
        "Could not save samples.png: No space left on device.",
        "Could not save reconstructions.png: The picture is too large.",
    ]
    saved = {path.name for path in run.folder.glob("*.png")}
    assert saved == {*RESULTS} - {names.SAMPLES, names.RECONSTRUCTIONS}

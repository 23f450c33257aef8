"""The pictures that training saves in the run directory."""

import numpy as np
import pytest
import torch
from PIL import Image

import vaecli
from tests.conftest import bars
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


def test_the_first_training_images_are_saved(run):
    assert RunPictures(run, run.model(), 0).draw_data(bars(96)) == []
    wanted = grids.grid(bars(96).first(64).pixels(slice(None)))
    assert [path.name for path in run.folder.glob("*.png")] == [names.DATA_PICTURE]
    assert (picture(run, names.DATA_PICTURE) == np.asarray(wanted)).all()


def test_every_epoch_shows_the_same_latents(run):
    model = run.model()
    pictures = RunPictures(run, model.train(), seed=7)
    assert pictures.draw_epoch(3) == pictures.draw_epoch(12) == []
    assert model.training
    with random_stream(torch.device("cpu"), 7, "samples"):
        wanted = np.asarray(grids.grid(model.eval().sample(64)))
    for number in (3, 12):
        assert (picture(run, f"samples/epoch-{number:04d}.png") == wanted).all()


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

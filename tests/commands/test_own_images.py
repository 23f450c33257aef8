"""`vaecli train --data PATH` and the commands that read such a run."""

import csv
import json
import os
import signal

import pytest
from PIL import Image

from tests import runs
from vaecli.experiments.stopping import StopRequest

MODEL = ("--network", "mlp:width=8,depth=1", "--latent-dim", "2", "--batch-size", "8")


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """The folder "my photos" in the current folder, with two classes of colour images."""
    monkeypatch.chdir(tmp_path)
    for label, count in (("cat", 20), ("dog", 10)):
        os.makedirs(f"my photos/{label}")
        for number in range(count):
            colour = (number, 90 * (label == "dog"), 200)
            Image.new("RGB", (12, 10), colour).save(f"my photos/{label}/{number}.png")
    return tmp_path / "my photos"


def test_one_word_trains_on_a_folder_and_every_command_reads_the_run(photos, cli):
    found = cli("train", "--data", "my photos", "--epochs", 1, *MODEL)
    assert found.status == 0
    assert found.out == "runs/my-photos-vae-1\n"
    config = json.loads((photos.parent / "runs/my-photos-vae-1/config.json").read_text())
    assert config["data"] == str(photos)
    assert (config["image_size"], config["channels"]) == ("12x10", "3")
    assert runs.record(photos.parent / "runs/my-photos-vae-1")["derived"] == [
        "image_size",
        "channels",
    ]
    for command in ("sample -n 4", "reconstruct", "embed", "evaluate", "embed --plot map.png"):
        assert cli(*command.split()).status == 0
    assert cli("embed", "-o", "latents.csv").status == 0
    with open("latents.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 3


def test_commands_prepare_images_as_training_did(photos, cli):
    assert cli("train", "-q", "--data", "my photos", "--epochs", 1, *MODEL).status == 0
    Image.new("RGB", (99, 99)).save(photos / "cat" / "large.png")
    assert cli("reconstruct").status == 0
    found = cli("train", "--resume", "runs/my-photos-vae-1", "--epochs", 2)
    assert found.status == 2
    assert "The data differ from those" in found.err


def test_a_command_says_that_the_images_of_its_split_have_changed(photos, cli):
    assert cli("train", "-q", "--data", "my photos", "--epochs", 1, *MODEL).status == 0
    assert "Warning" not in cli("evaluate").err
    for split in ("train", "test"):
        for image in (photos / "cat").iterdir():
            Image.new("RGB", (12, 10), (1, 2, 3)).save(image)
        found = cli("evaluate", "--split", split)
        assert f"Warning: {photos} has changed since" in found.err
        assert f"these {split} images are others" in found.err
    assert "has changed" not in cli("evaluate", "--input", "my photos").err
    assert (
        cli("train", "-q", "--data", "my photos", "--test-images", 1, "--epochs", 1, *MODEL).status
        == 0
    )
    said = cli("evaluate").err
    assert "the first 1 of 3 test images" in said
    assert "MNIST" not in said


def test_a_signal_during_the_decoding_ends_it(photos, cli, monkeypatch):
    def note_a_signal(self):
        self.signal = signal.SIGTERM
        return self

    monkeypatch.setattr(StopRequest, "__enter__", note_a_signal)
    found = cli("train", "--data", "my photos", "--epochs", 1, *MODEL)
    assert found.status == 143
    assert found.err == "Stopped by SIGTERM. Training had not begun.\n"
    assert not (photos.parent / "runs").exists()


def test_a_run_goes_on_where_its_folder_moved(photos, cli):
    assert cli("train", "-q", "--data", "my photos", "--epochs", 1, *MODEL).status == 0
    run = "runs/my-photos-vae-1"
    photos.rename(photos.parent / "moved")
    assert cli("train", "-q", "--resume", run, "--epochs", 2).status == 3
    assert cli("train", "-q", "--resume", run, "--epochs", 2, "--data", "moved").status == 0
    assert cli("reconstruct").status == 0
    (photos.parent / "moved" / "dog").rename(photos.parent / "moved" / "wolf")
    changed = cli("train", "-q", "--resume", run, "--epochs", 3, "--data", "moved")
    assert (changed.status, "The data differ" in changed.err) == (2, True)


def test_auto_resumes_a_run_whose_size_was_found(photos, cli):
    options = ("--data", "my photos", "--epochs", 9, *MODEL)
    assert cli("train", "-q", *options).status == 0
    runs.set_record(photos.parent / "runs/my-photos-vae-1", status="interrupted")
    assert cli("train", "--resume", "auto", *options).out == "runs/my-photos-vae-1\n"
    chosen = cli("train", "-q", "--resume", "auto", *options, "--image-size", "12")
    assert chosen.out == "runs/my-photos-vae-2\n"


@pytest.mark.parametrize("first", ["12x012", "12"])
def test_auto_finds_a_run_by_any_text_of_its_size(photos, cli, first):
    options = ("--data", "my photos", "--epochs", 9, *MODEL)
    assert cli("train", "-q", *options, "--image-size", first).status == 0
    runs.set_record(photos.parent / "runs/my-photos-vae-1", status="interrupted")
    for size in ("12x12", "12"):
        found = cli("train", "-q", "--resume", "auto", *options, "--image-size", size)
        assert found.out == "runs/my-photos-vae-1\n"
        runs.set_record(photos.parent / "runs/my-photos-vae-1", status="interrupted")
    found = cli("train", "-q", "--resume", "auto", *options)
    assert found.out == "runs/my-photos-vae-2\n"  # 12 was chosen: it does not follow from them


def test_runs_among_the_images_are_not_read_as_images(photos, cli, monkeypatch):
    """The pictures of the first run would be training images of the second."""
    monkeypatch.chdir(photos)
    options = ("--epochs", 2, *MODEL)
    assert cli("train", "-q", "--data", ".", *options).out == "runs/my-photos-vae-1\n"
    assert list(photos.glob("runs/*/samples/*.png"))
    assert cli("reconstruct").status == 0
    assert cli("train", "-q", "--resume", "runs/my-photos-vae-1", "--epochs", 3).status == 0
    assert cli("train", "-q", "--data", ".", *options).status == 0
    first, second = (runs.record(photos / f"runs/my-photos-vae-{n}")["data"] for n in (1, 2))
    assert first == second


@pytest.mark.parametrize("path", ["my photos/", "./my photos", "./dogs/../my photos", "link"])
def test_a_path_may_be_written_in_several_ways(photos, cli, path):
    """A run of one of them is found by the others, but for a link: it may lead elsewhere later."""
    os.symlink("my photos", "link")
    os.mkdir("dogs")
    options = ("--epochs", 9, *MODEL)
    assert cli("train", "-q", "--data", path, *options).status == 0
    name = "link" if path == "link" else "my-photos"
    run = photos.parent / f"runs/{name}-vae-1"
    runs.set_record(run, status="interrupted")
    again = path if path == "link" else str(photos)
    found = cli("train", "-q", "--resume", "auto", "--data", again, *options)
    assert found.out == f"runs/{name}-vae-1\n"


def test_the_environment_and_the_configuration_of_a_run_name_the_folder(photos, cli, monkeypatch):
    monkeypatch.setenv("VAECLI_DATA", "my photos")
    assert cli("train", "-q", "--epochs", 1, *MODEL).out == "runs/my-photos-vae-1\n"
    monkeypatch.delenv("VAECLI_DATA")
    monkeypatch.chdir(photos / "cat")
    file = photos.parent / "runs/my-photos-vae-1/config.json"
    assert cli("train", "-q", "--config", file).out == "runs/my-photos-vae-1\n"
    again = photos / "cat/runs/my-photos-vae-1"
    assert json.loads((again / "config.json").read_text()) == json.loads(file.read_text())
    assert runs.record(again)["data"] == runs.record(file.parent)["data"]


def test_a_folder_that_moved_is_named(photos, cli):
    assert cli("train", "-q", "--data", "my photos", "--epochs", 1, *MODEL).status == 0
    photos.rename(photos.parent / "moved")
    for command in ("reconstruct", "train --resume runs/my-photos-vae-1 --epochs 2"):
        found = cli(*command.split())
        assert (found.status, f"{photos} does not exist" in found.err) == (3, True)
    assert cli("sample").status == 0
    (photos.parent / "my photos").symlink_to("moved")
    assert cli("train", "-q", "--resume", "runs/my-photos-vae-1", "--epochs", 2).status == 0


def test_a_validation_folder_ends_the_training(photos, cli):
    for split in ("train", "valid", "test"):
        for label in ("cat", "dog"):
            os.makedirs(f"split/{split}/{label}")
            for number in range(4):
                source = photos / label / f"{number}.png"
                (photos.parent / f"split/{split}/{label}/{number}.png").write_bytes(
                    source.read_bytes()
                )
    found = cli("train", "-q", "--data", "split", "--epochs", 40, "--patience", 1, *MODEL)
    assert found.status == 0
    config = json.loads((photos.parent / "runs/split-vae-1/config.json").read_text())
    assert (config["validation"], config["patience"]) == (8, 1)
    done = cli("evaluate", "--split", "validation")
    assert json.loads(done.out)["images"] == 8


def test_a_folder_comes_before_the_data_set_of_its_name(photos, cli):
    photos.rename(photos.parent / "mnist")
    found = cli("train", "-q", "--data", "mnist", "--epochs", 1, *MODEL)
    assert found.out == "runs/mnist-vae-1\n"
    config = json.loads((photos.parent / "runs/mnist-vae-1/config.json").read_text())
    assert config["data"] == str(photos.parent / "mnist")


def test_images_that_were_left_out_are_recorded(photos, cli):
    (photos / "dog" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    found = cli("train", "-q", "--data", "my photos", "--epochs", 1, *MODEL)
    assert found.status == 3
    assert "dog/broken.png" in found.err
    assert not (photos.parent / "runs").exists()
    found = cli("train", "-q", "--data", "my photos", "--skip-bad", "--epochs", 1, *MODEL)
    assert found.status == 0
    assert "1 image is left out; run.json names it." in found.err
    (bad,) = runs.record(photos.parent / "runs/my-photos-vae-1")["bad_images"]
    assert "dog/broken.png" in bad


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--data", "no such"), 2, "Unknown data set 'no such'. Choose from: mnist, "),
        (("--data", "no such"), 2, "A file or folder is named with a slash, as in ./photos."),
        (("--data", "/" + "a" * 300), 3, "File name too long"),
        (("--data", "my photos", "--patience", 3), 2, "--patience 3 needs a validation set"),
        (("--data", "./no such"), 3, "no such does not exist"),
        (("--data", "my photos", "--image-size", "0"), 2, "--image-size 0: must be from 1"),
        (("--data", "my photos", "--image-size", "big"), 2, "--image-size big: write 64"),
        (("--data", "my photos", "--test-fraction", "1"), 2, "--test-fraction 1.0"),
        (("--data", "photos.zip"), 3, "There is no file photos.zip: choose a folder"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(photos, cli, options, status, message):
    found = cli("train", "-q", *options, "--epochs", 1, *MODEL)
    assert found.status == status
    assert message in found.err
    assert not (photos.parent / "runs").exists()


def test_every_command_reads_images_from_the_cache(photos, cli, monkeypatch):
    monkeypatch.setenv("VAECLI_CACHE", str(photos.parent / "cache"))
    monkeypatch.setattr("vaecli.data.cache.MIN_SIZE", 0)
    options = ("--binarize", "dynamic", "--network", "mlp:width=8,depth=1,output_bias=data")
    found = cli("train", "--data", "my photos", "--epochs", 2, *MODEL, *options)
    assert found.status == 0, found.err
    assert len(list((photos.parent / "cache").glob("*/pixels.bin"))) == 2  # training, test
    for command in (
        "sample -n 4",
        "reconstruct",
        "embed",
        "embed --split train",
        "evaluate",
        "evaluate --split train --count 7",
        "classify --labels 2",
        "train --resume runs/my-photos-vae-1 --epochs 3",
        "refit --prior mixture:components=1",
    ):
        found = cli(*command.split())
        assert found.status == 0, (command, found.err)

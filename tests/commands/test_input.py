"""`--input` of reconstruct, embed and evaluate: images from elsewhere."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vaecli
from tests.commands.pictures import grid, picture
from tests.conftest import bars
from tests.conftest import vaecli as run_command
from tests.runs import contents

MODEL = ("--network", "mlp:width=8,depth=1", "--latent-dim", "2", "--batch-size", "8")


def write_images(folder: Path, count: int, offset: int = 0, size=(12, 10)) -> list[Path]:
    """Colour images that all differ."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.new("RGB", size, (5 * number, offset, 200)).save(path)
    return paths


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos") / "photos"
    write_images(folder / "cat", 20)
    write_images(folder / "dog", 20, 90)
    return folder


@pytest.fixture(scope="module")
def plain(photos) -> Path:
    """A run on the photos; do not write to it."""
    run = photos.parent / "plain"
    assert run_command("train", "-q", "--data", photos, "-r", run, "--epochs", 1, *MODEL) == 0
    return run


@pytest.fixture(scope="module")
def conditional(photos) -> Path:
    """A conditional run on the photos; do not write to it."""
    run = photos.parent / "conditional"
    options = ("--epochs", 1, "--conditional", *MODEL)
    assert run_command("train", "-q", "--data", photos, "-r", run, *options) == 0
    return run


def embedded(cli, run, *words):
    """The rows of a table of embeddings."""
    path = run.parent / "table.csv"
    done = cli("embed", "-r", run, "-o", path, *words)
    assert done.status == 0, done.err
    with path.open(newline="") as file:
        return list(csv.DictReader(file)), done.err


@pytest.fixture
def stdin(monkeypatch):
    """Sets what a command reads on stdin."""

    def send(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return send


def test_the_rows_are_the_images_in_the_order_given_with_their_names(cli, plain, tmp_path):
    first, second, third = write_images(tmp_path, 3)
    words = ("--input", third, "--input", first, "--input", second)
    rows, err = embedded(cli, plain, *words)
    assert [row["name"] for row in rows] == [str(third), str(first), str(second)]
    assert list(rows[0]) == ["index", "name", "label", "class", "z1", "z2"]
    assert {row["label"] + row["class"] for row in rows} == {""}
    assert err == "Read 3 images as 12x10 pixels in colour.\n"
    one, _ = embedded(cli, plain, "--input", first)
    assert [one[0][z] for z in ("z1", "z2")] == pytest.approx([rows[1]["z1"], rows[1]["z2"]])


def test_inputs_are_prepared_as_in_training(cli, plain, photos):
    """The test images, read from elsewhere, have the latents that they have as a split."""
    run = vaecli.open(plain)
    whole, _ = embedded(cli, plain, "--split", "test")
    rows, _ = embedded(cli, plain, "--input", photos)
    assert len(rows) == 40
    assert [row["class"] for row in rows] == ["cat"] * 20 + ["dog"] * 20
    assert [row["label"] for row in rows] == ["0"] * 20 + ["1"] * 20
    every = {tuple(round(float(row[z]), 4) for z in ("z1", "z2")) for row in rows}
    assert {tuple(round(float(row[z]), 4) for z in ("z1", "z2")) for row in whole} <= every
    assert run.class_names == ("cat", "dog")


def test_reconstructions_show_the_inputs_above(cli, plain, tmp_path):
    """Other sizes are resized, and grey is made colour."""
    path = tmp_path / "grey.png"
    Image.new("L", (12, 10), 77).save(path)
    target = tmp_path / "r.png"
    words = ("--input", path, "--scale", 1, "-o", target)
    assert cli("reconstruct", "-r", plain, *words).status == 0
    sheet = np.asarray(Image.open(target))
    assert (sheet[:10] == 77).all()
    assert sheet.shape == (22, 12, 3)
    folder = tmp_path / "many"
    write_images(folder, 9, size=(50, 30))
    assert cli("reconstruct", "-r", plain, "--input", folder, "-o", target).status == 0
    assert cli("reconstruct", "-r", plain, "--input", folder, "-n", 9, "-o", target).status == 0
    done = cli("reconstruct", "-r", plain, "--input", folder, "-n", 10, "-o", target)
    assert (done.status, "--count 10: there are only 9 images" in done.err) == (2, True)


def test_evaluate_names_the_input_in_place_of_the_split(cli, plain, photos):
    done = cli("evaluate", "-r", plain, "--input", photos / "cat", "--input", photos / "dog")
    found = json.loads(done.out)
    assert list(found)[:4] == ["input", "images", "of", "seed"]
    assert found["input"] == [str(photos / "cat"), str(photos / "dog")]
    assert (found["images"], found["of"]) == (40, 40)
    done = cli("evaluate", "-r", plain, "--input", photos, "-n", 5)
    assert (json.loads(done.out)["images"], json.loads(done.out)["of"]) == (5, 40)
    assert "These are 5 of 40 input images, chosen at random by the seed" in done.err


def test_a_model_of_mnist_reads_files_too(cli, trained, tmp_path):
    """In grey and 8x8 pixels, like its images; a photograph in colour is converted."""
    x = bars(4, seed=9)
    for number, image in enumerate(x.x):
        Image.fromarray(image[0].numpy()).convert("RGB").save(tmp_path / f"{number}.png")
    target = tmp_path / "out" / "r.png"
    target.parent.mkdir()
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    words = [word for path in paths for word in ("--input", path)]
    done = cli("reconstruct", "-r", trained, *words, "--scale", 1, "-o", target)
    assert done.err == "Read 4 images as 8x8 pixels in grey.\n"
    assert (picture(target)[:8] == grid(x.pixels(slice(None)))).all()


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\0"])
def test_a_list_of_paths_is_read_from_stdin(cli, plain, tmp_path, stdin, end):
    paths = write_images(tmp_path / "two words", 3)
    stdin(b"".join(os.fsencode(path) + end for path in reversed(paths)))
    rows, _ = embedded(cli, plain, "--input", "-")
    assert [row["name"] for row in rows] == [str(path) for path in reversed(paths)]


def test_a_name_with_a_line_break_is_read_from_a_list_with_nul(cli, plain, tmp_path, stdin):
    (path,) = write_images(tmp_path / "a\nb", 1)
    stdin(os.fsencode(path) + b"\0")
    rows, _ = embedded(cli, plain, "--input", "-")
    assert len(rows) == 1


def test_a_name_that_is_no_text_is_written(cli, plain, tmp_path, stdin):
    path = os.fsencode(tmp_path) + b"/\xff.png"
    (image,) = write_images(tmp_path, 1)
    os.rename(os.fsencode(image), path)
    stdin(path)
    rows, _ = embedded(cli, plain, "--input", "-")
    assert rows[0]["name"].endswith("xff.png")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\0"])
def test_an_empty_list_is_refused(cli, plain, stdin, content):
    stdin(content)
    done = cli("evaluate", "-r", plain, "--input", "-")
    assert done.status == 2
    assert "--input - reads paths from stdin, one a line, and there are none." in done.err


def test_a_closed_stdin_is_refused(cli, plain, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert cli("evaluate", "-r", plain, "--input", "-").status == 2


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--split", "test"), "--input reads images from elsewhere, and --split test those of"),
        (("--input", ""), "--input has an empty path"),
        (("--input", "-", "--input", "-"), "--input - is given twice"),
    ],
)
def test_options_that_contradict_are_refused(cli, plain, photos, words, reason):
    for command in ("reconstruct", "embed", "evaluate"):
        done = cli(command, "-r", plain, "--input", photos, *words)
        assert (done.status, done.out) == (2, "")
        assert reason in done.err


def test_what_needs_an_input_says_so(cli, plain, photos):
    done = cli("embed", "-r", plain, "--skip-bad")
    assert (done.status, "add --input PATH" in done.err) == (2, True)
    done = cli("evaluate", "-r", plain, "--metrics", "samples", "--input", photos)
    assert (done.status, "--input is for the bound" in done.err) == (2, True)


def test_a_bad_image_ends_the_command_unless_it_is_skipped(cli, plain, tmp_path):
    good, bad, other = write_images(tmp_path, 3)
    bad.write_bytes(good.read_bytes()[:40])
    words = ("--input", good, "--input", bad, "--input", other)
    done = cli("embed", "-r", plain, *words, "-o", tmp_path / "table.csv")
    assert (done.status, done.out) == (3, "")
    assert str(bad) in done.err
    rows, err = embedded(cli, plain, *words, "--skip-bad")
    assert [row["name"] for row in rows] == [str(good), str(other)]
    assert [row["index"] for row in rows] == ["0", "1"]
    assert "Warning: left out. " in err
    assert str(bad) in err


@pytest.mark.parametrize("make", ["missing", "empty", "text"])
def test_what_is_no_image_is_status_3_and_named(cli, plain, tmp_path, make):
    path = tmp_path / "x.png"
    if make == "empty":
        path = tmp_path / "folder"
        path.mkdir()
    elif make == "text":
        path = tmp_path / "notes.txt"
        path.write_text("hello")
    for words in ((), ("--skip-bad",)):
        done = cli("reconstruct", "-r", plain, "--input", path, *words)
        assert (done.status, done.out) == (3, "")
        assert str(path) in done.err


def test_labels_of_a_conditional_model_are_matched_by_name(cli, conditional, photos, tmp_path):
    """Also if the folder lacks a class, or has them in another order."""
    folder = tmp_path / "new"
    write_images(folder / "dog", 2, 90)
    rows, _ = embedded(cli, conditional, "--input", folder)
    assert [(row["label"], row["class"]) for row in rows] == [("1", "dog")] * 2
    whole, _ = embedded(cli, conditional, "--input", photos)
    dog = next(row for row in whole if row["name"].endswith("dog/0.png"))
    assert float(dog["z1"]) == pytest.approx(float(rows[0]["z1"]), abs=1e-5)


def test_an_image_alone_has_the_class_of_its_folder(cli, conditional, plain, photos):
    for run in (conditional, plain):
        rows, _ = embedded(cli, run, "--input", photos / "dog" / "0.png")
        assert [(row["label"], row["class"]) for row in rows] == [("1", "dog")]


def test_an_image_of_the_current_folder_has_the_class_of_its_folder(
    cli, conditional, photos, monkeypatch
):
    monkeypatch.chdir(photos / "dog")
    for path in ("0.png", ".", "../dog/0.png"):
        rows, _ = embedded(cli, conditional, "--input", path)
        assert {row["class"] for row in rows} == {"dog"}


def test_a_conditional_model_needs_classes_that_it_knows(cli, conditional, tmp_path):
    (image,) = write_images(tmp_path / "holiday", 1)
    for command in ("reconstruct", "embed", "evaluate"):
        done = cli(command, "-r", conditional, "--input", image)
        assert done.status == 3
        assert (
            "has no class, and a conditional model needs it: put the images into folders with the "
            "names of the classes, cat, dog, and name the folder above them." in done.err
        )
    folder = tmp_path / "new"
    write_images(folder / "bird", 1)
    write_images(folder / "cat", 1)
    done = cli("evaluate", "-r", conditional, "--input", folder)
    assert done.status == 3
    assert "is of the class 'bird', which the model does not know" in done.err


def test_other_classes_are_no_label_for_a_model_that_reads_none(cli, plain, tmp_path, figures):
    folder = tmp_path / "new"
    write_images(folder / "bird", 2)
    write_images(folder / "cat", 2, 50)
    rows, err = embedded(cli, plain, "--input", folder)
    assert [row["class"] for row in rows] == ["", "", "cat", "cat"]
    assert [row["label"] for row in rows] == ["", "", "0", "0"]
    assert "The model does not know the class bird: these images have no label." in err
    with np.load(io.BytesIO(to_stdout(cli, plain, folder, tmp_path))) as found:
        assert found["label"].tolist() == [-1, -1, 0, 0]
        assert [name.rpartition("/")[2] for name in found["name"]] == ["0.png", "1.png"] * 2
    assert cli("embed", "-r", plain, "--input", folder, "--plot", tmp_path / "a.png").status == 0
    (legend,) = figures[0].legends[:1]
    assert [text.get_text() for text in legend.get_texts()] == ["none", "cat"]


def to_stdout(cli, run, folder, tmp_path) -> bytes:
    path = tmp_path / "table.npz"
    assert cli("embed", "-r", run, "--input", folder, "-o", path).status == 0
    return path.read_bytes()


def test_the_files_of_the_user_stay_as_they_are(cli, plain, photos):
    before = contents(photos)
    for command in ("reconstruct", "embed", "evaluate"):
        assert cli(command, "-r", plain, "--input", photos).status == 0
    assert contents(photos) == before


def test_a_pipe_of_find_is_read(plain, photos, tmp_path):
    command = (
        f"find {photos}/cat -name '1*.png' -print0 | sort -z | "
        f"{sys.executable} -m vaecli embed -r {plain} --input - -o {tmp_path}/t.csv"
    )
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/t.csv\n")
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 12


def test_labels_that_changed_their_meaning_are_refused(cli, tmp_path):
    photos = tmp_path / "photos"
    write_images(photos / "cat", 20)
    write_images(photos / "dog", 20, 90)
    run = tmp_path / "run"
    options = ("--epochs", 1, "--conditional", *MODEL)
    assert cli("train", "-q", "--data", photos, "-r", run, *options).status == 0
    write_images(photos / "ape", 20)
    done = cli("reconstruct", "-r", run)
    assert done.status == 3
    assert "are not those that" in done.err

"""`vaecli reconstruct`: images over their reconstructions."""

import io

import numpy as np
import pytest
from PIL import Image

import vaecli
from tests.commands.pictures import grid, picture, tiles
from tests.conftest import bars
from tests.runs import arguments


def test_inputs_stand_over_their_reconstructions(cli, run_dir, tmp_path):
    target = tmp_path / "r.png"
    done = cli(
        "reconstruct", "-r", run_dir, "--split", "train", "-n", 6, "--scale", 1, "-o", target
    )
    assert done == (0, f"{target}\n", "")
    x = bars(96).pixels(slice(6))
    sheet = picture(target)
    assert (sheet[:8] == grid(x)).all()
    assert (sheet[10:] == grid(vaecli.open(run_dir).model().reconstruct(x))).all()


def test_reconstruct_repeats_the_picture_of_train(cli, run_dir):
    trained = (run_dir / "reconstructions.png").read_bytes()
    assert cli("reconstruct", "-r", run_dir).out == f"{run_dir / 'reconstructions.png'}\n"
    assert (run_dir / "reconstructions.png").read_bytes() == trained


def test_a_conditional_model_is_given_the_labels(cli, conditional, tmp_path):
    cli("reconstruct", "-r", conditional, "-n", 4, "--scale", 1, "-o", tmp_path / "r.png")
    test = bars(40, seed=1)
    x = test.pixels(slice(4))
    decoded = vaecli.open(conditional).model().reconstruct(x, test.one_hot_labels(slice(4)))
    assert (picture(tmp_path / "r.png")[10:] == grid(decoded)).all()


def test_fewer_images_than_eight_are_all_shown(cli, digits, tmp_path):
    run = tmp_path / "run"
    cli(*arguments(digits, run, "-q", "--epochs", 1, "--test-images", 5))
    before = (run / "reconstructions.png").read_bytes()
    assert cli("reconstruct", "-r", run).status == 0
    assert (run / "reconstructions.png").read_bytes() == before
    assert picture(before).shape[0] == 10 * (2 * 10 - 2)
    assert picture(before).shape[1] > 10 * (5 * 10 - 2)


def test_more_images_than_there_are_are_refused(cli, run_dir):
    done = cli("reconstruct", "-r", run_dir, "-n", 41)
    assert (done.status, done.out) == (2, "")
    assert "--count 41: there are only 40 images" in done.err


def test_the_seventeenth_image_begins_a_new_pair_of_rows(cli, run_dir, tmp_path):
    """Each image stands over its own reconstruction; the rest of the last rows is black."""
    out = tmp_path / "r.png"
    assert cli("reconstruct", "-r", run_dir, "-n", 18, "--scale", 1, "-o", out).status == 0
    rows = tiles(out)
    assert [len(row) for row in rows] == [16] * 4
    x = bars(40, seed=1).pixels(slice(18))
    decoded = vaecli.open(run_dir).model().reconstruct(x)
    for images, shown in ((x, rows[0] + rows[2]), (decoded, rows[1] + rows[3])):
        pixels = images.detach()[:, 0].mul(255).round().numpy()
        assert np.array_equal(shown[:18], pixels)
        assert not np.array(shown[18:]).any()


@pytest.mark.parametrize(
    ("ending", "kind"),
    [("png", "PNG"), ("jpg", "JPEG"), ("jpeg", "JPEG"), ("webp", "WEBP"), ("bmp", "BMP")],
)
def test_the_ending_chooses_the_format(cli, run_dir, tmp_path, ending, kind):
    out = tmp_path / f"r.{ending}"
    assert cli("reconstruct", "-r", run_dir, "-o", out) == (0, f"{out}\n", "")
    shown = Image.open(io.BytesIO(out.read_bytes()))
    assert shown.format == kind
    error = np.asarray(shown.convert("L"), float) - picture(run_dir / "reconstructions.png")
    assert np.abs(error).mean() < 15  # some formats lose detail


def test_a_dash_writes_a_png_to_stdout(result_of, run_dir):
    out = result_of("reconstruct", "-r", run_dir)
    assert Image.open(io.BytesIO(out)).format == "PNG"
    assert (picture(out) == picture(run_dir / "reconstructions.png")).all()


def test_scale_and_dark_are_those_of_the_picture(cli, run_dir, tmp_path):
    """The gaps, and the margin of the labels, which raw pixels lack."""
    sheets = []
    for number, more in enumerate(((), ("--dark",), ("--dark", "--scale", 1))):
        target = tmp_path / f"{number}.png"
        assert cli("reconstruct", "-r", run_dir, "-n", 6, "-o", target, *more).status == 0
        sheets.append(picture(target))
    light, dark, raw = sheets
    assert (light[0, 0], dark[0, 0]) == (255, 17)
    assert (raw[8:10] == 56).all()
    assert raw.shape == (18, 58)
    assert light.shape == dark.shape

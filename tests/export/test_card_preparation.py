"""The code of the card that prepares an image does what vaecli does."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests.export.cards import blocks
from tests.images import valid_files
from vaecli.config.config import Config
from vaecli.data.inputs import Training, load_input
from vaecli.data.load_log import LoadLog
from vaecli.export.card.data import preparation_section

FILES = valid_files()
NAMES = ("exif.png", "alpha.png", "grey-alpha.png", "palette.png", "one-bit.png", "grey.png")


def prepared(config: Config, shape: tuple[int, int, int]) -> np.ndarray:
    """What the code of the card makes of image.png in the current folder."""
    facts = SimpleNamespace(config=config, header=SimpleNamespace(shape=shape))
    (code,) = blocks(f"---\n---\n{preparation_section(facts)}", "python")
    names: dict[str, np.ndarray] = {}
    exec(code, names)
    return names["pixels"]


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_pixels_are_those_of_vaecli(tmp_path, monkeypatch, name, channels, resize):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "image.png"
    path.write_bytes(FILES[name])
    config = Config(resize=resize)
    shape = (channels, 13, 17)
    expected = load_input([path], config, Training(shape), LoadLog()).images.pixels(slice(None))
    found = prepared(config, shape)
    assert found.dtype == np.float32
    assert np.array_equal(found, expected.numpy())


def test_pixels_are_black_or_white_where_training_made_them_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.array([[0, 127], [128, 255]], np.uint8)).save("image.png")
    found = prepared(Config(binarize="threshold"), (1, 2, 2))
    assert found.tolist() == [[[[0, 0], [1, 1]]]]
    Image.new("L", (100, 100), 51).save("image.png")
    found = prepared(Config(binarize="dynamic"), (1, 100, 100))
    assert set(found.ravel()) == {0, 1}
    assert found.mean() == pytest.approx(51 / 255, abs=0.02)  # four standard errors are 0.016

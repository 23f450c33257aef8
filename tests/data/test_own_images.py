"""The images of the user: from files to splits, and back from the configuration of the run."""

import pytest
import torch
from PIL import Image

from vaecli.config.build import resolve
from vaecli.config.config import Config
from vaecli.data import cache
from vaecli.data.load_log import LoadLog
from vaecli.data.own_images import class_names_of
from vaecli.data.readers.item import Item
from vaecli.data.splits import load, load_all, load_split, load_training
from vaecli.system.errors import ConfigError, DataError


@pytest.fixture
def photos(tmp_path):
    """A folder of 20 cats and 10 dogs, 12 x 10 pixels: the brightness says which."""
    for label, count, brightness in (("cat", 20, 50), ("dog", 10, 200)):
        (tmp_path / label).mkdir()
        for number in range(count):
            image = Image.new("RGB", (12, 10), (brightness + number, brightness, brightness))
            image.save(tmp_path / label / f"{number}.png")
    return tmp_path


def configuration(folder, **more):
    return resolve(Config(data=str(folder), **more))


def test_folders_are_classes(photos):
    train, test, validation = load(configuration(photos))
    assert (len(train), len(test), validation) == (27, 3, None)
    assert train.shape == test.shape == (3, 10, 12)
    assert train.class_names == test.class_names == ("cat", "dog")
    for images in (train, test):
        assert images.classes == 2
        assert torch.equal(images.labels == 1, images.x[:, 2, 0, 0] == 200)
    assert test.labels.tolist().count(1) == 1


def test_the_configuration_that_is_found_loads_the_same_images_later(photos):
    splits, found = load_all(configuration(photos), LoadLog())
    assert (found.image_size, found.channels, found.validation) == ("12x10", "3", None)
    Image.new("L", (99, 99)).save(photos / "cat" / "new.png")
    Image.new("L", (5, 5)).save(photos / "cat" / "newer.png")
    later = load_split(found, "train")
    assert later.shape == splits.train.shape
    assert load(configuration(photos)).train.shape == (3, 64, 64)


def test_images_of_several_sizes_are_made_one_with_a_notice(photos):
    Image.new("RGB", (99, 99)).save(photos / "cat" / "large.png")
    log = LoadLog()
    (train, *_), found = load_all(configuration(photos), log)
    assert train.shape == (3, 64, 64)
    assert (found.image_size, found.channels) == ("64", "3")
    assert log.notices == ["The images have 2 sizes: resize='crop' makes them 64x64."]
    log = LoadLog()
    (train, *_), found = load_all(configuration(photos, image_size="16x8", resize="pad"), log)
    assert train.shape == (3, 8, 16)
    assert found.image_size == "16x8"
    assert log.notices == ["The images have 2 sizes: resize='pad' makes them 16x8."]


@pytest.fixture
def in_splits(tmp_path):
    """A folder of 9 training images from grey 90, 4 for validation from 40, and 3 for tests."""
    for split, count in (("train", 9), ("val", 4), ("test", 3)):
        for number in range(count):
            path = tmp_path / split / f"class {number % 2}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8), 10 * count + number).save(path)
    return tmp_path


def greys(images):
    return sorted(images.x[:, 0, 0, 0].tolist())


def test_a_validation_folder_holds_the_validation_images(in_splits):
    (train, test, validation), found = load_all(configuration(in_splits), LoadLog())
    assert (len(train), len(validation), len(test)) == (9, 4, 3)
    assert found.validation == 4
    assert greys(validation) == [40, 41, 42, 43]
    assert greys(train) == list(range(90, 99))
    assert torch.equal(load_split(found, "validation").x, validation.x)
    assert train.class_names == ("class 0", "class 1")
    fewer = load(configuration(in_splits, validation=2))
    assert (len(fewer.train), len(fewer.validation)) == (11, 2)
    assert set(greys(fewer.validation)) <= {40, 41, 42, 43}
    with pytest.raises(ConfigError, match="validation=13: none of the 13 training images"):
        load(configuration(in_splits, validation=13))


def test_fewer_training_images_leave_the_validation_folder_as_it_is(in_splits):
    """Else training images would be held out, and those of the folder not be used."""
    whole = load(configuration(in_splits))
    splits, found = load_all(configuration(in_splits, train_images=3), LoadLog())
    assert torch.equal(splits.train.x, whole.train.x[:3])
    assert torch.equal(splits.validation.x, whole.validation.x)
    for split, images in splits._asdict().items():
        assert load_split(found, split).fingerprint() == images.fingerprint()
    every, used = load_training(found)
    assert torch.equal(used.x, splits.train.x)
    assert len(every) == 13
    assert len(load(configuration(in_splits, train_images=9)).train) == 9
    with pytest.raises(ConfigError, match="train_images=10: there are only 9 images"):
        load(configuration(in_splits, train_images=10))


def test_a_bad_validation_image_is_not_replaced_by_a_training_image(in_splits):
    bad = in_splits / "val" / "class 0" / "2.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    (train, _, validation), found = load_all(configuration(in_splits, skip_bad=True), LoadLog())
    assert found.validation == 3
    assert greys(validation) == [40, 41, 43]
    assert greys(train) == list(range(90, 99))
    assert torch.equal(load_split(found, "validation").x, validation.x)


def test_patience_may_rest_on_a_validation_folder(in_splits):
    (*_, validation), found = load_all(configuration(in_splits, patience=2), LoadLog())
    assert (found.patience, found.validation, len(validation)) == (2, 4, 4)
    assert [len(part) for part in load_training(found)] == [13, 9]
    with pytest.raises(ConfigError, match="patience=2 needs a validation set: add validation=N"):
        load(configuration(in_splits / "train", patience=2))
    for path in (in_splits / "val").rglob("*.png"):
        path.write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    assert load(configuration(in_splits, skip_bad=True)).validation is None
    with pytest.raises(ConfigError, match="patience=2 needs a validation set: add validation=N"):
        load(configuration(in_splits, skip_bad=True, patience=2))


def test_without_a_validation_folder_patience_is_refused_before_images_are_read(photos):
    calls = []
    log = LoadLog(lambda what, *_: calls.append(what))
    with pytest.raises(ConfigError, match="patience=2 needs a validation set"):
        load_all(configuration(photos, patience=2), log)
    assert "decoding" not in calls


def test_a_path_in_python_is_relative_or_in_the_home_folder(photos, monkeypatch):
    expected = load(configuration(photos)).train
    monkeypatch.chdir(photos.parent)
    monkeypatch.setenv("HOME", str(photos.parent))
    for path in (f"./{photos.name}", f"~/{photos.name}/"):
        assert torch.equal(load(Config(data=path)).train.x, expected.x)


def test_numbers_in_names_of_classes_are_sorted_by_size():
    large = "9" * 5000  # int() refuses it
    names = [large, "10", "9", "b2", "b10", "a", "B", "01", "1", "0", "00", "001", "0001", "\u0663"]
    items = [Item(name, read=None, label=name) for name in names]
    assert class_names_of(items) == (
        *("0", "00", "0001", "001", "01", "1", "9", "10", large, "B", "a", "b2", "b10", "\u0663"),
    )
    assert class_names_of([*items, Item("x", read=None)]) == ()


def test_images_without_folders_have_no_labels(tmp_path):
    for number in range(10):
        Image.new("L", (8, 8), number).save(tmp_path / f"{number}.png")
    log = LoadLog()
    train, test, _ = load_all(configuration(tmp_path), log).splits
    assert log.notices == []
    assert (train.classes, train.class_names, len(train.labels)) == (0, (), 9)
    assert train.one_hot_labels(slice(None)).shape == (9, 0)
    assert len(train.labelled_indices) == 0
    assert len(train.subset(torch.tensor([0, 1]))) == 2
    assert len(test) == 1


def test_a_bad_image_ends_the_loading_or_is_left_out_by_name(photos):
    (photos / "dog" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    with pytest.raises(DataError, match=r"dog/3\.png"):
        load(configuration(photos))
    log = LoadLog()
    (train, test, _), found = load_all(configuration(photos, skip_bad=True), log)
    assert len(train) + len(test) == 29
    for images in (train, test):  # those after it keep their labels
        assert torch.equal(images.labels == 1, images.x[:, 2, 0, 0] == 200)
    assert len(log.bad) == 1
    assert "dog/3.png" in log.bad[0]
    again = LoadLog()
    assert torch.equal(load_all(found, again).splits.train.x, train.x)
    assert again.bad == log.bad


def test_nothing_but_bad_images_is_an_error_with_all_options(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    for more in ({}, {"image_size": 8, "channels": 1}):
        with pytest.raises(DataError):
            load(configuration(tmp_path, skip_bad=True, **more))


def test_what_is_skipped_and_noticed_is_said(photos):
    (photos / "notes.txt").write_text("hello")
    (photos / ".hidden.png").write_text("hello")
    Image.new("RGB", (12, 10)).save(photos / "alone.png")
    log = LoadLog()
    load_all(configuration(photos), log)
    beside, skipped = log.notices
    assert beside.startswith("Some images lie beside the folders cat, dog: no image gets a label.")
    assert skipped == "Skipped: 1 hidden, 1 not an image."


def test_images_without_a_label_beside_others_take_it_from_all(tmp_path):
    rows = ["path,label", *(f"{n}.png,{'' if n < 2 else 'ab'[n % 2]}" for n in range(9))]
    for number in range(9):
        Image.new("L", (8, 8), number).save(tmp_path / f"{number}.png")
    (tmp_path / "table.csv").write_text("\n".join(rows))
    log = LoadLog()
    train = load_all(configuration(tmp_path / "table.csv"), log).splits.train
    assert (train.classes, train.class_names) == (0, ())
    assert log.notices == ["2 of 9 images have no label: none is used."]


def test_animations_are_counted(photos):
    still, moved = (Image.new("RGB", (12, 10), (n, n, n)) for n in (0, 255))
    for name in ("1", "2"):
        still.save(photos / "cat" / f"{name}.gif", save_all=True, append_images=[moved])
    log = LoadLog()
    load_all(configuration(photos), log)
    assert log.notices == ["Of 2 animations the first frame is taken."]
    (photos / "cat" / "2.gif").unlink()
    log = LoadLog()
    load_all(configuration(photos), log)
    assert log.notices == ["Of 1 animation the first frame is taken."]


def test_a_bad_head_is_met_before_any_image_is_decoded(photos):
    (photos / "dog" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    calls = []
    with pytest.raises(DataError):
        load_all(configuration(photos), LoadLog(lambda what, *_: calls.append(what)))
    assert set(calls) <= {"reading sizes"}


def test_classes_of_one_split_alone_count_in_all(tmp_path):
    for place in ("train/ape", "train/cat", "test/bird", "test/cat"):
        (tmp_path / place).mkdir(parents=True)
        for number in range(3):
            Image.new("L", (8, 8), number).save(tmp_path / place / f"{number}.png")
    train, test, _ = load(configuration(tmp_path))
    for images, labels in ((train, {0, 2}), (test, {1, 2})):
        assert images.class_names == ("ape", "bird", "cat")
        assert images.classes == 3
        assert set(images.labels.tolist()) == labels
    with pytest.raises(ConfigError, match="bird has only 0 images"):
        load(configuration(tmp_path, labels=3))


def test_of_images_whose_size_is_chosen_no_size_is_read(photos):
    calls = []
    log = LoadLog(lambda *call: calls.append(call))
    options = configuration(photos, image_size=8, channels=1)
    load_all(options, log)
    assert {what for what, _, _ in calls} == {"decoding"}
    assert calls[-1] == ("decoding", 27, 27)
    calls.clear()
    load_split(options, "test", log)
    assert calls == [("decoding", 3, 3)]


def test_progress_reaches_the_number_of_images(photos):
    calls = []
    load_all(configuration(photos), LoadLog(lambda *call: calls.append(call)))
    ends = [call for call in calls if call[1] == call[2]]
    assert ends == [("reading sizes", 30, 30), ("decoding", 3, 3), ("decoding", 27, 27)]


def test_a_folder_of_mnist_files_is_read_as_those(digits):
    expected = load(Config(data_dir=str(digits)))
    found, configured = load_all(configuration(digits), LoadLog())
    assert torch.equal(found.train.x, expected.train.x)
    assert torch.equal(found.test.labels, expected.test.labels)
    assert configured.image_size is None
    resized = load(configuration(digits, image_size=6, channels=3))
    assert resized.train.shape == (3, 6, 6)


def test_data_dir_beside_a_path_is_not_used(photos):
    """It may be the environment's, for data sets by name."""
    log = LoadLog()
    load_all(configuration(photos, data_dir=str(photos)), log)
    assert log.notices == [f"data_dir={str(photos)!r} is not used: data is a path."]


@pytest.mark.parametrize("name", ["photos.zip", "no such.npy"])
def test_a_name_with_the_ending_of_a_file_is_a_missing_file(name):
    with pytest.raises(DataError, match=f"^There is no file {name}: choose a folder"):
        load(configuration(name))


def test_the_split_does_not_depend_on_the_seed(photos):
    first, second = (load(configuration(photos, seed=seed)).test.x for seed in (0, 1))
    assert torch.equal(first, second)


def test_the_first_images_are_used(photos):
    every = load(configuration(photos)).train
    assert torch.equal(load(configuration(photos, train_images=5)).train.x, every.x[:5])
    with pytest.raises(ConfigError, match="train_images=28: there are only 27 images"):
        load(configuration(photos, train_images=28))


@pytest.fixture
def small_cache(tmp_path_factory, monkeypatch):
    """Decoded images of more than 1000 bytes go to a cache in the folder that is returned."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("VAECLI_CACHE", str(folder))
    monkeypatch.setattr(cache, "MIN_SIZE", 500)
    return folder


def test_images_from_the_cache_are_those_in_memory(photos, small_cache, monkeypatch):
    (photos / "dog" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    options = configuration(photos, skip_bad=True, validation=4)
    first, second = LoadLog(), LoadLog()
    made = load_all(options, first)
    found = load_all(options, second)
    monkeypatch.setattr(cache, "MIN_SIZE", 10**9)
    in_memory = load_all(options, LoadLog())
    assert made.config == found.config == in_memory.config
    for mine, again, plain in zip(made.splits, found.splits, in_memory.splits, strict=True):
        assert mine.mapped is not None
        assert plain.mapped is None
        assert torch.equal(mine.x, plain.x)
        assert torch.equal(again.x, plain.x)
        assert torch.equal(again.labels, plain.labels)
        assert mine.fingerprint() == again.fingerprint()
    assert first.bad == second.bad != []
    assert first.caches == second.caches != []
    assert all(folder.startswith(str(small_cache)) for folder in first.caches)
    assert any("vaecli data cache" in notice for notice in second.notices)


def test_a_cache_that_lacks_a_bad_image_is_no_excuse(photos, small_cache):
    (photos / "dog" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    load(configuration(photos, skip_bad=True, image_size="12x10", channels=3))
    with pytest.raises(DataError, match=r"dog/3\.png"):
        load(configuration(photos, image_size="12x10", channels=3))


def test_a_file_that_changed_is_decoded_anew(photos, small_cache):
    before = load(configuration(photos)).train
    Image.new("RGB", (12, 10), (255, 255, 255)).save(photos / "cat" / "0.png")
    Image.new("RGB", (12, 10), (255, 255, 255)).save(photos / "dog" / "0.png")
    after = load(configuration(photos)).train
    assert not torch.equal(before.x, after.x)
    assert len(list(small_cache.glob("*/pixels.bin"))) == 3  # the test images are the same


@pytest.mark.parametrize(("split", "kind"), [("train", "training images"), ("test", "test images")])
def test_if_no_image_of_a_split_can_be_read_the_error_says_which(tmp_path, split, kind):
    """The reason is of that split, although an image of another was left out before."""
    for folder in ("train", "test"):
        (tmp_path / folder).mkdir()
        for number in range(3):
            path = tmp_path / folder / f"{number}.png"
            Image.new("L", (9, 9), number).save(path)
            if folder == split or number == 0:
                path.write_bytes(path.read_bytes()[:30])
    config = configuration(tmp_path, skip_bad=True, image_size=8, channels="1")
    with pytest.raises(DataError, match=rf"^None of 3 {kind} can be read\. {split}/\d\.png "):
        load(config)

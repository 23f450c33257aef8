"""`check`: each kind of fault is found, by name, and good images are left alone."""

import json
import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from tests.benchmarks.planted_faults import EACH, KINDS, false_alarms, found, plant
from tests.data.check.drawings import drawing, good, item, listing
from vaecli.data.check.measures import sharpness
from vaecli.data.check.report import check, require_readable
from vaecli.data.preparation import Preparation
from vaecli.data.readers.formats import list_images
from vaecli.data.readers.item import BadImageError, Listing, Outline
from vaecli.system.errors import DataError


def findings(images):
    """The groups of each kind of finding."""
    return {finding.kind: finding.groups for finding in check(listing(images)).findings}


def test_planted_faults_are_found_and_good_images_are_not_named(tmp_path):
    """The small form of the benchmark."""
    for seed in range(120):
        split = "test" if seed % 10 == 0 else "train"
        path = tmp_path / split / "abc"[seed % 3] / f"{seed}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        drawing(seed).save(path)
    faults = plant(tmp_path, random.Random(0))
    report = check(list_images(tmp_path))
    assert Counter(fault.kind for fault in faults) == dict.fromkeys(KINDS, EACH)
    assert [fault for fault in faults if not found(fault, report)] == []
    assert {kind: names for kind, names in false_alarms(faults, report).items() if names} == {}


def test_a_good_set_has_no_findings():
    report = check(listing(good(60)))
    assert report.findings == []
    assert (report.images, report.readable) == (60, 60)
    assert report.classes == {"a": 60}
    assert report.splits == {}
    assert report.sizes == {(40, 40): 60}
    assert report.modes == {"RGB": 60}


def test_a_grey_image_equals_its_copy_in_rgb():
    grey = drawing(99).convert("L")
    found = findings({**good(9), "a/x.png": grey, "a/y.png": grey.convert("RGB")})
    assert found == {"exact-duplicate": (("a/x.png", "a/y.png"),)}


def test_equal_pixels_of_another_shape_are_no_exact_duplicate():
    wide = Image.new("RGB", (20, 10))
    wide.paste("white", (0, 0, 10, 10))
    tall = Image.frombytes("RGB", (10, 20), wide.tobytes())
    assert "exact-duplicate" not in findings({"a/x.png": wide, "a/y.png": tall})


@pytest.mark.parametrize(
    "change",
    [
        lambda image: ImageEnhance.Brightness(image).enhance(1.1),
        lambda image: ImageEnhance.Contrast(image).enhance(0.9),
        lambda image: image.resize((30, 30), Image.Resampling.LANCZOS),
        lambda image: image.resize((80, 80), Image.Resampling.BICUBIC),
    ],
    ids=["brighter", "less contrast", "smaller", "larger"],
)
def test_a_changed_copy_is_a_near_duplicate(change):
    images = {**good(30), "a/x.png": change(drawing(3))}
    assert findings(images)["near-duplicate"] == (("a/3.png", "a/x.png"),)


def test_images_that_differ_in_one_sign_are_no_copies():
    """As icons do: the same sheet of paper with another emblem."""
    images = good(30)
    for seed in (100, 101):
        sheet = drawing(5)
        sheet.paste(drawing(seed, 14), (24, 24))
        images[f"a/{seed}.png"] = sheet
    assert findings(images) == {}


@pytest.mark.parametrize("brightness", [1, 0.93])
def test_copies_in_two_splits_are_a_leak_and_no_duplicate(brightness):
    copy = ImageEnhance.Brightness(drawing(3)).enhance(brightness)
    images = {**good(30, "train/a/{}.png"), "test/a/x.png": copy}
    assert findings(images) == {"leak": (("train/a/3.png", "test/a/x.png"),)}


def test_copies_of_two_labels_in_two_splits_are_both_faults():
    images = good(30, "train/a/{}.png") | good(0)
    images |= {f"train/b/{seed}.png": drawing(seed) for seed in range(40, 60)}
    images["test/b/x.png"] = drawing(3)
    group = (("train/a/3.png", "test/b/x.png"),)
    assert findings(images) == {"leak": group, "conflicting-labels": group}


def test_images_that_are_nearly_the_same_by_a_third_are_one_group():
    first = drawing(3)
    second = ImageEnhance.Brightness(first).enhance(0.93)
    images = {**good(30), "a/x.png": second, "a/y.png": second}
    found = findings(images)
    assert found["near-duplicate"] == (("a/3.png", "a/x.png", "a/y.png"),)
    assert found["exact-duplicate"] == (("a/x.png", "a/y.png"),)


def test_empty_images_are_empty_and_nothing_else():
    black = Image.new("RGB", (40, 40))
    images = {**good(30), "a/x.png": black, "a/y.png": black}
    assert findings(images) == {"empty": (("a/x.png",), ("a/y.png",))}


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("dark", lambda image: ImageEnhance.Brightness(image).enhance(0.1)),
        ("bright", lambda image: Image.blend(Image.new("RGB", image.size, "white"), image, 0.1)),
        ("blurry", lambda image: image.filter(ImageFilter.GaussianBlur(2))),
        ("odd-shape", lambda image: image.resize((40, 8))),
        ("odd-shape", lambda image: image.resize((200, 200), Image.Resampling.NEAREST)),
    ],
)
def test_one_unusual_image_is_found_and_many_are_usual(kind, change):
    one = {**good(40), "a/x.png": change(drawing(77))}
    assert findings(one)[kind] == (("a/x.png",),)
    assert kind not in findings({name: change(image) for name, image in good(40).items()})


@pytest.mark.parametrize(("background", "colour"), [("black", "blue"), ("white", "yellow")])
def test_a_pure_colour_is_neither_dark_nor_bright(background, colour):
    """Although the luminance of blue is near that of black, and of yellow near that of white."""
    image = Image.new("RGB", (40, 40), background)
    image.paste(colour, (10, 10, 30, 30))
    assert not {"dark", "bright"} & findings({**good(40), "a/x.png": image}).keys()


def test_rounding_does_not_make_a_smooth_image_sharp():
    smooth = np.linspace(100, 120, 64)[:, None] + np.linspace(0, 9, 64)
    assert sharpness(smooth.round().astype(np.float32)) == 0
    assert sharpness(np.eye(64, dtype=np.float32) * 255) > 1


def test_broken_images_are_named_with_the_reason():
    report = check(listing({**good(5), "a/x.png": None}))
    (finding,) = report.findings
    assert (finding.kind, finding.severity, finding.names) == ("broken", "error", ("a/x.png",))
    assert finding.details == (("a/x.png", "a/x.png is damaged."),)
    assert (report.images, report.readable) == (6, 5)


def test_without_a_readable_image_there_is_a_report_and_an_error():
    report = check(listing({"x.png": None}))
    assert report.readable == 0
    with pytest.raises(DataError, match=r"^here: none of its 1 image can be read\.$"):
        require_readable(report, "here")


def test_images_that_training_refuses_for_their_shape_are_an_error():
    """Also where all are of that shape; small images of one size are not resized."""
    wide, cut = Image.new("RGB", (84, 4)), Image.new("RGB", (80, 4))
    (finding, *_) = check(listing({**good(9), "a/x.png": wide, "a/y.png": cut})).findings
    assert (finding.kind, finding.severity) == ("too-narrow", "error")
    assert finding.groups == (("a/x.png",),)
    assert "too-narrow" in findings({"a/x.png": wide, "a/y.png": wide})
    assert "too-narrow" not in findings({"a/x.png": Image.new("RGB", (64, 2))})
    with pytest.raises(BadImageError):
        Preparation(9, 9, 3).apply(wide, "a/x.png")
    assert Preparation(9, 9, 3).apply(cut, "a/z.png").shape == (3, 9, 9)


def classes(**counts):
    """A data set with so many images of each class, of which none is like another."""
    seeds = iter(range(1000))
    return {
        f"{label}/{n}.png": drawing(next(seeds))
        for label, count in counts.items()
        for n in range(count)
    }


def test_a_class_of_one_image_cannot_be_split():
    assert findings(classes(a=8, b=8, c=1)) == {"single-image-class": (("c",),)}


def test_a_class_of_one_image_need_not_be_split_where_test_images_are_given():
    images = {f"train/{name}": image for name, image in classes(a=8, b=8, c=1).items()}
    assert findings(images | {"test/c/x.png": drawing(90)}) == {"small-class": (("c",),)}


def test_small_and_unbalanced_classes_are_named():
    found = findings(classes(a=60, b=50, c=50, d=4))
    assert found == {"small-class": (("d",),), "class-imbalance": (("d",), ("a",))}


def test_a_class_without_training_images_is_named():
    images = good(20, "train/a/{}.png") | {f"test/b/{n}.png": drawing(n) for n in range(30, 33)}
    assert findings(images) == {"class-not-in-train": (("b",),)}


def test_images_outside_of_the_classes_are_named():
    assert findings({**good(20), "x.png": drawing(50)}) == {"unlabelled": (("x.png",),)}


@pytest.mark.parametrize(
    ("kind", "outline"),
    [
        ("transparent", Outline(40, 40, 3, "RGBA")),
        ("animation", Outline(40, 40, 3, "P", 12)),
        ("deep", Outline(40, 40, 1, "I;16")),
    ],
)
def test_formats_that_hold_more_are_good_to_know(kind, outline):
    special = replace(item("a/x.png", drawing(80)), outline=lambda: outline)
    report = check(Listing([*listing(good(9)).items, special]))
    (finding,) = report.findings
    assert (finding.kind, finding.severity) == (kind, "info")
    assert finding.names == ("a/x.png",)
    assert report.modes[outline.mode] == 1


def test_the_report_is_strict_json_with_stable_keys():
    report = check(
        Listing(listing({**good(4), "a/x.png": None}).items, Counter(hidden=2), ("a notice",))
    )
    result = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert result.pop("modes") == {"RGB": 4}
    low, high = result.pop("range")
    assert 0 <= low < high <= 255
    finding = result.pop("findings")[0]
    assert result == {
        "images": 5,
        "readable": 4,
        "splits": {},
        "classes": {"a": 4},
        "sizes": {"40x40": 4},
        "skipped": {"hidden": 2},
        "notices": ["a notice"],
    }
    assert finding == {
        "kind": "broken",
        "severity": "error",
        "of": "images",
        "count": 1,
        "groups": [["a/x.png"]],
        "text": "1 image cannot be read.",
        "advice": "Replace or remove each, or train with --skip-bad, which leaves them out.",
        "details": {"a/x.png": "a/x.png is damaged."},
    }


@pytest.mark.parametrize("size", [40, 400])
def test_the_range_is_that_of_single_pixels(size):
    """However few of them are bright or dark, and however large the image is."""
    image = Image.new("RGB", (size, size), (100, 110, 120))
    assert check(listing({"a/x.png": image})).range == (100, 120)
    image.putpixel((3, 5), (100, 255, 120))
    image.putpixel((7, 1), (7, 110, 120))
    assert check(listing({"a/x.png": image})).range == (7, 255)
    assert check(listing({"a/x.png": None})).range == (0, 0)


def test_progress_counts_every_image():
    seen = []
    check(listing({**good(5), "a/x.png": None}), seen.append)
    assert sum(seen) == 6


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 500), (3, 3)])
def test_images_of_any_size_are_checked(size):
    random = np.random.default_rng(0)
    image = Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), np.uint8))
    assert check(listing({**good(9), "a/x.png": image})).readable == 10
    assert check(listing({"x.png": image})).readable == 1

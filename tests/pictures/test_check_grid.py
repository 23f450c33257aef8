"""The picture of images with faults."""

import numpy as np
from PIL import Image

from tests.data.check.drawings import item
from vaecli.data.check.finding import Finding
from vaecli.pictures.check_grid import CELL, GAP, INNER_GAP, TITLE_HEIGHT, draw_findings, has_images
from vaecli.pictures.themes import DARK, LIGHT


def finding(kind, *groups, **more):
    return Finding(kind, more.pop("severity", "warning"), groups, "", "", **more)


def plain(colour, size=(CELL, CELL)):
    return Image.new("RGB", size, colour)


def cell(picture, row, left):
    """The pixels of an image of the picture, without its outline."""
    height = TITLE_HEIGHT + CELL + 18 + GAP
    top = GAP + row * height + TITLE_HEIGHT
    return np.asarray(picture)[top : top + CELL, left : left + CELL]


def test_each_finding_is_a_row_of_its_images_with_groups_close_together():
    items = {name: item(name, plain(name)) for name in ("red", "blue", "green", "yellow")}
    picture = draw_findings(
        [finding("leak", ("red", "blue"), ("green", "yellow")), finding("dark", ("blue",))], items
    )
    places = {"red": GAP, "blue": GAP + CELL + INNER_GAP}
    places["green"] = places["blue"] + CELL + GAP
    places["yellow"] = places["green"] + CELL + INNER_GAP
    for name, left in places.items():
        assert (cell(picture, 0, left) == np.asarray(plain(name))).all(), name
    assert (cell(picture, 1, GAP) == np.asarray(plain("blue"))).all()
    assert picture.height == GAP + 2 * (TITLE_HEIGHT + CELL + 18 + GAP)


def test_a_small_image_is_enlarged_by_whole_pixels_and_a_large_one_reduced():
    random = np.random.default_rng(0)
    small = Image.fromarray(random.integers(0, 256, (20, 30, 3), np.uint8))
    items = {"s": item("s", small), "w": item("w", plain("red", (960, 96)))}
    picture = draw_findings([finding("dark", ("s",), ("w",))], items)
    shown = cell(picture, 0, GAP)
    top, left = (CELL - 60) // 2, (CELL - 90) // 2
    enlarged = np.asarray(small).repeat(3, 0).repeat(3, 1)
    assert (shown[top : top + 60, left : left + 90] == enlarged).all()
    wide = cell(picture, 0, GAP + CELL + GAP)
    red = (wide == (255, 0, 0)).all(2)
    assert red.all(1).sum() == 10
    assert (wide[~red] == LIGHT.gap).all()


def test_what_cannot_be_read_is_a_crossed_box():
    for theme, line in ((LIGHT, 0), (DARK, 0xE6)):
        picture = draw_findings([finding("broken", ("x",))], {"x": item("x", None)}, theme)
        shown = cell(picture, 0, GAP)
        assert set(np.unique(shown)) == {theme.gap, line}
        assert (shown[[10, 10], [10, CELL - 11]] == line).all()


def test_rows_end_with_the_picture_and_long_groups_are_cut():
    names = [f"{n}" for n in range(30)]
    items = {name: item(name, plain("red")) for name in names}
    for groups in ([(name,) for name in names], [tuple(names)], [tuple(names)] * 5):
        picture = np.asarray(draw_findings([finding("dark", *groups)], items))
        assert (picture[:, -GAP + 1 :] == 255).all()
        red = (picture == (255, 0, 0)).all(2).sum() / CELL**2
        assert red == min(8, sum(min(4, len(group)) for group in groups))


def test_titles_and_names_stay_in_their_places():
    name = "folder/with a very long name/" + "W" * 200 + ".png"
    picture = np.asarray(
        draw_findings([finding("dark", (name,))], {name: item(name, plain("red"))})
    )
    below = picture[GAP + TITLE_HEIGHT + CELL + 1 :]
    assert (below < 128).any()
    assert (below[:, : GAP - 1] == 255).all()
    assert (below[:, GAP + CELL + 1 :] == 255).all()
    title = picture[GAP : GAP + TITLE_HEIGHT - 1]
    assert (title < 128).any()


def test_findings_without_images_are_left_out():
    of_classes = finding("small-class", ("a",), of="classes")
    info = finding("transparent", ("a",), severity="info")
    assert not any(map(has_images, (of_classes, info, finding("mixed-sizes"))))
    assert draw_findings([of_classes, info], {}).height == draw_findings([], {}).height

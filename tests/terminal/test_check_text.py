"""The report of `vaecli data check` as text."""

import numpy as np
import pytest
from PIL import Image

from tests.data.check.drawings import drawing, good, listing
from vaecli.data.check.report import check
from vaecli.data.readers.arrays import list_npy
from vaecli.data.readers.item import BadImageError, Item, Listing
from vaecli.terminal.check_text import report_lines


def lines(listed):
    """The lines of the report on a listing, without their styles."""
    return [line.text for line in report_lines("here", check(listed))]


def broken(name, reason):
    def read():
        raise BadImageError(reason)

    return Item(name, read)


def test_a_reason_of_many_images_is_printed_once_with_their_names():
    items = [broken(f"[{number}]", "sheet.npy is damaged.") for number in range(150)]
    found = lines(Listing([*items, broken("x.png", "x.png is cut off.")]))
    assert found.count("[0], [1], [2], [3], and 146 more: sheet.npy is damaged.") == 1
    assert found.count("x.png is cut off.") == 1
    assert sum("is damaged" in line for line in found) == 1


def test_a_reason_that_does_not_name_its_image_gets_the_name():
    assert "[7]: sheet.npy is damaged." in lines(Listing([broken("[7]", "sheet.npy is damaged.")]))


def test_a_file_that_changed_after_the_listing_is_named_once(tmp_path):
    path = tmp_path / "sheet.npy"
    np.save(path, np.full((12, 9, 9), 9, np.uint8))
    listed = list_npy(path)
    np.save(path, np.full((12, 9, 9, 3), 9, np.uint8))
    found = [line for line in lines(listed) if "sheet.npy" in line]
    assert len(found) == 1
    assert found[0].startswith("[0], [1], [2], [3], and 8 more: ")


def test_of_many_reasons_some_are_printed():
    items = [broken(f"{number}.png", f"{number}.png is damaged.") for number in range(130)]
    assert "and 30 more: --json lists all" in lines(Listing(items))


@pytest.mark.parametrize("seed", [3, 4])
def test_advice_speaks_of_images_which_may_have_no_files(seed):
    images = {**good(20), "b/0.png": drawing(seed), "a/x.png": drawing(5), "x.png": drawing(99)}
    images |= {f"a/{name}.png": Image.new("RGB", (40, 40)) for name in "yz"}
    advice = [finding.advice for finding in check(listing(images)).findings]
    assert len(advice) >= 4
    assert not [text for text in advice if "file" in text]

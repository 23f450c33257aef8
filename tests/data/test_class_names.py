"""Names of classes: which are valid, and which class a text means."""

import re

import pytest
import torch

from tests.conftest import bars
from vaecli.data.class_names import MAX_CHARACTERS, find_class
from vaecli.data.images import Images
from vaecli.system.errors import ConfigError, DataError

NAMES = ("cat", "Dog", "3", "two words")


@pytest.mark.parametrize(
    ("label", "found"),
    [("cat", 0), ("Dog", 1), ("two words", 3), ("0", 0), ("1", 1), ("3", 2)],
)
def test_a_class_is_found_by_its_name_and_else_by_its_number(label, found):
    """The name 3 belongs to the third class, whose number is 2."""
    assert find_class(label, 4, NAMES) == found
    assert find_class("3", 4) == 3


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("cta", "label=cta: there is no such class. Did you mean 'cat'?"),
        ("dog", "label=dog: there is no such class. Did you mean 'Dog'?"),
        ("two wrods", "label='two wrods': there is no such class. Did you mean 'two words'?"),
        (
            "4",
            "label=4: there is no such class. Choose all, a number from 0 to 3, or one of cat, "
            "Dog, 3, two words.",
        ),
        ("9" * 5000, "there is no such class"),
        ("", "label=: there is no such class."),
    ],
)
def test_an_unknown_class_is_refused_with_the_nearest_names_or_some(label, reason):
    with pytest.raises(ConfigError, match=re.escape(reason)):
        find_class(label, 4, NAMES)


def test_of_many_names_some_are_listed_and_long_ones_are_shortened():
    many = tuple(f"{n:03}{'x' * 200}" for n in range(100))
    with pytest.raises(ConfigError) as refusal:
        find_class("?", 100, many)
    assert "and 92 more" in str(refusal.value)
    assert len(str(refusal.value)) < 500


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("a",), "There are 1 class names for 2 classes."),
        (("a", "b", "c"), "There are 3 class names for 2 classes."),
        (("a", ""), "The class name '' has 0 characters: use 1 to 255."),
        (("a", "b" * 256), "has 256 characters: use 1 to 255."),
        (("a", "a"), "Two classes are called 'a': rename one of them."),
        (("a", "b\udcff"), r"The class name 'b\udcff' is not UTF-8 text: rename the class."),
    ],
)
def test_names_that_are_not_of_the_classes_are_refused(names, reason):
    with pytest.raises(DataError, match=re.escape(reason)):
        Images(torch.zeros(2, 1, 1, 1), torch.arange(2), class_names=names)


def test_any_other_text_is_a_name_and_stays_with_the_images():
    names = ("a\nb [red] $x$ \N{GRINNING FACE}", "b" * MAX_CHARACTERS)
    images = Images(torch.zeros(2, 1, 1, 1), torch.arange(2), class_names=names)
    changed = (images.first(1), images.to(torch.device("cpu")), images.fix_pixels(0))
    assert all(each.class_names == names for each in changed)


def test_the_rarest_class_limits_the_labels_and_is_named():
    images = bars(20)
    named = Images(images.x, images.labels, class_names=("row", "column"))
    counts = torch.bincount(images.labels)
    rarest = named.class_names[int(counts.argmin())]
    few = int(counts.min())
    with pytest.raises(ConfigError, match=f"at most {2 * few}: {rarest} has only {few} images"):
        named.hide_labels(20, 0)
    with pytest.raises(ConfigError, match=f"at most {2 * few}[.]$"):
        images.hide_labels(20, 0)

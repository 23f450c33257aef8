"""Which of the user's images are for training, validation and test."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaecli.data.assignment import assign
from vaecli.data.readers.item import Item
from vaecli.system.errors import DataError


def items(counts, split=None):
    """So many items of each class."""
    return [
        Item(f"{split}/{label}/{n}.png", read=None, label=label, split=split)
        for label, count in counts.items()
        for n in range(count)
    ]


def labels(images):
    return Counter(item.label for item in images)


@settings(deadline=None, max_examples=60)
@given(
    counts=st.dictionaries(st.text(max_size=3), st.integers(1, 40), min_size=1, max_size=8),
    fraction=st.floats(0.01, 0.99),
)
def test_each_class_gives_its_part_up_to_one_image(counts, fraction):
    given_items = items(counts)
    if len(given_items) < 2:
        return
    train, validation, test = assign(given_items, fraction)
    assert sorted(i.name for i in train + test) == sorted(i.name for i in given_items)
    assert validation == []
    assert train
    assert test
    found = labels(test)
    if 1 < fraction * len(given_items) < len(given_items) - 1:
        for label, count in counts.items():
            assert abs(found[label] - fraction * count) <= 1 + 1e-9


def test_small_classes_together_give_the_whole_fraction():
    train, _, test = assign(items({f"class {n}": 3 for n in range(200)}), 0.1)
    assert 45 <= len(test) <= 75
    assert len(train) == 600 - len(test)


def test_the_choice_follows_from_the_names_alone():
    first = assign(items({"a": 30, "b": 20}), 0.2)
    again = assign(items({"a": 30, "b": 20})[::-1], 0.2)
    assert first == again
    assert [item.name for item in first.train] != sorted(item.name for item in first.train)


def test_the_choice_is_the_same_on_every_machine_and_in_every_version():
    """Else runs were tested on images that others were trained on; names need not be text."""
    given_items = [
        Item(name, read=None, label=name[0]) for name in ("a1", "b2", "\udcff", "a\u00e4")
    ]
    given_items += items({"a": 4, "b": 3})
    train, _, test = assign(given_items, 0.3)
    assert [item.name for item in train] == [
        "None/a/0.png",
        "None/b/1.png",
        "b2",
        "None/b/2.png",
        "a1",
        "a\xe4",
        "None/a/3.png",
        "None/a/2.png",
    ]
    assert [item.name for item in test] == ["None/b/0.png", "\udcff", "None/a/1.png"]


def test_the_order_mixes_the_classes():
    train, _, _ = assign(items({"a": 500, "b": 500}), 0.1)
    assert 30 <= labels(train[:100])["a"] <= 70


def test_images_keep_the_split_of_the_data_set():
    given_items = [*items({"a": 9}, "train"), *items({"a": 4}, "validation")]
    train, validation, test = assign([*given_items, *items({"a": 3}, "test")], 0.5)
    assert (len(train), len(validation), len(test)) == (9, 4, 3)
    train, validation, test = assign(given_items, 1 / 3)
    assert (len(train), len(validation), len(test)) == (6, 4, 3)


def test_too_few_images_are_refused():
    with pytest.raises(DataError, match="There is only 1 image"):
        assign(items({"a": 1}), 0.1)
    with pytest.raises(DataError, match="There are 2 test and 0 validation images, but none for"):
        assign(items({"a": 2}, "test"), 0.1)
    train, _, test = assign(items({"a": 2}), 0.9)
    assert (len(train), len(test)) == (1, 1)

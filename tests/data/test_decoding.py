"""Many images are decoded in threads, and come in their order."""

import signal
import threading
import time

import pytest
import torch
from PIL import Image

from vaecli.data import decoding
from vaecli.data.decoding import decode, read_outlines
from vaecli.data.load_log import LoadLog
from vaecli.data.preparation import Preparation
from vaecli.data.readers.item import BadImageError, Item, Outline
from vaecli.system.errors import DataError, Interrupted

PREPARATION = Preparation(2, 2, 1)


@pytest.fixture(autouse=True)
def small_window(monkeypatch):
    monkeypatch.setattr(decoding, "WINDOW", 4)
    monkeypatch.setattr(decoding, "physical_cores", lambda: 3)


def item(number, error=None, mode="L", outline=None):
    """An image whose brightness is its number; the first of a window takes longest."""

    def read():
        time.sleep(0.002 * (3 - number % 4))
        if error:
            raise error
        return Image.new(mode, (3, 5), (number,) * len(mode))

    return Item(f"{number}.png", read, outline=outline)


def found(items, log, **more):
    return [(place, int(x[0, 0, 0])) for place, x in decode(items, PREPARATION, log, **more)]


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 8, 11])
def test_every_image_comes_once_in_its_order(count):
    calls = []
    log = LoadLog(lambda *call: calls.append(call))
    assert found([item(n) for n in range(count)], log) == [(n, n) for n in range(count)]
    ends = [*range(4, count, 4), count] if count else []
    assert calls == [("decoding", end, count) for end in ends]


def test_positions_count_the_images_that_are_left_out():
    bad = {2, 5, 6}
    items = [item(n, BadImageError(f"{n} is bad") if n in bad else None) for n in range(9)]
    log = LoadLog()
    assert found(items, log, skip_bad=True) == [(n, n) for n in range(9) if n not in bad]
    assert log.bad == ["2 is bad", "5 is bad", "6 is bad"]
    with pytest.raises(BadImageError, match="2 is bad"):
        found(items, LoadLog())


@pytest.mark.parametrize("error", [DataError("it changed"), MemoryError("no more"), ValueError()])
def test_an_error_of_another_kind_is_raised_in_any_case(error):
    log = LoadLog()
    with pytest.raises(type(error)):
        found([item(0), item(1, error)], log, skip_bad=True)
    assert log.bad == []


def test_a_long_image_is_left_out_by_its_name():
    items = [Item("long.png", lambda: Image.new("L", (50, 1))), item(1)]
    log = LoadLog()
    assert found(items, log, skip_bad=True) == [(1, 1)]
    assert log.bad[0].startswith("long.png has 50x1 pixels")


def test_the_error_of_a_bad_image_says_how_to_leave_it_out():
    with pytest.raises(BadImageError, match=r"long\.png has 50x1 .* leave it out: skip_bad=True"):
        found([Item("long.png", lambda: Image.new("L", (50, 1)))], LoadLog())


def test_after_an_error_the_images_that_are_not_begun_are_left_alone(monkeypatch):
    monkeypatch.setattr(decoding, "WINDOW", 100)
    monkeypatch.setattr(decoding, "physical_cores", lambda: 1)
    begun = []

    def read(number):
        begun.append(number)
        if number == 0:
            raise BadImageError("bad")
        time.sleep(0.01)
        return Image.new("L", (2, 2))

    items = [Item(str(n), lambda n=n: read(n)) for n in range(100)]
    with pytest.raises(BadImageError):
        found(items, LoadLog())
    assert len(begun) < 50


def test_what_hears_of_the_progress_can_end_the_decoding(monkeypatch):
    monkeypatch.setattr(decoding, "REPORTED", 2)
    heard = []

    def stop(what, done, total):
        heard.append(done)
        raise Interrupted(signal.SIGTERM, "stopped")

    with pytest.raises(Interrupted):
        found([item(number) for number in range(9)], LoadLog(stop))
    assert heard == [2]


def test_several_images_are_decoded_at_once(monkeypatch):
    """Each waits for the others, in vain if there is one thread."""
    together = threading.Barrier(3)

    def read():
        together.wait(timeout=10)
        return Image.new("L", (2, 2))

    assert len(found([Item(str(n), read) for n in range(3)], LoadLog())) == 3


def test_outlines_are_those_of_the_head_or_else_of_the_pixels():
    quick = Outline(7, 9, 3, "RGBA", 2)
    items = [
        item(0),
        item(1, mode="RGB"),
        item(2, AssertionError("it need not be read"), outline=lambda: quick),
    ]
    calls = []
    log = LoadLog(lambda *call: calls.append(call))
    assert list(read_outlines(items, log)) == [Outline(3, 5, 1), Outline(3, 5, 3), quick]
    assert calls == [("reading sizes", 3, 3)]


def test_outlines_of_bad_images_are_left_out():
    items = [item(0, BadImageError("bad")), item(1)]
    assert list(read_outlines(items, LoadLog(), skip_bad=True)) == [Outline(3, 5, 1)]
    with pytest.raises(BadImageError, match="bad"):
        list(read_outlines(items, LoadLog()))


def test_pixels_are_prepared():
    ((_, pixels),) = decode([item(7, mode="RGB")], Preparation(4, 6, 3), LoadLog())
    assert torch.equal(pixels, torch.full((3, 4, 6), 7, dtype=torch.uint8))

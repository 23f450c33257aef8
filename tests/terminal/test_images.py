"""The images that a command reads, and what it says of them."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from vaecli.config.config import Config
from vaecli.data.images import Images
from vaecli.data.load_log import LoadLog
from vaecli.system.errors import ConfigError, DataError
from vaecli.terminal import images as module
from vaecli.terminal.images import list_inputs


def report(log, shape=(1, 4, 6), count=2):
    module._report(log, Images(torch.zeros(count, *shape), torch.zeros(count)))


@pytest.mark.parametrize("bad", [0, 1, 10, 11, 1011])
def test_of_many_bad_images_the_first_ten_are_named(capsys, bad):
    report(LoadLog(bad=[f"{number} is bad." for number in range(bad)]))
    lines = capsys.readouterr().err.splitlines()
    shown = min(bad, 10)
    assert lines[:shown] == [f"Warning: left out. {number} is bad." for number in range(shown)]
    more = [f"Warning: left out {bad - 10:,} more that cannot be read."] if bad > 10 else []
    assert lines[shown:-1] == more


@pytest.mark.parametrize(
    ("shape", "count", "text"),
    [
        ((1, 4, 6), 1, "Read 1 image as 6x4 pixels in grey."),
        ((3, 4, 6), 2, "Read 2 images as 6x4 pixels in colour."),
        ((2, 4, 6), 2, "Read 2 images as 6x4 pixels in 2 channels."),
    ],
)
def test_what_was_read_is_said(capsys, shape, count, text):
    report(LoadLog(), shape, count)
    assert capsys.readouterr().err == f"{text}\n"


def test_notices_name_the_options_as_flags(capsys):
    report(LoadLog(notices=["resize='crop' makes them 64x64."]))
    assert capsys.readouterr().err.startswith("--resize crop makes them 64x64.\n")


def test_a_split_is_read_with_its_progress_and_named_by_the_folder(monkeypatch):
    read = []

    def load_split(config, split, log=None):
        read.append((split, isinstance(log, LoadLog)))
        return Images(torch.zeros(1, 1, 2, 2), torch.zeros(1))

    monkeypatch.setattr(module, "load_split", load_split)
    config = Config(data="/photos/my cats")
    run = SimpleNamespace(config=config, class_names=(), is_run_directory=lambda: False)
    titles = [module.read_images(run, split, None, False).title for split in (None, "train")]
    assert titles == ["my-cats test", "my-cats train"]
    assert read == [("test", True), ("train", True)]


def test_a_terminal_on_stdin_sends_no_list(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    with pytest.raises(ConfigError, match="nothing is sent to it: try find photos"):
        list_inputs(["-"])


def test_a_stdin_that_fails_is_one_sentence(monkeypatch):
    def fail(size):
        raise OSError(5, "Input/output error")

    broken = SimpleNamespace(isatty=lambda: False, buffer=SimpleNamespace(read=fail))
    monkeypatch.setattr(sys, "stdin", broken)
    with pytest.raises(ConfigError, match="Cannot read the paths on stdin: Input/output error"):
        list_inputs(["-"])


def test_the_list_of_stdin_stands_where_it_is_named(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"b.png\n\nc d.png\r\n")))
    assert list_inputs(["a.png", "-", "e.png"]) == list(
        map(Path, ("a.png", "b.png", "c d.png", "e.png"))
    )


@pytest.mark.parametrize(
    ("conditional", "before", "after", "refused"),
    [
        (True, ("a", "b"), ("a", "b"), False),
        (True, ("a", "b"), ("b", "c"), True),
        (True, ("a", "b"), ("a", "b", "c"), True),
        (True, (), ("a", "b"), False),
        (False, ("a", "b"), ("b", "c"), False),
    ],
)
def test_labels_must_mean_what_a_conditional_model_has_learned(conditional, before, after, refused):
    run = SimpleNamespace(
        config=Config(conditional=conditional, data="/photos"), class_names=before, folder="run"
    )
    images = Images(torch.zeros(1, 1, 2, 2), torch.zeros(1), len(after), class_names=after)
    if refused:
        with pytest.raises(DataError, match="The classes of /photos are not those that run was"):
            module._require_same_classes(run, images)
    else:
        module._require_same_classes(run, images)

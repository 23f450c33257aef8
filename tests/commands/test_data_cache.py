"""`vaecli data cache`, as a function: the group of commands that it belongs to has its own test."""

import os
import time

import pytest
import torch

from vaecli.commands.data_cache import cache
from vaecli.data.cache import Window, cache_key, make_cached


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("VAECLI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def make(name: str, count: int, source: str):
    def windows():
        yield Window(torch.zeros(count, 3, 20, 50, dtype=torch.uint8), range(count))

    key = cache_key([(name, "")])
    return make_cached(key, count, (3, 20, 50), windows, {"source": source})


def test_each_set_is_listed_with_size_and_source(home, capsys):
    cache()
    assert capsys.readouterr().out == f"{home}: 0 sets of decoded images (0 MB)\n"
    for name, count, source in (("old", 1000, "/photos"), ("new", 1, "/a\x1b[31m.zip")):
        folder = make(name, count, source).folder
        noon = time.mktime((2026, 5, 6 + (name == "new"), 12, 0, 0, 0, 0, -1))
        os.utime(folder / "index.json", (noon, noon))
    broken = home / cache_key([])
    broken.mkdir()
    (broken / "pixels.bin").write_bytes(b"x")
    cache()
    assert capsys.readouterr().out.splitlines() == [
        f"{home}: 3 sets of decoded images (3 MB)",
        "        0 MB  1 image of 50x20x3  /a\\x1b[31m.zip  last used 2026-05-07",
        "        3 MB  1,000 images of 50x20x3  /photos  last used 2026-05-06",
        f"        0 MB  unfinished or damaged: {broken}",
    ]


def test_all_are_removed_but_what_is_in_use(home, capsys):
    used = make("used", 1, "/a")
    make("unused", 1000, "/b")
    cache(clear=True)
    printed = capsys.readouterr()
    assert printed.out == f"Removed 1 set of decoded images (3 MB) from {home}.\n"
    assert printed.err == f"Warning: {used.folder} is in use, or may not be removed: kept.\n"
    assert [path.name for path in home.iterdir()] == [used.folder.name]
    del used
    cache(clear=True)
    assert capsys.readouterr().err == ""
    assert list(home.iterdir()) == []

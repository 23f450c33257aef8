"""Whether `data` is a name or a path, and what a path is called."""

import os

import pytest

from vaecli.config.build import resolve
from vaecli.config.config import Config
from vaecli.config.data_paths import LONGEST_NAME, absolute, existing_path, is_path, short_name


def test_a_separator_makes_a_path():
    assert not is_path("mnist")
    assert not is_path("photos.zip")
    assert all(map(is_path, ("./mnist", "a/b", "/", "photos/")))


def test_a_path_becomes_absolute_and_a_name_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert absolute("mnist") == "mnist"
    assert absolute("~/photos") == "/home/me/photos"
    assert (
        absolute("./photos")
        == absolute("photos/")
        == absolute("a/../photos/")
        == (str(tmp_path / "photos"))
    )
    os.symlink(tmp_path, tmp_path / "link")
    assert absolute("./link") == str(tmp_path / "link")  # it may lead elsewhere tomorrow
    assert resolve(Config(data="./photos/")).data == str(tmp_path / "photos")
    assert resolve(Config(data="mnist")).data == "mnist"


def test_on_the_command_line_what_exists_comes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist").mkdir()
    assert existing_path("mnist") == str(tmp_path / "mnist")
    assert existing_path("kmnist") == "kmnist"
    assert existing_path("") == ""
    assert existing_path(".") == str(tmp_path)
    assert existing_path("./mnist") == "./mnist"  # `resolve` makes it absolute


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("mnist", "mnist"),
        ("emnist-letters", "emnist-letters"),
        ("/photos/cats", "cats"),
        ("/photos/my  cats (2)", "my-cats-2"),
        ("/photos/a=b c", "a-b-c"),
        ("/photos/cats.zip", "cats"),
        ("/photos/.hidden", "hidden"),
        ("/photos/cats_v1.2.npz", "cats_v1.2"),
        ("/photos/" + "a" * 300, "a" * LONGEST_NAME),
        ("/photos/" + "a" * (LONGEST_NAME - 1) + "--b", "a" * (LONGEST_NAME - 1)),
        ("/photos/-_.cats._-", "cats"),
        ("/photos/\u65e5\u672c", "images"),
        ("/photos/...", "images"),
        ("/", "images"),
        ("/photos/a\0b", "a-b"),
    ],
)
def test_a_run_is_called_by_the_file_or_folder(path, name):
    assert short_name(path) == name


def test_the_name_of_a_folder_has_no_suffix(tmp_path):
    (tmp_path / "v1.5").mkdir()
    assert short_name(str(tmp_path / "v1.5")) == "v1.5"

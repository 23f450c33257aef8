"""Atomic writes."""

import os

import pytest

from vaecli.system import files
from vaecli.system.errors import ConfigError, ResourceError


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "a"
    for content in (b"one", b"second"):
        files.write_atomic(path, content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path, monkeypatch):
    path = tmp_path / "a"
    files.write_atomic(path, b"old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError, match=r"a \(1,000 bytes\): No space left on device"):
        files.write_atomic(path, b"x" * 1000)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_bytes_are_flushed_to_disk_before_the_rename(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append("fsync"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (events.append("rename"), replace(a, b)))
    files.write_atomic(tmp_path / "a", b"x")
    assert events == ["fsync", "rename", "fsync"]


@pytest.mark.parametrize("place", ["missing/a", "file/a", "."])
def test_a_path_that_cannot_be_written_is_a_config_error(tmp_path, place):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="Cannot write"):
        files.write_atomic(tmp_path / place, b"x")


def test_a_device_is_written_to_directly(full_device):
    with pytest.raises(ResourceError, match=str(full_device)):
        files.write_atomic(full_device, b"x")
    assert full_device.is_char_device()

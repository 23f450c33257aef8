"""Atomic writes."""

import os
from pathlib import Path

import pytest

from tests.processes import posix
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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_is_written_to_directly():
    with pytest.raises(ResourceError, match="/dev/full"):
        files.write_atomic(Path("/dev/full"), b"x")
    assert Path("/dev/full").is_char_device()


def test_a_temporary_file_is_known_by_its_exact_name(tmp_path, monkeypatch):
    made = []
    replace = os.replace

    def watched(temporary, path):
        made.append(files.is_temporary(temporary))
        replace(temporary, path)

    monkeypatch.setattr(os, "replace", watched)
    files.write_atomic(tmp_path / "a", b"x")
    assert made == [True]
    for name in (".tmp-", ".tmp-0123456", ".tmp-012345678", ".tmp-0123456G", "x.tmp-01234567"):
        (tmp_path / name).write_bytes(b"")
        assert not files.is_temporary(tmp_path / name), name
    (tmp_path / ".tmp-00000000").mkdir()
    (tmp_path / ".tmp-00000001").symlink_to("a")
    assert not files.is_temporary(tmp_path / ".tmp-00000000")
    assert not files.is_temporary(tmp_path / ".tmp-00000001")
    assert not files.is_temporary(tmp_path / ".tmp-00000002")


def test_a_log_is_appended_to(tmp_path):
    for line in ("one", "two \udce9"):
        with files.open_log(tmp_path / "log") as log:
            print(line, file=log)
    assert (tmp_path / "log").read_text() == "one\ntwo \\udce9\n"


@posix
@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "pipe"])
def test_a_log_that_is_no_file_is_refused(tmp_path, kind):
    victim = tmp_path / "victim"
    log = tmp_path / "log"
    if kind == "folder":
        log.mkdir()
    elif kind == "pipe":
        os.mkfifo(log)
    else:
        log.symlink_to(victim)
    if kind == "link":
        victim.write_text("precious")
    with pytest.raises(ConfigError, match="log: it is not an ordinary file"):
        files.open_log(log)
    assert not victim.exists() or victim.read_text() == "precious"
    with pytest.raises(ConfigError, match="missing/log: No such file"):
        files.open_log(tmp_path / "missing" / "log")

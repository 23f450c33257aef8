"""Atomic writes, and reads of ordinary files only."""

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


@pytest.mark.parametrize("place", ["missing/a", "file/a", ".", "a" * 300])
def test_a_path_that_cannot_be_written_is_a_config_error(tmp_path, place):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="Cannot write"):
        files.write_atomic(tmp_path / place, b"x")


def test_a_device_is_written_to_directly(full_device):
    with pytest.raises(ResourceError, match=str(full_device)):
        files.write_atomic(full_device, b"x")
    assert full_device.is_char_device()


def test_a_file_of_the_largest_size_is_read_and_a_larger_one_is_not(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"x" * 100)
    assert files.read_file(path, 100) == b"x" * 100
    link = tmp_path / "link"
    link.symlink_to(path)
    assert files.read_file(link, 100) == b"x" * 100
    with pytest.raises(OSError, match="it has more than 99 bytes"):
        files.read_file(path, 99)


def test_of_a_sparse_giant_nothing_is_read(tmp_path, monkeypatch):
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    monkeypatch.setattr(os, "fdopen", lambda *a, real=os.fdopen: Unread(real(*a)))
    with pytest.raises(OSError, match="it has more than 1,000 bytes"):
        files.read_file(path, 1000)


class Unread:
    """A file that must not be read."""

    def __init__(self, file):
        self.file = file
        self.fileno = file.fileno

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        self.file.close()

    def read(self, size):
        raise AssertionError("it was read")


def pipe(path):
    os.mkfifo(path)


def zeros(path):
    path.symlink_to("/dev/zero")


@posix
@pytest.mark.parametrize("make", [Path.mkdir, pipe, zeros])
@pytest.mark.parametrize("use", [lambda path: files.read_file(path, 1000), files.open_log])
def test_what_is_no_ordinary_file_is_neither_read_nor_written(tmp_path, make, use):
    """Nor waited for: a pipe has nobody at its other end."""
    path = tmp_path / "a"
    make(path)
    with pytest.raises(OSError, match=r"it is not an ordinary file|it is a link|directory|device"):
        use(path)


def test_a_log_grows_at_its_end_and_leads_nowhere_else(tmp_path):
    path = tmp_path / "log"
    for line in ("größe", "\udcff"):
        with files.open_log(path) as log:
            print(line, file=log)
    assert path.read_text(encoding="utf-8") == "größe\n\\udcff\n"
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(OSError, match="it is a link"):
        files.open_log(link)


@pytest.mark.parametrize(
    ("content", "value"),
    [(b'{"a": [1, {"b": null}]}', {"a": [1, {"b": None}]}), (b"\xef\xbb\xbf[]", []), ("2", 2)],
)
def test_json_is_read_with_or_without_a_byte_order_mark(content, value):
    assert files.parse_json(content) == value


@pytest.mark.parametrize("text", ['{"a": 1, "b": 2, "a": 1}', '[{"x": {"a": 1, "a": 2}}]'])
def test_an_object_that_names_a_key_twice_is_refused(text):
    with pytest.raises(files.RepeatedKeyError, match="it names 'a' twice"):
        files.parse_json(text)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b"1" * 5_000])
def test_what_is_no_json_is_a_value_error(content):
    with pytest.raises(ValueError, match=r"."):
        files.parse_json(content)


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


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux only")
def test_a_file_that_says_no_size_is_limited_too():
    """As those of /proc, some of which have no end."""
    path = Path("/proc/self/status")
    assert path.stat().st_size == 0
    assert files.read_file(path, 1_000_000).startswith(b"Name:")
    with pytest.raises(OSError, match="it has more than 10 bytes"):
        files.read_file(path, 10)

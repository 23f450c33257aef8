"""The cache of decoded images: whole or not at all, whatever happens while it is made."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from tests.processes import posix, wait_for
from vaecli.data import cache, cache_files
from vaecli.data.cache import Window, cache_key, make_cached, open_cached
from vaecli.data.cache_entries import list_entries, remove_entry
from vaecli.data.mapped import MappedPixels
from vaecli.system.errors import ConfigError, DataError, ResourceError

KEY = cache_key([("a.png", "1"), ("b.png", "1")], 8)
SHAPE = (3, 4, 5)

# A process that makes the images of this module, and waits where the placeholder is.
MAKE = """
import sys, time
import torch
from pathlib import Path
from vaecli.data.cache import Window, make_cached
def windows():
    x = torch.arange(600).remainder(251).byte().view(10, 3, 4, 5)
    yield Window(x[:6], range(6))
    Path(sys.argv[2]).touch()
    {pause}
    yield Window(x[6:], range(6, 10))
made = make_cached(sys.argv[1], 10, (3, 4, 5), windows, {{}})
print(made.mapped.pixels.sum().item())
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("VAECLI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def pixels(count: int = 10) -> torch.Tensor:
    return torch.arange(60 * count).remainder(251).byte().view(count, *SHAPE)


def windows(x: torch.Tensor, size: int = 4):
    """Decodes `x`, some images at a time."""

    def decode():
        for start in range(0, len(x), size):
            part = x[start : start + size]
            yield Window(part, range(start, start + len(part)))

    return decode


def make(x: torch.Tensor | None = None, key: str = KEY, **more) -> cache.Cached:
    x = pixels() if x is None else x
    return make_cached(key, len(x), SHAPE, windows(x), {"source": "/images"}, **more)


def refuse():
    raise AssertionError("they are in the cache already")


def start_making(key: str, flag: Path, pause: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", MAKE.format(pause=pause), key, str(flag)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")


def assert_nothing_is_left(home: Path) -> None:
    assert list(home.glob("*")) == []


def test_what_was_made_is_opened_again():
    assert open_cached(KEY) is None
    made = make()
    for found in (made, open_cached(KEY), make_cached(KEY, 10, SHAPE, refuse, {})):
        assert torch.equal(found.mapped.pixels, pixels())
        assert found.kept.tolist() == list(range(10))
        assert found.description == {"source": "/images"}
        assert found.notices == ()


def test_the_digest_is_that_of_the_shape_and_of_every_chunk(monkeypatch):
    monkeypatch.setattr("vaecli.data.mapped.CHUNK", 4)
    monkeypatch.setattr(cache, "CHUNK", 4)
    mapped = make().mapped
    chunks = [hashlib.sha256(part.numpy().tobytes()).hexdigest() for part in pixels().split(4)]
    wanted = hashlib.sha256(repr(((10, 3, 4, 5), chunks)).encode()).hexdigest()
    assert mapped.digest(mapped.pixels) == wanted
    again = open_cached(KEY).mapped
    assert again.digest(again.pixels) == wanted
    for size in (1, 3, 4, 7):  # however they come
        key = cache_key([(str(size), "")])
        other = make_cached(key, 10, SHAPE, windows(pixels(), size), {}).mapped
        assert other.digest(other.pixels) == wanted


@pytest.mark.parametrize(
    ("part", "read"),
    [
        (slice(0, 8), 0),  # of what is known nothing is read
        (slice(4, 8), 0),
        (slice(4, 10), 0),
        (slice(8, 10), 0),
        (slice(0, 7), 3),
        (slice(0, 2), 2),
        (slice(8, 9), 1),
        (slice(3, 8), 5),
        (slice(3, 10), 7),
    ],
)
def test_a_slice_has_the_digest_that_it_would_have_alone(monkeypatch, part, read):
    monkeypatch.setattr("vaecli.data.mapped.CHUNK", 4)
    monkeypatch.setattr(cache, "CHUNK", 4)
    mapped = make().mapped
    alone = make(pixels()[part].clone(), cache_key([])).mapped
    wanted = alone.digest(alone.pixels)
    released = []
    monkeypatch.setattr(mapped, "release", lambda x: released.append(len(x)))
    assert mapped.digest(mapped.pixels[part]) == wanted
    assert sum(released) == read


def test_images_one_by_one_become_windows(monkeypatch):
    monkeypatch.setattr(cache, "WINDOW", 4)
    x = pixels()
    found = list(cache.windows_of((i, x[i]) for i in (0, 1, 3, 4, 5, 9)))
    assert [list(window.kept) for window in found] == [[0, 1, 3, 4], [5, 9]]
    assert torch.equal(torch.cat([window.pixels for window in found]), x[[0, 1, 3, 4, 5, 9]])


def test_images_that_are_left_out_leave_no_gap():
    x = pixels()

    def some():
        yield Window(x[[0, 2]], [0, 2])
        yield Window(x[:0], [])
        yield Window(x[5:6], [5])

    description = {}
    make_cached(KEY, 8, SHAPE, some, description)
    found = open_cached(KEY)
    assert torch.equal(found.mapped.pixels, x[[0, 2, 5]])
    assert found.kept.tolist() == [0, 2, 5]


def test_a_description_may_be_completed_while_the_images_are_decoded():
    description: dict[str, object] = {"bad": []}

    def decode():
        yield Window(pixels(1), [1])
        description["bad"].append("0.png")

    make_cached(KEY, 2, SHAPE, decode, description)
    assert open_cached(KEY).description == {"bad": ["0.png"]}


def test_if_no_image_is_kept_there_is_no_cache(home):
    with pytest.raises(DataError, match="None of the 4 images could be read"):
        make_cached(KEY, 4, SHAPE, lambda: iter(()), {})
    assert_nothing_is_left(home)


@pytest.mark.parametrize("error", [DataError("x is damaged"), KeyboardInterrupt(), OSError("x")])
def test_an_error_while_decoding_leaves_nothing(home, error):
    def decode():
        yield Window(pixels(1), [0])
        raise error

    with pytest.raises(type(error)):
        make_cached(KEY, 2, SHAPE, decode, {})
    assert_nothing_is_left(home)


def test_an_error_while_what_was_damaged_is_made_anew_leaves_nothing_new(home):
    make()
    damage_index(home / KEY)

    def decode():
        yield Window(pixels(1), [0])
        raise DataError("x is damaged")

    with pytest.raises(DataError):
        make_cached(KEY, 2, SHAPE, decode, {})
    assert not list(home.rglob(".tmp-*"))


def test_the_key_is_that_of_every_name_stamp_and_option_and_of_their_order():
    items = [("a", "1"), ("b", "1")]
    others = [
        cache_key(items[::-1], 8),
        cache_key(items[:1], 8),
        cache_key([("a", "1"), ("b", "2")], 8),
        cache_key([("a", "1"), ("c", "1")], 8),
        cache_key(items, 9),
        cache_key(items, "8"),
        cache_key(items, 8, 8),
        cache_key([("a\udcff", "1"), ("b", "1")], 8),  # no UTF-8, as a name may be
    ]
    found = cache_key(items, 8)
    assert found == cache_key(iter(items), 8)
    assert len({found, *others}) == 9
    assert len(found) == 64


def test_the_size_alone_decides_whether_images_are_cached():
    assert not cache.needs_cache(2**20, (1, 32, 32))
    assert cache.needs_cache(2**20 + 1, (1, 32, 32))


def test_the_folder_is_that_of_the_user(monkeypatch, tmp_path):
    assert cache_files.cache_folder() == tmp_path / "cache"
    monkeypatch.setenv("VAECLI_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_files.cache_folder() == tmp_path / "vaecli"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the standard says to ignore it
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "me"))
    assert cache_files.cache_folder() == tmp_path / "me" / ".cache" / "vaecli"


def damage_size(folder: Path) -> None:
    os.truncate(folder / "pixels.bin", 599)


def damage_index(folder: Path) -> None:
    (folder / "index.json").write_bytes(b'{"format": 1')


def change_index(**values):
    def change(folder: Path) -> None:
        path = folder / "index.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return change


def remove_pixels(folder: Path) -> None:
    (folder / "pixels.bin").unlink()


def put_a_pipe(folder: Path) -> None:
    remove_pixels(folder)
    os.mkfifo(folder / "pixels.bin")


DAMAGES = [
    damage_size,
    damage_index,
    remove_pixels,
    change_index(format=0),
    change_index(shape=[10, 3, 4]),
    change_index(shape=[10, 3, 4, 5.0]),
    change_index(shape=[-10, -3, 4, 5]),
    change_index(shape=None),
    change_index(shape=[0, 3, 4, 5]),
    change_index(chunks=None),
    change_index(chunks=[1]),
    change_index(chunks=[]),
    change_index(left_out=[11]),
    change_index(left_out=[1, 1]),
    change_index(left_out=[-1]),
    change_index(description=[]),
]


@pytest.mark.parametrize("damage", [*DAMAGES, pytest.param(put_a_pipe, marks=posix)])
def test_what_is_damaged_is_made_anew_with_a_notice(home, damage):
    make()
    damage(home / KEY)
    assert open_cached(KEY) is None
    again = make()
    assert torch.equal(again.mapped.pixels, pixels())
    [notice] = again.notices
    assert notice.startswith(f"The decoded images in {home / KEY} were damaged (")
    assert notice.endswith("): they were made anew.")
    assert open_cached(KEY).notices == ()


@pytest.mark.slow
def test_a_killed_process_leaves_nothing_for_long(home, tmp_path):
    flag = tmp_path / "flag"
    other = cache_key([("c", "1")])
    for key in (KEY, other):
        process = start_making(key, flag, "time.sleep(300)")
        wait_for(flag)
        flag.unlink()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert list((home / key).glob(".tmp-*"))
        assert open_cached(key) is None
    assert torch.equal(make().mapped.pixels, pixels())
    assert not list(home.rglob(".tmp-*"))
    assert {path.name for path in (home / KEY).iterdir()} <= {"pixels.bin", "index.json", ".lock"}


@pytest.mark.slow
def test_of_two_processes_one_decodes_and_one_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_files, "POLL_INTERVAL", 0.02)
    flag = tmp_path / "flag"
    process = start_making(KEY, flag, "\n    while Path(sys.argv[2]).exists(): time.sleep(0.02)")
    wait_for(flag)
    waits = []

    def go_on():
        waits.append(open_cached(KEY))
        flag.unlink()

    found = make_cached(KEY, 10, SHAPE, refuse, {}, on_wait=go_on)
    assert waits == [None]  # never half of them
    assert torch.equal(found.mapped.pixels, pixels())
    assert process.communicate()[0] == f"{pixels().sum()}\n"


def test_who_waits_decodes_if_the_other_fails(home, monkeypatch):
    monkeypatch.setattr(cache_files, "POLL_INTERVAL", 0.02)
    began, fail = threading.Event(), threading.Event()

    def decode():
        began.set()
        fail.wait(60)
        raise DataError("damaged")
        yield

    def first():
        with pytest.raises(DataError):
            make_cached(KEY, 10, SHAPE, decode, {})

    thread = threading.Thread(target=first)
    thread.start()
    began.wait(60)
    found = make(on_wait=fail.set)
    thread.join()
    assert torch.equal(found.mapped.pixels, pixels())
    assert open_cached(KEY) is not None


def test_who_waits_gets_what_the_other_decodes(monkeypatch):
    monkeypatch.setattr(cache_files, "POLL_INTERVAL", 0.02)
    began, go_on = threading.Event(), threading.Event()

    def decode():
        yield Window(pixels(4), range(4))
        began.set()
        go_on.wait(60)
        yield Window(pixels()[4:], range(4, 10))

    thread = threading.Thread(target=lambda: make_cached(KEY, 10, SHAPE, decode, {}))
    thread.start()
    began.wait(60)
    found = make_cached(KEY, 10, SHAPE, refuse, {}, on_wait=go_on.set)
    thread.join()
    assert torch.equal(found.mapped.pixels, pixels())


def test_what_killed_processes_left_is_removed_when_others_are_made(home):
    other = home / cache_key([])
    other.mkdir(parents=True)
    for name in (".tmp-0123abcd", ".tmp-of-the-user"):
        (other / name).write_bytes(b"half")
    make()
    assert [path.name for path in other.glob(".tmp-*")] == [".tmp-of-the-user"]


@contextmanager
def full_disk(limit: int):
    """No file may grow beyond this size: to the program it is as if the disk were full."""
    import resource

    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


@posix
@pytest.mark.parametrize(("limit", "reached"), [(200, "bytes"), (600, "index")])
def test_a_disk_that_becomes_full_leaves_nothing(home, limit, reached):
    key = cache_key([(reached, "")])
    description = {"source": "/images" * 100}
    with pytest.raises(ResourceError) as failed, full_disk(limit):
        make_cached(key, 10, SHAPE, windows(pixels(), 1), description)
    said = str(failed.value)
    if reached == "bytes":
        assert said.startswith(f"Cannot write decoded images to {home / key} (after 200 bytes): ")
        assert said.endswith(". Set VAECLI_CACHE to another folder.")
    else:
        assert said.startswith(f"Cannot write {home / key}/index.json (")
    assert_nothing_is_left(home)


def test_a_disk_without_room_is_found_before_anything_is_decoded(home):
    with pytest.raises(ResourceError, match=r"needs about .* MB are left\. Set VAECLI_CACHE to"):
        make_cached(KEY, 10**15, SHAPE, refuse, {})
    assert_nothing_is_left(home)


def test_a_folder_that_cannot_be_made_is_named(home):
    home.write_bytes(b"a file")
    with pytest.raises(ConfigError, match=f"Cannot write to the cache of decoded images, {home}"):
        make()
    assert home.read_bytes() == b"a file"


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_folder_that_is_read_only_is_the_users_to_mend(home, monkeypatch, number):
    """Only root can make one for a test, so the refusal is made here."""

    def refuse_folder(path, mode=0o777):
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(os, "mkdir", refuse_folder)
    kind = ResourceError if number == errno.ENOSPC else ConfigError
    with pytest.raises(kind) as failed:
        make()
    assert str(failed.value) == (
        f"Cannot write to the cache of decoded images, {home}: {os.strerror(number)}. "
        "Set VAECLI_CACHE to another folder."
    )


@posix
def test_others_may_not_write(home):
    old = os.umask(0)
    try:
        make()
    finally:
        os.umask(old)
    for path in (home, *home.rglob("*")):
        if path.name != ".lock":  # it is empty
            assert path.stat().st_mode & 0o022 == 0, path


def test_the_entries_are_listed_with_the_last_used_first(home):
    assert list_entries() == []
    other = cache_key([])
    make()
    make(pixels(3), other)
    (home / "of the user").mkdir()
    for key, used in ((KEY, 1000), (other, 2000)):
        os.utime(home / key / "index.json", (used, used))
    second, first = list_entries()
    assert [first.folder, second.folder] == [home / KEY, home / other]
    assert (first.shape, first.used) == ((10, 3, 4, 5), 1000)
    assert first.description == {"source": "/images"}
    assert 600 < first.size < 2000
    open_cached(KEY)
    assert list_entries()[0].folder == home / KEY
    assert list_entries()[0].used > time.time() - 3600
    damage_index(home / other)
    assert [entry.shape for entry in list_entries()] == [(10, 3, 4, 5), None]


def test_what_is_in_use_is_not_removed_and_what_is_not_vaeclis_stays(home):
    found = make().mapped.pixels[2:3]  # a part of the images is a use too
    make(pixels(2), cache_key([]))
    (home / KEY / "mine").write_bytes(b"mine")
    (home / "mine").mkdir()
    outcomes = {entry.folder.name: remove_entry(entry) for entry in list_entries()}
    assert outcomes == {KEY: os.name == "nt", cache_key([]): True} or outcomes[KEY] is False
    assert torch.equal(open_cached(KEY).mapped.pixels, pixels())
    assert torch.equal(found, pixels()[2:3])
    del found
    [entry] = list_entries()
    assert remove_entry(entry)
    assert {path.name for path in home.rglob("*")} == {KEY, "mine"}
    assert (home / KEY / "mine").read_bytes() == b"mine"


@posix
def test_a_link_is_no_part_of_the_cache(home, tmp_path):
    make()
    (home / KEY).rename(tmp_path / "moved")
    (home / KEY).symlink_to(tmp_path / "moved")
    assert list_entries() == []
    assert (tmp_path / "moved" / "pixels.bin").exists()


def test_images_that_are_being_decoded_are_not_removed(home):
    outcomes = []

    def decode():
        yield Window(pixels(10), range(10))
        outcomes.extend(remove_entry(entry) for entry in list_entries())

    def run():
        make_cached(KEY, 10, SHAPE, decode, {})

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert outcomes == [False]
    assert open_cached(KEY) is not None


def test_what_a_killed_process_left_can_be_removed(home):
    (home / KEY).mkdir(parents=True)
    (home / KEY / ".tmp-0123abcd").write_bytes(b"half")
    [entry] = list_entries()
    assert (entry.size, entry.shape) == (4, None)
    assert remove_entry(entry)
    assert_nothing_is_left(home)


@pytest.mark.skipif(sys.platform != "linux", reason="not every system has files with holes")
def test_a_file_may_be_larger_than_memory(tmp_path):
    size = 2**42  # 4 TiB, all holes
    with (tmp_path / "file").open("wb+") as file:
        file.truncate(size)
        mapped = MappedPixels(file.fileno(), (2**20, 1, 2**11, 2**11), [])
    assert mapped.pixels[-1].sum() == 0
    assert mapped.pixels.nbytes == size


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_pages_that_were_read_stay_clean_and_are_released():
    """Else the system could not drop them when memory is short."""
    count = 20_000
    mapped = make(pixels(count)).mapped

    def resident(kind: str) -> int:
        part = Path("/proc/self/smaps").read_text().partition("pixels.bin")[2]
        return int(part.partition(f"{kind}:")[2].split()[0]) * 1024

    assert mapped.pixels.sum(dtype=torch.int64) == pixels(count).sum(dtype=torch.int64)
    assert resident("Rss") == pytest.approx(60 * count, abs=8192)
    assert resident("Private_Dirty") == 0
    mapped.release(mapped.pixels[: count // 2])
    assert resident("Rss") == pytest.approx(30 * count, abs=8192)
    mapped.read_ahead(mapped.pixels[3:-3])
    assert torch.equal(mapped.pixels, pixels(count))

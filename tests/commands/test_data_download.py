"""`vaecli data download`, from a server on this machine."""

import errno
import signal
import socket
import threading

import pytest
from filelock import FileLock

from tests.downloads import COUNTS, TinySet, serve
from tests.processes import begin, end
from tests.runs import contents
from vaecli.data import download as downloads
from vaecli.data.readers.public_sets import PUBLIC_SETS


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with serve() as running:
        yield running


@pytest.fixture
def offer(server, monkeypatch):
    """Make a tiny data set and serve its files: `offer("cifar10")`."""

    def make(name):
        made = TinySet(name, monkeypatch, server.url)
        server.files = dict(made.files)
        return made

    return make


@pytest.mark.parametrize("name", PUBLIC_SETS)
def test_a_data_set_is_downloaded_once_and_trained_on(cli, offer, server, tmp_path, name):
    made = offer(name)
    done = cli("data", "download", name, "--data-dir", tmp_path)
    assert (done.status, done.out) == (0, f"{tmp_path}\n")
    assert [request for request, _ in server.requests] == list(made.files)
    lines = done.err.splitlines()
    channels, height, width = made.pixels["train"].shape[1:]
    colour = {1: "grey", 3: "colour"}[channels]
    assert f"{name}: 10 training and 5 test images, {colour}, {width}x{height} pixels" in lines[-3]
    assert lines[-2].startswith(f"From {PUBLIC_SETS[name].page}")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]

    before = contents(tmp_path)
    again = cli("data", "download", name, "--data-dir", tmp_path)
    assert (again.status, again.out) == (0, done.out)
    assert "nothing was downloaded" in again.err
    assert contents(tmp_path) == before
    assert len(server.requests) == len(made.files)

    command = lines[-1].removeprefix("Train on it with: vaecli ").split()
    assert command == ["train", "--data", name, "--data-dir", str(tmp_path)]
    assert cli(*command, "--dry-run", "--network", "mlp:width=4").status == 0


def test_progress_is_one_line_for_each_file_without_control_characters(cli, offer, tmp_path):
    made = offer("svhn")
    done = cli("data", "download", "svhn", "--data-dir", tmp_path)
    lines = done.err.splitlines()
    assert [line.split(" (")[0] for line in lines[:3]] == [
        *(f"Downloading {file}" for file in made.files),
        "Unpacking and checking ...",
    ]
    assert "\x1b" not in done.err
    assert "\r" not in done.err
    assert lines[-2].endswith("housenumbers/ (non-commercial use only)")


def test_without_a_folder_it_goes_to_the_default_one(cli, offer, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    offer("usps")
    done = cli("data", "download", "usps")
    assert done.out == f"{tmp_path / 'vaecli'}\n"
    assert done.err.endswith("Train on it with: vaecli train --data usps\n")
    assert {path.name for path in (tmp_path / "vaecli").iterdir()} == {"usps.bz2", "usps.t.bz2"}


def test_mnist_needs_no_download(cli, server):
    done = cli("data", "download", "mnist")
    assert done.status == 0
    assert done.err.startswith("mnist: 60,000 training and 10,000 test images, grey, 28x28 pixels")
    assert server.requests == []


def test_files_that_were_put_there_are_unpacked_without_a_network(cli, tmp_path, monkeypatch):
    made = TinySet("cifar100", monkeypatch, "http://nowhere.invalid")
    made.place(tmp_path)
    given = contents(tmp_path)
    done = cli("data", "download", "cifar100", "--data-dir", tmp_path)
    assert done.status == 0, done.err
    for path, content in given.items():
        assert path.read_bytes() == content


def assert_failed(done, status, *reasons):
    assert (done.status, done.out) == (status, "")
    (line,) = [line for line in done.err.splitlines() if line[-4:] != " ..."]
    assert line.startswith("Error: ")
    for reason in reasons:
        assert reason in line


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (404, "the server answers 404 Not Found"),
        (403, "the server answers 403 Forbidden"),
        (500, "the server answers 500 Internal Server Error"),
        ("short", "the connection ended after "),
        ("silent", "no answer for 0.1 s"),
        ("endless", "it has more than 1,000,000 bytes"),
    ],
)
def test_a_failing_server_is_one_sentence(cli, offer, server, tmp_path, monkeypatch, fault, reason):
    monkeypatch.setattr(downloads, "TIMEOUT", 0.1)
    offer("usps")
    monkeypatch.setitem(PUBLIC_SETS, "usps", downloads.PublicSet("USPS", page="", disk=1_000_000))
    server.faults["usps.t.bz2"] = fault
    done = cli("data", "download", "usps", "--data-dir", tmp_path)
    assert_failed(done, 3, f"Cannot download usps.t.bz2. {server.url}/usps.t.bz2: {reason}")
    assert f"put the file into {tmp_path} by other means" in done.err
    assert [path.name for path in tmp_path.iterdir()] == [".download-usps"]

    server.faults.clear()
    server.requests.clear()
    assert cli("data", "download", "usps", "--data-dir", tmp_path).status == 0
    assert {name for name, _ in server.requests} == {"usps.t.bz2"}  # the other one was kept
    assert {path.name for path in tmp_path.iterdir()} == {"usps.bz2", "usps.t.bz2"}


def test_a_download_goes_on_where_it_stopped(cli, offer, server, tmp_path):
    made = offer("cifar10")
    (name,) = made.files
    server.faults[name] = "short"
    assert cli("data", "download", "cifar10", "--data-dir", tmp_path).status == 3
    server.faults.clear()
    assert cli("data", "download", "cifar10", "--data-dir", tmp_path).status == 0
    half = len(made.files[name]) // 2
    assert server.requests == [(name, None), (name, f"bytes={half}-")]


def test_a_server_that_ignores_ranges_sends_all_again(cli, offer, server, tmp_path):
    made = offer("cifar10")
    (name,) = made.files
    server.faults[name] = "short"
    assert cli("data", "download", "cifar10", "--data-dir", tmp_path).status == 3
    server.faults[name] = "whole"
    assert cli("data", "download", "cifar10", "--data-dir", tmp_path).status == 0


def test_a_part_of_another_file_is_thrown_away(cli, offer, server, tmp_path):
    made = offer("cifar10")
    (name,) = made.files
    part = tmp_path / ".download-cifar10" / f"{name}.part"
    part.parent.mkdir()
    part.write_bytes(b"other")
    done = cli("data", "download", "cifar10", "--data-dir", tmp_path)
    assert_failed(done, 3, "is another file than torchvision expects: its checksum differs")
    assert not part.parent.exists()
    part.parent.mkdir()
    part.write_bytes(b"longer" + made.files[name])
    server.faults[name] = 416
    assert cli("data", "download", "cifar10", "--data-dir", tmp_path).status == 3
    server.faults.clear()
    assert cli("data", "download", "cifar10", "--data-dir", tmp_path).status == 0


def test_another_file_never_reaches_the_folder(cli, offer, server, tmp_path):
    made = offer("fashion-mnist")
    name = next(iter(made.files))
    server.files[name] = b"<html>Please log in.</html>"
    done = cli("data", "download", "fashion-mnist", "--data-dir", tmp_path / "new")
    assert_failed(done, 3, f"{name} is another file than torchvision expects")
    assert list(tmp_path.iterdir()) == []


def test_damaged_files_are_replaced(cli, offer, tmp_path):
    made = offer("kmnist")
    assert cli("data", "download", "kmnist", "--data-dir", tmp_path).status == 0
    good = contents(tmp_path)
    for path in good:
        path.write_bytes(b"")
    done = cli("data", "download", "kmnist", "--data-dir", tmp_path)
    assert done.status == 0
    assert contents(tmp_path) == good
    assert len(good) == len(made.files)


def test_the_second_mirror_is_tried(cli, offer, server, tmp_path, monkeypatch):
    made = offer("fashion-mnist")
    monkeypatch.setattr(made.kind, "mirrors", ["http://127.0.0.1:9/", f"{server.url}/"])
    assert cli("data", "download", "fashion-mnist", "--data-dir", tmp_path).status == 0
    monkeypatch.setattr(made.kind, "mirrors", ["http://127.0.0.1:9/a/", "http://127.0.0.1:9/b/"])
    done = cli("data", "download", "fashion-mnist", "--data-dir", tmp_path / "x")
    assert_failed(done, 3, "9/a/train-images", "9/b/train-images", "Connection refused")


def test_no_network_is_one_sentence(cli, tmp_path, monkeypatch):
    TinySet("cifar10", monkeypatch, "https://nowhere.invalid")

    def lost(*arguments, **options):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lost)
    done = cli("data", "download", "cifar10", "--data-dir", tmp_path)
    assert_failed(done, 3, "https://nowhere.invalid/cifar-10-python.tar.gz: Name or service not")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_found_before(cli, offer, server, tmp_path, monkeypatch):
    offer("cifar10")
    chosen = downloads.PublicSet("CIFAR10", page="", disk=10**18)
    monkeypatch.setitem(PUBLIC_SETS, "cifar10", chosen)
    done = cli("data", "download", "cifar10", "--data-dir", tmp_path)
    assert_failed(done, 6, "needs about 1,000,000,000,000 MB of disk")
    assert server.requests == []


def test_a_disk_that_fills_is_status_6(cli, offer, tmp_path, full_device):
    """Also where a file is so small that it would stay in a buffer until it is closed."""
    for name in ("usps", "cifar10"):
        made = offer(name)
        part = tmp_path / f".download-{name}" / f"{next(iter(made.files))}.part"
        part.parent.mkdir()
        part.symlink_to(full_device)
        done = cli("data", "download", name, "--data-dir", tmp_path)
        assert_failed(done, 6, f"Cannot write {part}: No space left on device.")


def test_a_disk_that_fills_while_unpacking_is_status_6(cli, offer, tmp_path, monkeypatch):
    def unpack(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    offer("cifar10")
    monkeypatch.setattr(downloads, "unpack", unpack)
    done = cli("data", "download", "cifar10", "--data-dir", tmp_path)
    assert_failed(done, 6, "Cannot write ", "No space left on device")


def test_a_folder_that_cannot_be_written_is_status_2(cli, offer, server, tmp_path):
    offer("usps")
    file = tmp_path / "file"
    file.touch()
    assert_failed(cli("data", "download", "usps", "--data-dir", file), 2, f"Cannot write {file}")
    assert server.requests == []


def test_two_downloads_of_one_set_do_not_meet(cli, offer, tmp_path):
    offer("usps")
    staging = tmp_path / ".download-usps"
    staging.mkdir()
    with FileLock(staging / "lock"):
        done = cli("data", "download", "usps", "--data-dir", tmp_path)
        assert_failed(done, 2, f"Another process is downloading usps into {tmp_path}")
    assert cli("data", "download", "usps", "--data-dir", tmp_path).status == 0


def test_an_interrupt_keeps_what_is_complete(cli, offer, server, tmp_path, monkeypatch):
    made = offer("usps")
    real = downloads.urlopen

    def interrupted(request, **options):
        if "usps.t" in request.full_url:
            raise KeyboardInterrupt
        return real(request, **options)

    monkeypatch.setattr(downloads, "urlopen", interrupted)
    done = cli("data", "download", "usps", "--data-dir", tmp_path)
    assert (done.status, done.out) == (130, "")
    assert done.err.endswith("Stopped by SIGINT. Run the command again to go on.\n")
    assert (tmp_path / ".download-usps/usps.bz2").read_bytes() == made.files["usps.bz2"]
    monkeypatch.setattr(downloads, "urlopen", real)
    assert cli("data", "download", "usps", "--data-dir", tmp_path).status == 0
    assert [name for name, _ in server.requests] == list(made.files)


def test_what_a_stopped_unpacking_left_is_not_used(cli, offer, tmp_path):
    """torchvision itself takes any file of this name for a complete one."""
    offer("emnist-digits")
    left = tmp_path / ".download-emnist-digits/unpacked/EMNIST/raw"
    left.mkdir(parents=True)
    for split in COUNTS:
        for kind in ("images-idx3", "labels-idx1"):
            (left / f"emnist-digits-{split}-{kind}-ubyte").write_bytes(b"half")
    assert cli("data", "download", "emnist-digits", "--data-dir", tmp_path).status == 0


FAULT = """
from torchvision import datasets
for row in datasets.USPS.split_list.values():
    row[0] = {url!r}
"""


@pytest.mark.slow
def test_ctrl_c_ends_a_silent_download(server, tmp_path):
    server.faults["usps.bz2"] = "silent"
    fault = FAULT.format(url=f"{server.url}/usps.bz2")
    process = begin("data", "download", "usps", "--data-dir", tmp_path, fault=fault)
    while not server.requests:
        threading.Event().wait(0.05)
    process.send_signal(signal.SIGINT)
    done = end(process)
    assert (done.status, done.out) == (130, "")
    assert done.err == "Stopped by SIGINT. Run the command again to go on.\n"
    assert list(tmp_path.iterdir()) == []

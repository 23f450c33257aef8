"""Small images, and a run trained on them through the command line."""

import gzip
import os
import shutil
import stat
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

pytest.register_assert_rewrite("tests.processes", "tests.runs")

from vaecli import commands  # noqa: E402
from vaecli.data.images import Images  # noqa: E402

SIZE = 8  # pixels on each side
TINY = ("--network", "mlp:width=16,depth=1", "--latent-dim", "3", "--batch-size", "32")


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """With tensors this small a second thread costs more time than it saves."""
    torch.set_num_threads(1)


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


def bars(count: int, size: int = SIZE, seed: int = 0) -> Images:
    """Images of one bright row (label 0) or column (label 1), shape `(count, 1, size, size)`."""
    random = np.random.default_rng(seed)
    x = np.zeros((count, 1, size, size), np.uint8)
    labels = random.integers(0, 2, count)
    for image, label in zip(x, labels, strict=True):
        place = random.integers(size)
        image[0][(place, slice(None)) if label == 0 else (slice(None), place)] = 255
    return Images(torch.from_numpy(x), torch.from_numpy(labels.astype(np.uint8)))


def idx(array: np.ndarray) -> bytes:
    """The bytes of an IDX file, written independently of the reader."""
    sizes = b"".join(struct.pack(">i", n) for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def write_idx(folder: Path, train: int = 96, test: int = 40, zipped: bool = True) -> Path:
    """A folder of the four MNIST-format files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, images in (("train", bars(train)), ("t10k", bars(test, seed=1))):
        pixels = images.x.squeeze(1).numpy()
        for kind, array in (("images-idx3", pixels), ("labels-idx1", images.labels.numpy())):
            path = folder / f"{name}-{kind}-ubyte"
            if zipped:
                path.with_name(path.name + ".gz").write_bytes(gzip.compress(idx(array)))
            else:
                path.write_bytes(idx(array))
    return folder


@pytest.fixture(scope="session")
def digits(tmp_path_factory) -> Path:
    return write_idx(tmp_path_factory.mktemp("digits"))


def vaecli(*arguments) -> int:
    """Run the command line in this process; its exit status."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["vaecli", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            commands.main()
    return stopped.value.code or 0


@pytest.fixture
def cli(capsys):
    """Run the command line and read what it prints: `cli("train", "--epochs", 2).status`."""

    def run(*arguments) -> Outcome:
        capsys.readouterr()
        status = vaecli(*arguments)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Outcome(status, out, err)

    return run


@pytest.fixture
def full_device(tmp_path) -> Path:
    """A device that is always full, as /dev/full; of our own, since root could replace that one."""
    path = tmp_path / "full"
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 7))
        path.open("wb").close()
    except (AttributeError, OSError) as error:  # not Linux, not root, or a disk without devices
        pytest.skip(f"needs a device of its own: {error}")
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory, digits) -> Path:
    """A run directory of two epochs; do not write to it."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    options = ("-q", "--epochs", 2, "--data-dir", digits, *TINY, "--run-dir", folder)
    assert vaecli("train", *options) == 0
    return folder


@pytest.fixture
def run_dir(trained, tmp_path) -> Path:
    """A copy of the trained run, to write to."""
    return Path(shutil.copytree(trained, tmp_path / "run"))

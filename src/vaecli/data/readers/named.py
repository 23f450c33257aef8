"""Data sets by name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import Tensor

from ...system.errors import ConfigError, DataError
from . import idx

EMBEDDED = Path(__file__).parent.parent / "mnist"


def _mnist(directory: Path | None, split: str) -> tuple[Tensor, Tensor]:
    return idx.read_split(directory or EMBEDDED, split)


def _torchvision(kind: str, url: str, directory: Path | None, split: str) -> tuple[Tensor, Tensor]:
    """What torchvision has downloaded to `directory`; vaecli itself never downloads."""
    folder = (directory or Path()) / kind / "raw"
    get = f"torchvision.datasets.{kind}({str(directory or '.')!r}, download=True)"
    files = ", ".join(f"{part}-{what}.gz" for part in idx.NAMES.values() for what in idx.KINDS)
    advice = (
        f'Get it with: python -c "import torchvision; {get}" (it keeps what is in {folder}, so '
        f"remove damaged files first), or put there {files} from {url}"
    )
    if directory is None:
        raise ConfigError(f"{kind} needs data_dir, the folder that holds it. {advice}")
    try:
        return idx.read_split(folder, split)
    except DataError as error:
        raise DataError(f"Cannot read {kind}: {error} {advice}") from error


READERS: dict[str, Callable[[Path | None, str], tuple[Tensor, Tensor]]] = {
    "mnist": _mnist,
    "fashion-mnist": partial(
        _torchvision, "FashionMNIST", "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
    ),
    "kmnist": partial(_torchvision, "KMNIST", "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"),
}

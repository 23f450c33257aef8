"""Data sets by name."""

import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import Tensor

from ...config.spec import lookup
from ...system.errors import ConfigError, DataError
from . import idx
from .public_sets import PUBLIC_SETS, IdxFiles, PublicSet, default_folder

Reader = Callable[[Path | None, str], tuple[Tensor, Tensor]]


class Readers(dict[str, Reader]):
    """Readers by the name of their data set; an unknown name is refused with the nearest one."""

    def __missing__(self, name: str) -> Reader:
        try:
            return lookup(self, name, "data set")
        except ConfigError as error:
            raise ConfigError(
                f"{error} A file or folder is named with a slash, as in ./photos."
            ) from None


DIGITS = 10  # classes of the data sets whose classes have no names
BUNDLED_MNIST = Path(__file__).parent.parent / "mnist"


def _read_mnist(directory: Path | None, split: str) -> tuple[Tensor, Tensor]:
    return idx.read_split(directory or BUNDLED_MNIST, split)


def class_names(name: str) -> tuple[str, ...]:
    """The names of the classes of a data set, in the order of its labels; empty for digits."""
    return PUBLIC_SETS[name].class_names if name in PUBLIC_SETS else ()


def _read_public(name: str, directory: Path | None, split: str) -> tuple[Tensor, Tensor]:
    """A data set as torchvision stores it; only `vaecli data download` downloads.

    Args:
        name: Its name in `PUBLIC_SETS`.
        directory: The `root` of the torchvision class; None for the default folder.
        split: "train" or "test".
    """
    chosen = PUBLIC_SETS[name]
    folder = directory or default_folder()
    try:
        if chosen.idx is None:
            from . import torchvision_sets

            return torchvision_sets.read_split(chosen, folder, split)
        return _read_idx(chosen, chosen.idx, folder / chosen.kind / "raw", split)
    except DataError as error:
        advice = f"Get it with: {download_command(name, directory)}"
        raise DataError(f"{error} {advice} ({_describe_files(chosen, folder)})") from error


def _read_idx(
    chosen: PublicSet, files: IdxFiles, folder: Path, split: str
) -> tuple[Tensor, Tensor]:
    prefix = getattr(files, split)
    names = (f"{prefix}-images-idx3-ubyte", f"{prefix}-{files.labels}")
    images_path, labels_path = (idx.find_in(folder, name) for name in names)
    if images_path is None or labels_path is None:
        missing = names[images_path is not None]
        raise DataError(f"{folder} has no file {missing} or {missing}.gz.")
    pixels, labels = idx.read_pair(images_path, labels_path)
    last = files.first_label + (len(chosen.class_names) or DIGITS) - 1
    if labels.min() < files.first_label or labels.max() > last:
        raise DataError(
            f"{labels_path} has labels from {labels.min()} to {labels.max()}, not from "
            f"{files.first_label} to {last}."
        )
    if files.transposed:
        pixels = pixels.mT.contiguous()
    return pixels, labels - files.first_label


def download_command(name: str, directory: Path | None) -> str:
    """The command that downloads a data set into a folder, or into the default one."""
    option = f" --data-dir {shlex.quote(str(directory))}" if directory else ""
    return f"vaecli data download {name}{option}"


def _describe_files(chosen: PublicSet, folder: Path) -> str:
    """What to do without a network."""
    from .torchvision_sets import archives

    found = archives(chosen)
    names = ", ".join(archive.path.name for archive in found)
    source = found[0].urls[0].rpartition("/")[0]
    return (
        f"without a network, first put {names} from {source}/ into {folder / found[0].path.parent}"
    )


READERS = Readers(
    {
        "mnist": _read_mnist,
        **{name: partial(_read_public, name) for name in PUBLIC_SETS},
    }
)

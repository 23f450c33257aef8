"""Opens what `--data` names: a data set by name, or the images of the user."""

from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from ..config.config import Config
from ..config.data_paths import absolute, is_path
from ..system.errors import DataError
from .images import Images, count_classes
from .load_log import LoadLog
from .own_images import OwnImages
from .preparation import prepare_pixels
from .readers import idx
from .readers.formats import CAN_BE_READ
from .readers.named import READERS, class_names


class Source(Protocol):
    """A data set: `data` of a configuration.

    Attributes:
        class_names: Names of the classes, in the order of their labels; empty without names.
        has_validation: Whether it has validation images of its own, the last of the training file.
    """

    class_names: tuple[str, ...]
    has_validation: bool

    def read(self, file: str) -> Images:
        """The images of "train" or "test", with their labels.

        The training file ends with the validation images.
        """

    def count_classes(self, labels: Tensor) -> int:
        """Number of classes, if these are the labels that are used of a file."""

    def findings(self) -> dict[str, Any]:
        """Fields of the configuration that follow from the images, once these have been read."""


class NamedSet:
    """A data set by name, or a folder of MNIST-format files."""

    has_validation = False

    def __init__(self, config: Config) -> None:
        self._config = config
        self.class_names = class_names(config.data)

    def read(self, file: str) -> Images:
        data, directory = self._config.data, self._config.data_dir
        if is_path(data):
            pixels, labels = idx.read_split(Path(data), file)
        else:
            pixels, labels = READERS[data](None if directory is None else Path(directory), file)
        if pixels.ndim == 3:
            pixels = pixels.unsqueeze(1)
        return Images(prepare_pixels(pixels, self._config), labels)

    def count_classes(self, labels: Tensor) -> int:
        return len(self.class_names) or count_classes(labels)

    def findings(self) -> dict[str, Any]:
        return {}


def open_source(config: Config, log: LoadLog) -> Source:
    """The data set of a configuration.

    Args:
        config: Its `data` is a name, or a path, in which `~` is the home folder.
        log: Gets notices, and hears of the progress.

    Raises:
        DataError: There are no images.
    """
    if not is_path(config.data):
        if config.data not in READERS and Path(config.data).suffix:
            raise DataError(f"There is no file {config.data}: choose {CAN_BE_READ}.")
        return NamedSet(config)
    if config.data_dir is not None:
        log.notices.append(f"data_dir={config.data_dir!r} is not used: data is a path.")
    config = config.with_values(data=absolute(config.data))  # in Python it may be as it was typed
    return NamedSet(config) if idx.is_in(Path(config.data)) else OwnImages(config, log)

"""The table of data sets that `vaecli data download` gets; it imports no torch, for quick help.

Where the files are downloaded from, and their checksums, stand in the classes of torchvision.
"""

import os
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...system.errors import ConfigError

Arguments = Mapping[str, Mapping[str, object]]  # of a class of torchvision, by split

BY_TRAIN: Arguments = {"train": {"train": True}, "test": {"train": False}}
BY_SPLIT: Arguments = {"train": {"split": "train"}, "test": {"split": "test"}}


@dataclass(frozen=True)
class IdxFiles:
    """How IDX files are named, and how they differ from those of MNIST.

    Attributes:
        train: First part of the names of the training files, before `-images-idx3-ubyte`.
        test: The same of the test files.
        labels: Last part of the names of the label files. Labels of the type `int` have several
            columns, of which the first is the class.
        first_label: Number of the first class.
        transposed: Whether an image is stored column by column.
    """

    train: str = "train"
    test: str = "t10k"
    labels: str = "labels-idx1-ubyte"
    first_label: int = 0
    transposed: bool = False


@dataclass(frozen=True)
class PublicSet:
    """A data set that torchvision knows.

    Attributes:
        kind: Name of its class in `torchvision.datasets`.
        page: Web page of its authors.
        disk: Bytes that a download needs, packed and unpacked together, rounded up.
        licence: Its licence, if its authors name one.
        class_names: Names of the classes in the order of their labels; empty for digits.
        arguments: Arguments of the class for each split.
        idx: Its files in `kind/raw` if they are IDX files; None if the class reads them.
    """

    kind: str
    page: str
    disk: int
    licence: str = ""
    class_names: tuple[str, ...] = ()
    arguments: Arguments = field(default_factory=lambda: BY_TRAIN)
    idx: IdxFiles | None = None


def _emnist(split: str, classes: str, first_label: int = 0) -> PublicSet:
    """A split of EMNIST; its download contains all of them."""
    return PublicSet(
        "EMNIST",
        page="https://www.nist.gov/itl/products-and-services/emnist-dataset",
        disk=2_950_000_000,
        class_names=() if classes == string.digits else tuple(classes),
        arguments={name: {"split": split, **BY_TRAIN[name]} for name in BY_TRAIN},
        idx=IdxFiles(
            train=f"emnist-{split}-train",
            test=f"emnist-{split}-test",
            first_label=first_label,
            transposed=True,
        ),
    )


ALL_CHARACTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
# Classes of EMNIST in which upper and lower case letters of the same shape are merged.
MERGED = string.digits + string.ascii_uppercase + "abdefghnqrt"

FASHION_NAMES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
CIFAR10_NAMES = "airplane automobile bird cat deer dog frog horse ship truck"
CIFAR100_NAMES = """\
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup
dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower
leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid
otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray
road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm"""

PUBLIC_SETS = {
    "fashion-mnist": PublicSet(
        "FashionMNIST",
        page="https://github.com/zalandoresearch/fashion-mnist",
        disk=90_000_000,
        licence="MIT",
        class_names=FASHION_NAMES,
        idx=IdxFiles(),
    ),
    "kmnist": PublicSet(
        "KMNIST",
        page="http://codh.rois.ac.jp/kmnist/",
        disk=80_000_000,
        licence="CC BY-SA 4.0",
        class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        idx=IdxFiles(),
    ),
    "qmnist": PublicSet(
        "QMNIST",
        page="https://github.com/facebookresearch/qmnist",
        disk=130_000_000,
        idx=IdxFiles("qmnist-train", "qmnist-test", labels="labels-idx2-int"),
    ),
    "emnist-letters": _emnist("letters", string.ascii_lowercase, first_label=1),
    "emnist-digits": _emnist("digits", string.digits),
    "emnist-balanced": _emnist("balanced", MERGED),
    "emnist-bymerge": _emnist("bymerge", MERGED),
    "emnist-byclass": _emnist("byclass", ALL_CHARACTERS),
    "usps": PublicSet(
        "USPS",
        page="https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass.html#usps",
        disk=10_000_000,
    ),
    "svhn": PublicSet(
        "SVHN",
        page="http://ufldl.stanford.edu/housenumbers/",
        disk=260_000_000,
        licence="non-commercial use only",
        arguments=BY_SPLIT,
    ),
    "cifar10": PublicSet(
        "CIFAR10",
        page="https://www.cs.toronto.edu/~kriz/cifar.html",
        disk=370_000_000,
        class_names=tuple(CIFAR10_NAMES.split()),
    ),
    "cifar100": PublicSet(
        "CIFAR100",
        page="https://www.cs.toronto.edu/~kriz/cifar.html",
        disk=370_000_000,
        class_names=tuple(CIFAR100_NAMES.split()),
    ),
}


def default_folder() -> Path:
    """The folder of downloaded data sets: `$XDG_DATA_HOME/vaecli`, or `~/.local/share/vaecli`.

    Raises:
        ConfigError: There is no home directory.
    """
    chosen = Path(os.environ.get("XDG_DATA_HOME", ""))
    if chosen.is_absolute():  # the standard ignores other paths
        return chosen / "vaecli"
    try:
        return Path.home() / ".local" / "share" / "vaecli"
    except RuntimeError:
        raise ConfigError("There is no home directory for data sets: set data_dir.") from None

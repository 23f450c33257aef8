"""The images that a command reads: a split of the run's data set, or those of --input."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..config.data_paths import is_path, short_name
from ..data.images import Images
from ..data.inputs import Training, load_input
from ..data.load_log import LoadLog
from ..data.splits import load_split
from ..run.run import Run
from ..system.errors import ConfigError, DataError
from .failures import with_flags
from .loading import load_progress
from .messages import count
from .output import print_stderr

if TYPE_CHECKING:
    from .results import ImageChoice

STDIN = "-"
MAX_LIST_BYTES = 1_000_000_000  # of paths on stdin
SHOWN = 10  # images that are left out


class ChosenImages(NamedTuple):
    """Images, and what to call them.

    Attributes:
        images: In the order of the split, or in the order given.
        names: The name of each image of --input; empty for a split.
        title: Which they are, such as "mnist test" or "input".
    """

    images: Images
    names: list[str]
    title: str


def read_images(
    run: Run, split: str | None, inputs: Sequence[str] | None, skip_bad: bool
) -> ChosenImages:
    """The images that the options of a command choose; what happens is said on stderr.

    Args:
        run: The run that the command reads.
        split: Value of --split; None if it was not given.
        inputs: Values of --input; none for a split.
        skip_bad: Whether to leave out images of --input that cannot be read.

    Raises:
        ConfigError: The options contradict each other, or stdin lists no path.
        DataError: An image cannot be read, or lacks a class that the model knows and needs.
    """
    check_choice(split, inputs, skip_bad)
    paths = list_inputs(inputs or ())
    with load_progress() as on_progress:
        log = LoadLog(on_progress)
        if not paths:
            split = split or "test"
            images = load_split(run.config, split, log)
            _require_same_classes(run, images)
            warn_of_change(run, split, images)
            return ChosenImages(images, [], f"{short_name(run.config.data)} {split}")
        header = run.contents[1]
        training = Training(
            header.shape, header.classes, header.class_names, header.config.conditional
        )
        images, names = load_input(paths, run.config, training, log, skip_bad)
    _report(log, images)
    return ChosenImages(images, names, "input")


def warn_of_change(run: Run, split: str, images: Images) -> None:
    """Say so if a user's own images are no longer those that the run was trained on.

    Which of them are test images follows from all names, so that after a change some that the run
    was trained on may be among them.
    """
    # What a run with hidden labels recorded of its training images is without these labels.
    is_known = split == "test" or run.config.labels is None
    if not is_path(run.config.data) or not is_known or not run.is_run_directory():
        return
    recorded = run.record.data.get(split)
    if recorded and recorded != images.fingerprint():
        print_stderr(
            f"Warning: {run.config.data} has changed since {run.folder} was trained: these "
            f"{split} images are others, and may be among those that were used otherwise."
        )


def check_choice(split: str | None, inputs: Sequence[str] | None, skip_bad: bool) -> None:
    """Raise a `ConfigError` if --split, --input and --skip-bad contradict each other."""
    if inputs and split:
        raise ConfigError(
            f"--input reads images from elsewhere, and --split {split} those of the data set: use "
            "one of them."
        )
    if skip_bad and not inputs:
        raise ConfigError("--skip-bad is about the images of --input: add --input PATH.")


def name_choice(split: str | None, inputs: Sequence[str] | None) -> "ImageChoice":
    """What the JSON of a command says of the images that its options choose."""
    if inputs:
        return {"split": None, "input": list(inputs)}
    return {"split": split or "test", "input": []}


def list_inputs(inputs: Sequence[str]) -> list[Path]:
    """The paths that --input names; for `-` those on stdin, in their place.

    Raises:
        ConfigError: A path is empty, or stdin cannot be read or lists none.
    """
    if inputs.count(STDIN) > 1:
        raise ConfigError("--input - is given twice: stdin can be read only once.")
    paths: list[str] = []
    for text in inputs:
        if not text:
            raise ConfigError("--input has an empty path: leave it out.")
        paths += _read_list() if text == STDIN else [text]
    return [Path(path) for path in paths]


def _read_list() -> list[str]:
    """The paths on stdin: one a line, or each ended by NUL, if there is one."""
    if sys.stdin is None or sys.stdin.isatty():
        raise ConfigError(
            "--input - reads paths from stdin, and nothing is sent to it: try find photos -name "
            "'*.jpg' | vaecli ... --input -"
        )
    try:
        content = sys.stdin.buffer.read(MAX_LIST_BYTES)
    except OSError as error:
        raise ConfigError(f"Cannot read the paths on stdin: {error.strerror}.") from error
    if b"\0" in content:
        found = content.split(b"\0")
    else:
        found = [line.removesuffix(b"\r") for line in content.split(b"\n")]
    paths = [os.fsdecode(path) for path in found if path]
    if not paths:
        raise ConfigError("--input - reads paths from stdin, one a line, and there are none.")
    return paths


def _require_same_classes(run: Run, images: Images) -> None:
    """Raise a `DataError` if the labels of a data set no longer mean what the model has learned."""
    if run.config.conditional and run.class_names and images.class_names != run.class_names:
        raise DataError(
            f"The classes of {run.config.data} are not those that {run.folder} was trained on: "
            "restore its folders, or read images with --input."
        )


def _report(log: LoadLog, images: Images) -> None:
    for text in log.notices:
        print_stderr(with_flags(text))
    for text in log.bad[:SHOWN]:
        print_stderr(f"Warning: left out. {text}")
    if len(log.bad) > SHOWN:
        print_stderr(f"Warning: left out {len(log.bad) - SHOWN:,} more that cannot be read.")
    channels, height, width = images.shape
    colours = {1: "grey", 3: "colour"}.get(channels, f"{channels} channels")
    size = f"{width}x{height} pixels in {colours}"
    print_stderr(f"Read {count(len(images), 'image')} as {size}.")

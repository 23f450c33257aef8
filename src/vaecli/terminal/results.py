"""The JSON objects that commands print: every key with its type, its unit and its meaning.

`RESULTS` names them by command. The code that makes an object names its type, so that mypy compares
the two, and a test compares what each command prints. `vaecli schema` prints them as JSON Schema.
"""

from typing import Annotated, Any, Literal

from typing_extensions import TypedDict

from .evaluation_results import Bound, Classification, SampleMetrics
from .export_results import Export
from .result_keys import Checkpoint, ImageCount, Inputs, RunDirectory, Seed, Shape, Split, key
from .study_results import Study

Means = dict[str, float]


class EpochMetrics(TypedDict):
    """One epoch; the schema has the units of its metrics under `metrics`."""

    number: Annotated[int, key("Number of the epoch, from 1.", "epochs")]
    train: Annotated[Means, key("Running means over the training images, by metric.")]
    test: Annotated[Means, key("Means over the test images, by metric.")]
    train_seconds: Annotated[float, key("Time of the training batches.", "seconds")]
    test_seconds: Annotated[float, key("Time of the evaluation.", "seconds")]
    valid: Annotated[Means, key("Means over the validation images; empty if there are none.")]


class Checkpoints(TypedDict):
    """The checkpoints of a run."""

    last: Annotated[str, key("File of the last checkpoint.")]
    best: Annotated[str | None, key("That of the best epoch; null without validation images.")]
    epochs: Annotated[list[str], key("Those of --save-every.")]


class Training(TypedDict):
    """A training run that has ended."""

    run_dir: RunDirectory
    status: Annotated[Literal["completed", "interrupted"], key("The status in run.json.")]
    ended_by: Annotated[
        Literal["epochs", "patience", "max-time"],
        key("Why training ended: all epochs are done, --patience, or --max-time."),
    ]
    reason: Annotated[str, key("The same as a sentence.")]
    epochs: Annotated[int, key("Number of epochs that are done.", "epochs")]
    epochs_planned: Annotated[int, key("Value of --epochs.", "epochs")]
    monitor: Annotated[str, key("The validation metric that decides which epoch is best.")]
    last: Annotated[EpochMetrics | None, key("The last epoch; null if none is done.")]
    best: Annotated[EpochMetrics | None, key("The best epoch; null without validation images.")]
    checkpoints: Annotated[Checkpoints, key("Its checkpoints.")]
    losses: Annotated[str, key("Path of losses.csv.")]
    parameters: Annotated[int | None, key("Number of trained parameters.")]
    device: Annotated[str | None, key("Name of the device.")]
    seconds: Annotated[
        float, key("Time that this command took, from loading images on.", "seconds")
    ]


class TrainingEstimate(TypedDict):
    """What a training would take, measured on its first batches."""

    parameters: Annotated[int, key("Number of trained parameters.")]
    device: Annotated[str, key("Name of the device.")]
    epochs: Annotated[int, key("Number of epochs that are still to train.", "epochs")]
    epoch_seconds: Annotated[float, key("Time of an epoch without pictures.", "seconds")]
    memory_bytes: Annotated[int, key("Peak memory; 0 if unknown.", "bytes")]
    disk_bytes: Annotated[int, key("Most disk space that the run can add.", "bytes")]
    fits_prior: Annotated[
        bool, key("Whether a prior is fitted after training, which takes further time.")
    ]
    caches: Annotated[list[str], key("Folders of decoded images, written if they were not there.")]
    config: Annotated[dict[str, Any], key("Every option, as config.json would have it.")]


class ImageChoice(TypedDict):
    """Which images were read."""

    split: Split
    input: Inputs


class Written(TypedDict):
    """What all results about files of one run have."""

    run_dir: RunDirectory
    checkpoint: Checkpoint


class Grid(Written):
    """A grid of images."""

    output: Annotated[str, key("File that was written.")]
    images: ImageCount
    shape: Shape
    width: Annotated[int, key("Width of the picture.", "pixels")]
    height: Annotated[int, key("Height of the picture.", "pixels")]


class Samples(Grid):
    """Samples of a model."""

    seed: Seed


class Reconstructions(Grid, ImageChoice):
    """Images and their reconstructions."""


class Latents(Written, ImageChoice):
    """Latents of images."""

    output: Annotated[str | None, key("Table that was written; null with --plot alone.")]
    plot: Annotated[str | None, key("Picture that was written; null without --plot.")]
    images: ImageCount
    latent_dim: Annotated[int, key("Length of a latent.", "dimensions")]


class PlottedRun(TypedDict):
    """A run in a plot of losses."""

    run_dir: RunDirectory
    epochs: Annotated[int, key("Number of epochs that are plotted.", "epochs")]


class LossPlot(TypedDict):
    """A plot of losses."""

    output: Annotated[str, key("File that was written.")]
    runs: Annotated[list[PlottedRun], key("The runs, in the order given.")]


class Parts(TypedDict):
    """Presets and parts; the schema says what each has."""

    presets: Annotated[dict[str, Any], key("Presets by name.")]
    parts: Annotated[dict[str, dict[str, Any]], key("Parts by kind and name.")]
    glossary: Annotated[dict[str, str], key("Meanings of terms; empty unless it was asked for.")]


class FoundFault(TypedDict):
    """One kind of fault."""

    kind: Annotated[str, key("Stable name, such as near-duplicate.")]
    severity: Annotated[
        Literal["error", "warning", "info"],
        key("error: training stops or is worthless; warning: results suffer."),
    ]
    of: Annotated[Literal["images", "classes"], key("What the names are of.")]
    count: Annotated[int, key("Number of names.")]
    groups: Annotated[list[list[str]], key("Names of what belongs together, such as copies.")]
    text: Annotated[str, key("What was found, in a sentence.")]
    advice: Annotated[str, key("What to do about it, in a sentence.")]
    details: Annotated[dict[str, str], key("More about single names.")]


class DataReport(TypedDict):
    """A data set and its faults."""

    path: Annotated[str, key("What was read.")]
    images: Annotated[int, key("Number of images, with those that are broken.", "images")]
    readable: Annotated[int, key("Number of images that can be read.", "images")]
    splits: Annotated[dict[str, int], key("Images by split; empty if they are drawn.")]
    classes: Annotated[dict[str, int], key("Images by class; empty without labels.")]
    sizes: Annotated[dict[str, int], key("Images by size, such as 64x48: width x height.")]
    modes: Annotated[dict[str, int], key("Images by how a file stores a pixel.")]
    range: Annotated[list[int], key("Smallest and largest value of a pixel, of 0 to 255.")]
    skipped: Annotated[dict[str, int], key("Entries that are no images, by the reason.")]
    notices: Annotated[list[str], key("What the reader of the data set says.")]
    findings: Annotated[list[FoundFault], key("Faults, errors first.")]


class DownloadedSet(TypedDict):
    """A public data set on the disk."""

    name: Annotated[str, key("Value of train --data.")]
    folder: Annotated[str, key("Folder with its files.")]
    downloaded: Annotated[bool, key("Whether it was downloaded now.")]
    images: Annotated[dict[str, int], key("Number of images by split.", "images")]
    shape: Annotated[list[int], key("Shape of an image, with channels of colour.", "pixels")]
    classes: Annotated[list[str], key("Names of the classes; empty if they are digits.")]
    page: Annotated[str | None, key("Web page of its authors.")]
    licence: Annotated[str | None, key("Its licence; null if its authors name none.")]


class CachedImages(TypedDict):
    """A set of decoded images in the cache."""

    folder: Annotated[str, key("Where it is.")]
    size: Annotated[int, key("Size on the disk.", "bytes")]
    used: Annotated[float | None, key("When it was last used, since 1970.", "seconds")]
    shape: Annotated[
        list[int] | None, key("Images, channels, height, width; null if unfinished or damaged.")
    ]
    source: Annotated[str | None, key("Where the images come from.")]


class Cache(TypedDict):
    """The cache of decoded images."""

    folder: Annotated[str, key("Where it is.")]
    kept: Annotated[list[CachedImages], key("What is in it.")]
    removed: Annotated[list[CachedImages], key("What --clear removed.")]


class Schema(TypedDict):
    """The document of `vaecli schema`."""

    schema_version: Annotated[int, key("Incremented when a key changes its meaning or goes.")]
    version: Annotated[str, key("Version of vaecli.")]
    options: Annotated[dict[str, Any], key("Options of vaecli itself, before a command.")]
    commands: Annotated[dict[str, Any], key("Commands with their arguments and options.")]
    environment: Annotated[dict[str, str], key("Environment variables that are no options.")]
    exit_statuses: Annotated[dict[str, str], key("What each exit status means.")]
    config: Annotated[dict[str, Any], key("Keys of config.json and of --config.")]
    presets: Annotated[dict[str, Any], key("Presets with the options that they set.")]
    parts: Annotated[dict[str, dict[str, Any]], key("Parts by kind and name.")]
    rules: Annotated[list[dict[str, Any]], key("Which options and parts fit together.")]
    metrics: Annotated[dict[str, Any], key("Metrics of losses.csv with their units.")]
    columns: Annotated[dict[str, Any], key("Columns that losses.csv can have.")]
    files: Annotated[dict[str, Any], key("Files of a run directory.")]
    results: Annotated[dict[str, Any], key("What --json prints, as JSON Schema.")]
    glossary: Annotated[dict[str, str], key("Meanings of terms.")]


RESULTS: dict[str, Any] = {
    "train": Training,
    "train --dry-run": TrainingEstimate,
    "tune": Study,
    "refit": Training,
    "sample": Samples,
    "reconstruct": Reconstructions,
    "embed": Latents,
    "export": Export,
    "plot-loss": LossPlot,
    "evaluate": Bound,
    "evaluate --metrics samples": SampleMetrics,
    "classify": Classification,
    "parts": Parts,
    "data check": DataReport,
    "data download": DownloadedSet,
    "data cache": Cache,
    "schema": Schema,
}

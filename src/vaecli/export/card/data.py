"""The sections of a model card on the images: those of training, and how to prepare others."""

from typing import NamedTuple

from ...data.readers.public_sets import PUBLIC_SETS
from ...run.record import Record
from .facts import Facts
from .markdown import code, counted, escape, fence, table

LISTED = 100  # classes
MNIST = (
    "The `mnist` data set of handwritten digits, by Yann LeCun, Corinna Cortes and Christopher "
    "J. C. Burges, CC BY-SA 3.0."
)
METHODS = {
    "crop": "of another aspect lose what is beyond the middle",
    "pad": "of another aspect get white borders",
    "stretch": "of another aspect are stretched",
}
FITTED = {
    "crop": "ImageOps.fit(image, size, Image.Resampling.LANCZOS)",
    "pad": "ImageOps.pad(image, size, Image.Resampling.LANCZOS, color={white})",
    "stretch": "image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)",
}
BINARIZED = {
    "dynamic": "The pixels were made black or white, 1 with the probability of their brightness.",
    "threshold": "The pixels were made black or white, 1 where they are brighter than one half.",
}


class Colours(NamedTuple):
    """Images with a number of channels: how they are called, Pillow's mode, and its white."""

    adjective: str
    name: str
    mode: str
    white: str


COLOURS = {
    1: Colours("grey", "grey", "L", "(255,)"),
    3: Colours("in colour", "RGB", "RGB", "(255, 255, 255)"),
}

THRESHOLDS = {"dynamic": "np.random.default_rng(0).random(pixels.shape)", "threshold": "0.5"}


def data_section(facts: Facts) -> str:
    """The images that the model was trained on: name, number, classes, splits."""
    text = ["## Data", "", _source(facts), _kind(facts)]
    if facts.record is not None:
        text += ["", _splits(facts.record)]
    text += ["", _split_rule(facts)]
    if facts.record is not None and facts.record.bad_images:
        bad = counted(len(facts.record.bad_images), "image")
        text.append(f"Left out because they could not be read, up to 1,000 counted: {bad}.")
    if facts.header.classes:
        text += ["", _classes(facts)]
    return "\n".join(text)


def _source(facts: Facts) -> str:
    name = facts.config.data
    if facts.has_folder:
        return f"The user's own images, called {code(facts.data_name)}."
    if name == "mnist":
        return MNIST
    if name not in PUBLIC_SETS:
        return f"The data set {code(name)}."
    licence = PUBLIC_SETS[name].licence or "its authors name no licence"
    return f"The data set {code(name)} (<{PUBLIC_SETS[name].page}>); licence: {licence}."


def _kind(facts: Facts) -> str:
    channels, height, width = facts.header.shape
    size = f"{width} x {height} pixels, {COLOURS[channels].adjective}"
    text = f"An image has {size}, in {counted(channels, 'channel')}."
    if facts.config.binarize in BINARIZED:
        text += f" {BINARIZED[facts.config.binarize]}"
    if facts.config.labels is not None:
        text += f" Only {facts.config.labels:,} training images kept their label."
    return text


def _splits(record: Record) -> str:
    """A table of the splits with their digests."""
    counts = {split: f"{number:,}" for split, number in record.images.items()}
    rows = [
        [split, counts.get(split, "unknown"), f"`{digest}`"]
        for split, digest in record.data.items()
    ]
    note = "The digest is the SHA-256 of the prepared pixels and the labels."
    return f"{table(['split', 'images', 'digest'], rows)}\n\n{note}"


def _split_rule(facts: Facts) -> str:
    config = facts.config
    if facts.has_folder:
        text = (
            "If the data have a folder or file of test images, these are the test images; if not, "
            f"{config.test_fraction:.4g} of each class, chosen by a hash of the file names."
        )
    else:
        text = "The test images are those of the data set."
    if config.train_images:
        text += f" Only the first {config.train_images:,} training images were used."
    if config.test_images:
        text += f" Only the first {config.test_images:,} test images were used."
    if config.validation:
        text += f" Of the training images, {config.validation:,} were held out for validation."
    return text


def _classes(facts: Facts) -> str:
    names = facts.header.class_names
    count = facts.header.classes
    if not names:
        return f"Classes: {count:,}, without names, numbered from 0."
    listed = "; ".join(f"{label}: {escape(name)}" for label, name in enumerate(names[:LISTED]))
    more = f" and {count - LISTED:,} more" if count > LISTED else ""
    return f"Classes: {count:,}. By number: {listed}{more}."


def preparation_section(facts: Facts) -> str:
    """How an image becomes the input of the model, in words and in code."""
    channels, height, width = facts.header.shape
    words = (
        f"Upright, over white where transparent, {width} x {height} pixels (images "
        f"{METHODS[facts.config.resize]}), "
        f"{COLOURS[channels].name}, as float32 from 0 (black) to 1 (white), of shape "
        f"(batch, {channels}, {height}, {width}). For images of 8 bits:"
    )
    return f"## Preparation of images\n\n{words}\n\n{fence('python', _code(facts))}"


def _code(facts: Facts) -> list[str]:
    """Python that prepares the image `image.png`, with numpy and Pillow."""
    channels, height, width = facts.header.shape
    colours = COLOURS[channels]
    lines = [
        "import numpy as np",
        "from PIL import Image, ImageOps",
        "",
        f"size = ({width}, {height})",
        'image = ImageOps.exif_transpose(Image.open("image.png")).convert("RGBA")',
        'white = Image.new("RGB", image.size, "white")',
        'white.paste(image.convert("RGB"), mask=image.getchannel("A"))',
        f'image = white.convert("{colours.mode}")',
        f"image = {FITTED[facts.config.resize].format(white=colours.white)}",
        "pixels = np.asarray(image, np.float32) / 255",
        f"pixels = pixels.reshape(1, {height}, {width}, {channels}).transpose(0, 3, 1, 2)",
    ]
    if facts.config.binarize in THRESHOLDS:
        threshold = THRESHOLDS[facts.config.binarize]
        lines.append(f"pixels = (pixels > {threshold}).astype(np.float32)")
    return lines

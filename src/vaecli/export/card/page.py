"""The model card as a file."""

import json
import os
import re
from pathlib import Path

from ...run import names
from ...run.run import Run
from ...system import files
from ...system.errors import ConfigError, RunError
from ...system.version import __version__
from ..exported import Exported
from .data import data_section, preparation_section
from .facts import Facts, collect_facts
from .files import files_section
from .limits import limits_section
from .markdown import bullets, code
from .model import model_section
from .training import evaluation_section, recipe_section

CARD = "README.md"  # the name under which the Hub shows it
PICTURES = (names.SAMPLES, names.LOSS_PLOT)
LIBRARY = "library_name: vaecli"  # the line of its head by which a card is known
MAX_PICTURE_BYTES = 100_000_000
MAX_CARD_BYTES = 10_000_000
UNKNOWN = "unknown"


def write_card(
    run: Run, exported: Exported, folder: Path, license: str | None = None
) -> list[Path]:
    """Write README.md beside exported files, and copies of the run's pictures that it shows.

    Args:
        run: Its checkpoint is the one that was exported.
        exported: The files; `folder` holds them, and the weights as `save_weights` writes them.
        folder: Where the card goes.
        license: Of the model, as `check_license` wants it; None if it is not known.

    Returns:
        The pictures and the card.

    Raises:
        ConfigError: A file cannot be written.
        RunError: The checkpoint, run.json or a picture cannot be read.
        ResourceError: The disk is full.
    """
    pictures = _copy_pictures(run, folder)
    shown = tuple(path.name for path in pictures)
    facts = collect_facts(run, exported, shown)
    path = folder / CARD
    files.write_atomic(path, card_text(facts, license or UNKNOWN).encode())
    return [*pictures, path]


def check_license(license: str | None, card: bool) -> None:
    """Raise a `ConfigError` unless a licence is written as the Hugging Face Hub names them.

    Args:
        license: The licence, or None if none is given.
        card: Whether there is a card that names it.
    """
    if license is not None and not card:
        raise ConfigError(f"license={license!r} is for the model card: add card=True.")
    if license is not None and not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,49}", license):
        raise ConfigError(
            f"license={license!r}: use the identifier of a licence, such as mit or cc-by-4.0."
        )


def checked_folder(folder: Path, card: bool) -> Path:
    """The folder of an export, unchanged.

    Args:
        folder: Need not exist; `-` stands for stdout elsewhere.
        card: Whether a card is written, which must not replace a README.md that is no card.

    Raises:
        ConfigError: The files should not go there.
    """
    if str(folder) == "-":
        raise ConfigError("An export is several files: name a folder for them, not '-'.")
    path = folder / CARD
    if not card or not path.exists():
        return folder
    try:
        content = files.read_file(path, MAX_CARD_BYTES)
    except OSError as error:
        raise ConfigError(f"Cannot replace {path}: {error.strerror}.") from error
    if LIBRARY.encode() not in content:
        raise ConfigError(
            f"{path} is no model card of vaecli and would be replaced: choose another folder."
        )
    return folder


def _copy_pictures(run: Run, folder: Path) -> list[Path]:
    """Copy those of the pictures that the run has; the paths of the copies."""
    copies = []
    for name in PICTURES:
        source = run.folder / name
        if run.is_run_directory() and files.is_ordinary(source):
            try:
                content = files.read_file(source, MAX_PICTURE_BYTES)
            except OSError as error:
                raise RunError(f"Cannot read {source}: {error.strerror}.") from error
            if os.path.realpath(folder / name) != os.path.realpath(source):
                files.write_atomic(folder / name, content)
            copies.append(folder / name)
    return copies


def card_text(facts: Facts, license: str) -> str:
    """The whole card in Markdown."""
    title = f"# Variational autoencoder of {code(facts.data_name)} (preset {facts.config.preset})"
    made = (
        f"Written by vaecli {__version__} from the files of a run. Its checkpoint "
        f"`{facts.run.checkpoint.name}` is what was exported."
    )
    sections = [
        _head(facts, license),
        title,
        made,
        model_section(facts),
        data_section(facts),
        recipe_section(facts),
        evaluation_section(facts),
        limits_section(facts),
        preparation_section(facts),
        files_section(facts),
    ]
    return "\n\n".join(sections) + "\n"


def _head(facts: Facts, license: str) -> str:
    """The metadata for the Hub, in YAML; nothing in it is text of a user but the licence."""
    tags = ["variational-autoencoder", "vae", "image-generation", "pytorch", "safetensors"]
    tags += sorted({file.format for file in facts.exported.files} - {"pt2"})
    lines = [f"license: {json.dumps(license)}", LIBRARY]
    if not facts.config.conditional:
        lines.append("pipeline_tag: unconditional-image-generation")
    return "\n".join(["---", *lines, "tags:", bullets(tags), "---"])

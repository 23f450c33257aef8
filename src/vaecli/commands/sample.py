"""`vaecli sample`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..config import defaults
from ..terminal.completion import complete_class
from ..terminal.options import AsJson, Checkpoint, Dark, RunDir, Scale, Seed, output_option

if TYPE_CHECKING:  # imports that --help must not wait for
    from PIL.Image import Image

    from ..pictures.themes import Theme
    from ..terminal.results import Samples

EXAMPLES = [
    "vaecli sample -n 64 -o grid.png",
    "vaecli sample -r runs/mnist-vae-1 -n 10 --seed 7",
    "vaecli sample --label all --style-of 0",
    "vaecli sample --label cat",
]


def sample(
    run_dir: RunDir = None,
    checkpoint: Checkpoint = None,
    count: Annotated[
        int,
        typer.Option(
            "--count",
            "-n",
            help="Number of images, at most 100,000.",
            metavar="N",
            min=1,
            max=100_000,
        ),
    ] = defaults.SAMPLES,
    label: Annotated[
        str | None,
        typer.Option(
            help="Class to sample, by name or number; all: a row for each class. [default: cycle "
            "through classes]",
            metavar="CLASS|all",
            show_default=False,
            autocompletion=complete_class,
        ),
    ] = None,
    style_of: Annotated[
        int | None,
        typer.Option(
            help="Decode the latent of test image INDEX, from 0, with the chosen labels.",
            metavar="INDEX",
            min=0,
        ),
    ] = None,
    fit: Annotated[
        str | None,
        typer.Option(
            help="Fit a prior to the training latents and sample it: gaussian, or a spec as of "
            "train --fitted-prior, such as mixture:components=50; none: the prior of training.",
            metavar="SPEC",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None, output_option("samples.png in the run directory", ".png, .jpg, .webp or .bmp")
    ] = None,
    columns: Annotated[
        int | None,
        typer.Option(
            help="Images per row, at most their number. [default: up to 10 images in one row, "
            "more as a square]",
            metavar="N",
            min=1,
        ),
    ] = None,
    scale: Scale = None,
    dark: Dark = False,
    seed: Seed = defaults.SEED,
    as_json: AsJson = False,
) -> None:
    """Sample images from a trained model as one grid.

    Latents are drawn from the prior. The grid shows the pixel means that are decoded from them.
    A class is called by its name, if it has one, or by its number, from 0; a class that is called 3
    is chosen by 3, and one that is called all by its number.
    """
    from ..evaluation.decoding import sample_images
    from ..pictures import grids, themes
    from ..run import names
    from ..system.errors import ConfigError
    from ..terminal.inputs import read_run, warn_without_fit
    from ..terminal.output import output_path, write_result
    from ..terminal.result_objects import grid_result

    if columns is not None and columns > count:
        raise ConfigError(f"columns={columns}: at most the number of images, count={count}.")
    run = read_run(run_dir, checkpoint)
    path, ending = output_path(output, run, names.SAMPLES, grids.ENDINGS, as_json)
    grids.check_size(count, run.contents[1].shape, scale)
    if fit is None:
        warn_without_fit(run)
    model = run.model(fitted=fit is None)
    named = run.class_names
    images, row = sample_images(model, run.config, count, label, style_of, fit, seed, named)
    theme = themes.choose_theme(dark)
    picture = grids.enlarge(grids.grid(images, columns or row, theme), scale)
    if named and row and scale != 1 and columns in (None, row):
        picture = _name_rows(picture, named, theme)
    described: Samples = {**grid_result(run, path, images, picture), "seed": seed}
    write_result(grids.encode_image(picture, ending), path, as_json, described)


def _name_rows(picture: "Image", class_names: tuple[str, ...], theme: "Theme") -> "Image":
    """The picture with the name of a class beside each of its rows."""
    from ..pictures import grids
    from ..pictures.class_texts import ROW_CHARACTERS, class_text  # imports matplotlib

    found = [class_text(n, name, ROW_CHARACTERS) for n, name in enumerate(class_names)]
    return grids.label_rows(picture, [f.text for f in found], theme, [f.font for f in found])

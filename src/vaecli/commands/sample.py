"""`vaecli sample`."""

from pathlib import Path
from typing import Annotated

import typer

from ..config import defaults
from ..terminal.options import Checkpoint, Dark, RunDir, Scale, Seed, output_option

EXAMPLES = [
    "vaecli sample -n 64 -o grid.png",
    "vaecli sample -r runs/mnist-vae-1 -n 10 --seed 7",
    "vaecli sample --label all --style-of 0",
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
            help="Class to sample; all: a row for each class. [default: cycle through classes]",
            metavar="K|all",
            show_default=False,
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
) -> None:
    """Sample images from a trained model as one grid.

    Latents are drawn from the prior. The grid shows the pixel means that are decoded from them.
    """
    from ..evaluation.decoding import sample_images
    from ..pictures import grids, themes
    from ..run import names
    from ..system.errors import ConfigError
    from ..terminal.inputs import read_run, warn_without_fit
    from ..terminal.output import output_path, write_result

    if columns is not None and columns > count:
        raise ConfigError(f"columns={columns}: at most the number of images, count={count}.")
    run = read_run(run_dir, checkpoint)
    path, ending = output_path(output, run, names.SAMPLES, grids.ENDINGS)
    grids.check_size(count, run.contents[1].shape, scale)
    if fit is None:
        warn_without_fit(run)
    model = run.model(fitted=fit is None)
    images, row = sample_images(model, run.config, count, label, style_of, fit, seed)
    picture = grids.grid(images, columns or row, themes.choose_theme(dark))
    write_result(grids.encode_image(grids.enlarge(picture, scale), ending), path)

"""`vaecli reconstruct`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..config import defaults
from ..terminal.options import (
    AsJson,
    Checkpoint,
    Dark,
    Input,
    RunDir,
    Scale,
    SkipBad,
    Split,
    output_option,
)

if TYPE_CHECKING:
    from ..terminal.results import Reconstructions

EXAMPLES = [
    "vaecli reconstruct",
    "vaecli reconstruct --split train -n 16 -o train.png",
    "vaecli reconstruct --input photo.jpg --input holiday/",
]


def reconstruct(
    run_dir: RunDir = None,
    checkpoint: Checkpoint = None,
    split: Split = None,
    input: Input = None,
    skip_bad: SkipBad = False,
    count: Annotated[
        int | None,
        typer.Option(
            "--count",
            "-n",
            help="Number of images, from the first. [default: 8]",
            metavar="N",
            min=1,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        output_option("reconstructions.png in the run directory", ".png, .jpg, .webp or .bmp"),
    ] = None,
    scale: Scale = None,
    dark: Dark = False,
    as_json: AsJson = False,
) -> None:
    """Encode and decode images, and save both as one grid.

    Under each row of images are their reconstructions from the posterior means. A conditional model
    gets the true labels; those of --input are the names of the folders.
    """
    from ..evaluation import decoding
    from ..pictures import grids, themes
    from ..run import names
    from ..terminal.images import name_choice, read_images
    from ..terminal.inputs import read_run
    from ..terminal.output import output_path, write_result
    from ..terminal.result_objects import grid_result

    run = read_run(run_dir, checkpoint)
    path, ending = output_path(output, run, names.RECONSTRUCTIONS, grids.ENDINGS, as_json)
    model = run.model()
    images = read_images(run, split, input, skip_bad).images
    first = images.first(count or min(defaults.RECONSTRUCTIONS, len(images)))
    grids.check_size(2 * len(first), first.x.shape[1:], scale)
    pairs = decoding.reconstruct(model, first)
    picture = grids.reconstruction_grid(*pairs, scale, themes.choose_theme(dark))
    grid = grid_result(run, path, pairs[0], picture)
    described: Reconstructions = {**grid, **name_choice(split, input)}
    write_result(grids.encode_image(picture, ending), path, as_json, described)

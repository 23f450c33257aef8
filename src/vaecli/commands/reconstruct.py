"""`vaecli reconstruct`."""

from pathlib import Path
from typing import Annotated

import typer

from ..config import defaults
from .options import Checkpoint, RunDir, Split, deliver, output_option, place, read_run

EXAMPLES = ["vaecli reconstruct", "vaecli reconstruct --split train -n 16 -o train.png"]


def reconstruct(
    run_dir: RunDir = None,
    checkpoint: Checkpoint = None,
    split: Split = "test",
    count: Annotated[
        int | None,
        typer.Option(
            "--count", "-n", help="Images to take, from the first on. [default: 8]", min=1
        ),
    ] = None,
    output: Annotated[
        Path | None, output_option("reconstructions.png in the run directory")
    ] = None,
) -> None:
    """Encode and decode images.

    Saves a row of images and under it their reconstructions, from the posterior means, and from
    their labels where the model is conditional.
    """
    from ..data import splits
    from ..evaluation import decoding
    from ..pictures import grids
    from ..run import names

    run = read_run(run_dir, checkpoint)
    path, ending = place(output, run, names.RECONSTRUCTIONS, grids.ENDINGS)
    model = run.model()
    found = splits.load_split(run.config, split)
    first = found.first(count or min(defaults.RECONSTRUCTIONS, len(found)))
    deliver(
        grids.encode_image(grids.reconstruction_grid(*decoding.reconstruct(model, first)), ending),
        path,
    )

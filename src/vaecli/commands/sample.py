"""`vaecli sample`."""

from pathlib import Path
from typing import Annotated

import typer

from .. import defaults
from .options import Checkpoint, RunDir, Seed, deliver, output_option, place, read_run

EXAMPLES = ["vaecli sample -n 64 -o grid.png", "vaecli sample -r runs/mnist-vae-1 -n 10 --seed 7"]


def sample(
    run_dir: RunDir = None,
    checkpoint: Checkpoint = None,
    count: Annotated[
        int, typer.Option("--count", "-n", help="Images to draw.", min=1)
    ] = defaults.SAMPLES,
    output: Annotated[Path | None, output_option("samples.png in the run directory")] = None,
    columns: Annotated[
        int | None,
        typer.Option(help="Images in a row. [default: a square; up to 10 in one row]", min=1),
    ] = None,
    seed: Seed = defaults.SEED,
) -> None:
    """Draw images from a trained model.

    They are decoded from draws of the prior and saved as one grid of pixel means.
    """
    from .. import images
    from ..run import names
    from ..seeds import seeded

    run = read_run(run_dir, checkpoint)
    path, ending = place(output, run, names.SAMPLES, images.ENDINGS)
    model = run.model()
    with seeded(model.device, seed, "samples"):
        x = model.sample(count)
    deliver(images.encode(images.grid(x, columns), ending), path)

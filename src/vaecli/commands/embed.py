"""`vaecli embed`."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Checkpoint, RunDir, Split, deliver, output_option, place, read_run

EXAMPLES = [
    "vaecli embed --split test --plot latent.png",
    "vaecli embed --split train -o train.csv",
]


def embed(
    run_dir: RunDir = None,
    checkpoint: Checkpoint = None,
    split: Split = "test",
    output: Annotated[
        Path | None, output_option("embeddings.npz in the run directory, unless --plot is given")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Picture of the latents, coloured by label: .png, .pdf, .svg.", show_default=False
        ),
    ] = None,
) -> None:
    """Encode images to latents; save or plot them.

    .npz holds index, label, mean and log_var; .csv index, label and the means z1, z2, ...;
    .npy the means.
    """
    from ..data import splits
    from ..evaluation import embeddings
    from ..run import names

    run = read_run(run_dir, checkpoint)
    table = picture = None
    if output is not None or plot is None:
        table = place(output, run, names.EMBEDDINGS, embeddings.ENDINGS)
    if plot is not None:
        from ..evaluation.projection import project_to_plane
        from ..pictures import latent_map, style

        picture = place(plot, run, plot.name, style.ENDINGS)
    latents = embeddings.embed(run.model(), splits.load_split(run.config, split))
    if table:
        deliver(latents.to_bytes(table[1]), table[0])
    if picture:
        title = f"Latents of the {run.config.data} {split} images, {run.name}"
        points, axes = project_to_plane(latents.mean)
        drawn = latent_map.plot_latents(points, axes, latents.label, title, picture[1])
        deliver(drawn, picture[0])

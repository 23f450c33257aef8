"""`vaecli embed`."""

from pathlib import Path
from typing import Annotated

import typer

from ..terminal.options import Checkpoint, Dark, RunDir, Split, output_option

EXAMPLES = [
    "vaecli embed --split test --plot latent.png",
    "vaecli embed --split train -o train.csv",
]


def embed(
    run_dir: RunDir = None,
    checkpoint: Checkpoint = None,
    split: Split = "test",
    output: Annotated[
        Path | None,
        output_option(
            "embeddings.npz in the run directory, or none with --plot", ".npz, .csv or .npy"
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Picture of the latents to write, coloured by label: .png, .pdf or .svg.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    dark: Dark = False,
) -> None:
    """Encode images to latents, and save or plot them.

    A .npz file holds index, label, mean and log_var; a .csv file index, label and the means as z1,
    z2, ...; a .npy file the means only.
    """
    from ..data.splits import load_split
    from ..evaluation import embeddings
    from ..evaluation.projection import project_to_plane
    from ..run import names
    from ..terminal.inputs import read_run
    from ..terminal.output import output_path, refuse_same_output, write_result

    refuse_same_output(output, plot)
    run = read_run(run_dir, checkpoint)
    table = picture = None
    if output is not None or plot is None:
        table = output_path(output, run, names.EMBEDDINGS, embeddings.ENDINGS)
    if plot is not None:
        from ..pictures import latent_map, style, themes  # matplotlib takes 0.7 s to import

        picture = output_path(plot, run, plot.name, style.ENDINGS)
    latents = embeddings.embed(run.model(), load_split(run.config, split))
    if table:
        write_result(latents.to_bytes(table[1]), table[0])
    if picture:
        title = f"Latents of the {run.config.data} {split} images, {run.name}"
        points, axes = project_to_plane(latents.mean)
        theme = themes.choose_theme(dark)
        content = latent_map.plot_latents(points, axes, latents.label, title, picture[1], theme)
        write_result(content, picture[0])

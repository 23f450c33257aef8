"""`vaecli embed`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..terminal.options import Checkpoint, Dark, Input, RunDir, SkipBad, Split, output_option

if TYPE_CHECKING:  # imports that --help must not wait for
    from ..evaluation.embeddings import Embeddings
    from ..evaluation.projection import Method
    from ..model import VAE

EXAMPLES = [
    "vaecli embed --split test --plot latent.png",
    "vaecli embed --split train -o train.csv",
    "find photos -name '*.jpg' | vaecli embed --input - -o photos.csv",
]


def embed(
    run_dir: RunDir = None,
    checkpoint: Checkpoint = None,
    split: Split = None,
    input: Input = None,
    skip_bad: SkipBad = False,
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
    method: Annotated[
        Literal["auto", "tsne", "pca"],
        typer.Option(
            help="Projection of --plot: t-SNE or principal components; auto: one or two latents as "
            "they are, t-SNE of more."
        ),
    ] = "auto",
    dark: Dark = False,
) -> None:
    """Encode images to latents, and save or plot them.

    A .npz file holds index, label, mean and log_var; a .csv file index, label and the means as z1,
    z2, ...; a .npy file the means only. A .npz file also holds class_names, if there are any, and
    for latents that are a map its shape (h, w, C), map_shape; a .csv file has a column class. Both
    have a column name for --input. The plot of two latents has contours of the prior.
    """
    from ..evaluation import embeddings
    from ..run import names
    from ..terminal.images import read_images
    from ..terminal.inputs import read_run
    from ..terminal.output import output_path, write_result

    _check_outputs(output, plot, method)
    run = read_run(run_dir, checkpoint)
    table = picture = None
    if output is not None or plot is None:
        table = output_path(output, run, names.EMBEDDINGS, embeddings.ENDINGS)
    if plot is not None:
        from ..pictures import style  # matplotlib takes 0.7 s to import

        picture = output_path(plot, run, plot.name, style.ENDINGS)
    model = run.model()
    images, named, which = read_images(run, split, input, skip_bad)
    latents = embeddings.embed(model, images, named)
    if table:
        write_result(latents.to_bytes(table[1]), table[0])
    if picture:
        title = f"Latents of the {which} images, {run.name}"
        write_result(_draw_map(model, latents, method, title, picture[1], dark), picture[0])


def _check_outputs(output: Path | None, plot: Path | None, method: "Method") -> None:
    from ..system.errors import ConfigError
    from ..terminal.output import refuse_same_output

    refuse_same_output(output, plot)
    if method != "auto" and plot is None:
        raise ConfigError(f"method={method!r} is about the picture: add --plot FILE.")


def _draw_map(
    model: "VAE", latents: "Embeddings", method: "Method", title: str, ending: str, dark: bool
) -> bytes:
    """A map of the latents, as the content of a file; t-SNE shows the time that it takes."""
    from ..evaluation.prior_density import prior_contours
    from ..evaluation.projection import choose_method, project_to_plane
    from ..pictures.latent_map import plot_latents
    from ..pictures.themes import choose_theme
    from ..terminal.progress import show_elapsed

    chosen = choose_method(method, latents.mean)
    with show_elapsed(f"t-SNE of {len(latents.mean):,} latents", hidden=chosen != "tsne"):
        plane = project_to_plane(latents.mean, chosen or "auto")
    contours = None if chosen else prior_contours(model)
    theme = choose_theme(dark)
    named = latents.class_names
    return plot_latents(plane, latents.label, title, ending, named, contours, theme)

"""`vaecli embed`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from ..terminal.options import (
    AsJson,
    Checkpoint,
    Dark,
    Input,
    RunDir,
    SkipBad,
    Split,
    output_option,
)

if TYPE_CHECKING:  # imports that --help must not wait for
    from ..evaluation.embeddings import Embeddings
    from ..evaluation.projection import Method
    from ..model import VAE
    from ..run.run import Run

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
    as_json: AsJson = False,
) -> None:
    """Encode images to latents, and save or plot them.

    A .npz file holds index, label, mean and log_var; a .csv file index, label and the means as z1,
    z2, ...; a .npy file the means only. A .npz file also holds class_names, if there are any, and
    for latents that are a map its shape (h, w, C), map_shape; a .csv file has a column class. Both
    have a column name for --input. The plot of two latents has contours of the prior.
    """
    from ..evaluation import embeddings
    from ..terminal.images import name_choice, read_images
    from ..terminal.inputs import read_run
    from ..terminal.output import print_json, write_result
    from ..terminal.result_objects import latents_result

    _check_outputs(output, plot, method)
    run = read_run(run_dir, checkpoint)
    table, picture = _choose_outputs(run, output, plot, as_json)
    model = run.model()
    images, named, which = read_images(run, split, input, skip_bad)
    latents = embeddings.embed(model, images, named)
    if table:
        write_result(latents.to_bytes(table.ending), table.path, as_json)
    if picture:
        title = f"Latents of the {which} images, {run.name}"
        content = _draw_map(model, latents, method, title, picture.ending, dark)
        write_result(content, picture.path, as_json)
    if as_json:
        files = (table and table.path, picture and picture.path)
        print_json(latents_result(run, *files, latents, name_choice(split, input)))


def _check_outputs(output: Path | None, plot: Path | None, method: "Method") -> None:
    from ..system.errors import ConfigError
    from ..terminal.output import refuse_same_output

    refuse_same_output(output, plot)
    if method != "auto" and plot is None:
        raise ConfigError(f"method={method!r} is about the picture: add --plot FILE.")


class Output(NamedTuple):
    """A file to write, and its ending, which chooses the format."""

    path: Path
    ending: str


def _choose_outputs(
    run: "Run", output: Path | None, plot: Path | None, as_json: bool
) -> tuple[Output | None, Output | None]:
    """The table and the picture; None for one that is not wanted."""
    from ..evaluation import embeddings
    from ..run import names
    from ..terminal.output import output_path

    table = picture = None
    if output is not None or plot is None:
        table = Output(*output_path(output, run, names.EMBEDDINGS, embeddings.ENDINGS, as_json))
    if plot is not None:
        from ..pictures import style  # matplotlib takes 0.7 s to import

        picture = Output(*output_path(plot, run, plot.name, style.ENDINGS, as_json))
    return table, picture


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

"""`vaecli embed`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from ..terminal.options import (
    AsJson,
    Checkpoint,
    Dark,
    Devices,
    Input,
    RunDir,
    SkipBad,
    Split,
    output_option,
)

if TYPE_CHECKING:  # imports that --help must not wait for
    from ..data.images import Images
    from ..evaluation.embeddings import Embeddings
    from ..evaluation.projection import Method
    from ..model import VAE
    from ..run.run import Run
    from ..terminal.results import ImageChoice

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
    devices: Devices = 1,
    as_json: AsJson = False,
) -> None:
    """Encode images to latents, and save or plot them.

    A .npz file holds index, label, mean and log_var; a .csv file index, label and the means as z1,
    z2, ...; a .npy file the means only. A .npz file also holds class_names, if there are any, and
    for latents that are a map its shape (h, w, C), map_shape; a .csv file has a column class. Both
    have a column name for --input. The plot of two latents has contours of the prior.
    """
    from functools import partial

    from ..data.splits import load_split
    from ..evaluation import embeddings
    from ..experiments.shared_input import share_input
    from ..system.agreement import same_on_all
    from ..system.processes import is_first
    from ..terminal.images import name_choice

    wanted = _Wanted(output, plot, method, as_json)
    choose = partial(_choose, run_dir, checkpoint, split, input, skip_bad, wanted)
    run, images, choice = share_input(choose, lambda run: load_split(run.config, split or "test"))
    with same_on_all():
        model = run.model()
        latents = embeddings.embed(model, images, choice.names)
    if is_first():
        _write(run, model, latents, choice, wanted, dark, name_choice(split, input))


class _Wanted(NamedTuple):
    """The options that say what is written."""

    output: Path | None
    plot: Path | None
    method: "Method"
    as_json: bool


class Output(NamedTuple):
    """A file to write, and its ending, which chooses the format."""

    path: Path
    ending: str


class _Choice(NamedTuple):
    """What is written: the files with their formats, and what the images are called."""

    table: Output | None
    picture: Output | None
    names: list[str]
    which: str


def _choose(
    run_dir: Path | None,
    checkpoint: Literal["last", "best"] | None,
    split: str | None,
    input: list[str] | None,
    skip_bad: bool,
    wanted: "_Wanted",
) -> "tuple[Run, Images, _Choice]":
    """The run, the images to encode, and what is written."""
    from ..terminal.images import read_images
    from ..terminal.inputs import read_run

    _check_outputs(wanted)
    run = read_run(run_dir, checkpoint)
    table, picture = _choose_outputs(run, wanted)
    run.model()  # a checkpoint that cannot be read is found before the images are
    images, named, which = read_images(run, split, input, skip_bad)
    return run, images, _Choice(table, picture, named, which)


def _check_outputs(wanted: _Wanted) -> None:
    from ..system.errors import ConfigError
    from ..terminal.output import refuse_same_output

    refuse_same_output(wanted.output, wanted.plot)
    if wanted.method != "auto" and wanted.plot is None:
        raise ConfigError(f"method={wanted.method!r} is about the picture: add --plot FILE.")


def _choose_outputs(run: "Run", wanted: _Wanted) -> tuple[Output | None, Output | None]:
    """The table and the picture; None for one that is not wanted."""
    from ..evaluation import embeddings
    from ..run import names
    from ..terminal.output import output_path

    output, plot, _, as_json = wanted
    table = picture = None
    if output is not None or plot is None:
        table = Output(*output_path(output, run, names.EMBEDDINGS, embeddings.ENDINGS, as_json))
    if plot is not None:
        from ..pictures import style  # matplotlib takes 0.7 s to import

        picture = Output(*output_path(plot, run, plot.name, style.ENDINGS, as_json))
    return table, picture


def _write(
    run: "Run",
    model: "VAE",
    latents: "Embeddings",
    choice: _Choice,
    wanted: _Wanted,
    dark: bool,
    named: "ImageChoice",
) -> None:
    """Write the files and print their paths, or what they hold as JSON."""
    from ..terminal.output import print_json, write_result
    from ..terminal.result_objects import latents_result

    if table := choice.table:
        write_result(latents.to_bytes(table.ending), table.path, wanted.as_json)
    if picture := choice.picture:
        title = f"Latents of the {choice.which} images, {run.name}"
        content = _draw_map(model, latents, wanted.method, title, picture.ending, dark)
        write_result(content, picture.path, wanted.as_json)
    if wanted.as_json:
        files = (table and table.path, picture and picture.path)
        print_json(latents_result(run, *files, latents, named))


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

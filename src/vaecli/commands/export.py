"""`vaecli export`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..terminal.options import AsJson, Checkpoint, RunDir

if TYPE_CHECKING:
    from ..export.exported import Exported

EXAMPLES = [
    "vaecli export",
    "vaecli export -r runs/mnist-vae-1 -o mnist-vae",
    "vaecli export --card --license cc-by-4.0",
    "vaecli export --format pt2 --json",
]


def export(
    run_dir: RunDir = None,
    checkpoint: Checkpoint = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Directory to write. [default: export in the run directory]",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        Literal["onnx", "pt2", "both"],
        typer.Option(help="Files for ONNX runtimes (onnx), for PyTorch alone (pt2), or both."),
    ] = "both",
    card: Annotated[
        bool,
        typer.Option("--card", help="Write a model card, README.md, and the pictures it shows."),
    ] = False,
    license: Annotated[
        str | None,
        typer.Option(
            help="Licence of the model in the card, such as mit. [default: unknown]",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Export a trained model as files that run without vaecli.

    encoder: from images to the mean and log-variance of their posteriors. decoder: from latents to
    pixel means. scorer: from images and noise to the negative ELBO of each. sampler: from noise to
    latents of the prior. classifier: from images to the probabilities of classes, of m2. Batches
    may have any size. Every file is checked against the model before one is written, and says in
    its metadata how images are prepared. model.safetensors has the weights, and is itself a run.
    """
    from ..export.card.page import check_license, checked_folder, write_card
    from ..export.export import FORMATS, export_run
    from ..export.weights import save_weights
    from ..run import names
    from ..terminal.inputs import read_run, warn_without_fit
    from ..terminal.output import print_json, print_path, print_stderr

    check_license(license, card)
    run = read_run(run_dir, checkpoint)
    warn_without_fit(run)
    folder = checked_folder(output or run.folder / names.EXPORT, card)
    exported = export_run(run, folder, FORMATS if format == "both" else (format,))
    beside = [save_weights(run, folder)]
    if card:
        beside += write_card(run, exported, folder, license)
    for name, reason in exported.refused.items():
        print_stderr(f"Not exported: {name}. {reason}")
    if as_json:
        print_json(_describe(exported, beside))
        return
    for path in (*(file.path for file in exported.files), *beside):
        print_path(path)


def _describe(exported: "Exported", beside: list[Path]) -> dict[str, Any]:
    """One object: files, with their inputs and outputs; refused graphs, and why; metadata.

    Args:
        exported: The graphs.
        beside: The weights, and the card with its pictures.
    """
    values = asdict(exported)
    for file in values["files"]:
        file["path"] = str(file["path"])
    return {**values, "beside": list(map(str, beside))}

"""`vaecli plot-loss`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ..terminal.options import RUN_DIR, AsJson, Dark, output_option

if TYPE_CHECKING:
    from ..terminal.results import LossPlot, PlottedRun

EXAMPLES = ["vaecli plot-loss", "vaecli plot-loss -r runs/mnist-vae-1 -r runs/mnist-vae-2 -o 2.pdf"]


def plot_loss(
    run_dir: Annotated[list[Path] | None, RUN_DIR] = None,
    output: Annotated[
        Path | None, output_option("loss.png in the run directory", ".png, .pdf or .svg")
    ] = None,
    dark: Dark = False,
    as_json: AsJson = False,
) -> None:
    """Plot loss, distortion and rate per epoch.

    Works on a run that is still training. Repeat -r to plot several runs in one picture.
    """
    from ..pictures import loss_curves, style, themes
    from ..run import names
    from ..terminal.inputs import read_run
    from ..terminal.output import output_path, write_result

    runs = [read_run(folder) for folder in run_dir] if run_dir else [read_run(None)]
    path, ending = output_path(output, runs[0], names.LOSS_PLOT, style.ENDINGS, as_json)
    curves = {str(run.folder): run.losses() for run in runs}
    content = loss_curves.plot_losses(curves, ending, themes.choose_theme(dark))
    write_result(content, path, as_json, _describe(path, curves))


def _describe(path: Path, curves: dict[str, dict[str, list[float]]]) -> "LossPlot":
    runs: list[PlottedRun] = [
        {"run_dir": folder, "epochs": len(columns["epoch"])} for folder, columns in curves.items()
    ]
    return {"output": str(path), "runs": runs}

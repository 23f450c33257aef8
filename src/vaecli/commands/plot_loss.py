"""`vaecli plot-loss`."""

from pathlib import Path
from typing import Annotated

from .options import RUN_DIR, deliver, output_option, place, read_run

EXAMPLES = ["vaecli plot-loss", "vaecli plot-loss -r runs/mnist-vae-1 -r runs/mnist-vae-2 -o 2.pdf"]


def plot_loss(
    run_dir: Annotated[list[Path] | None, RUN_DIR] = None,
    output: Annotated[Path | None, output_option("loss.png in the run directory")] = None,
) -> None:
    """Plot loss, distortion and rate per epoch.

    Works on a run that still trains. Repeat -r to draw several runs into one picture.
    """
    from ..pictures import loss_curves, style
    from ..run import names

    chosen = run_dir or []
    opened = [read_run(folder) for folder in chosen] or [read_run(None)]
    path, ending = place(output, opened[0], names.LOSS_PLOT, style.ENDINGS)
    curves = {str(run.folder): run.losses() for run in opened}
    deliver(loss_curves.plot_losses(curves, ending), path)

"""`vaecli refit`."""

from pathlib import Path
from typing import Annotated

import typer

from ..terminal.completion import complete_part, complete_run
from ..terminal.options import AsJson, Progress, Quiet

EXAMPLES = [
    "vaecli refit runs/mnist-vae-1 --prior mixture:components=200",
    "vaecli refit --prior none -o runs/plain",
]


def refit(
    prior: Annotated[
        str,
        typer.Option(
            help="Prior to fit, as of train --fitted-prior: a spec, or none to remove it.",
            metavar="SPEC",
            autocompletion=complete_part("fitted_prior"),
        ),
    ],
    run: Annotated[
        Path | None,
        typer.Argument(
            help="Finished run. [default: the newest run under runs/]",
            metavar="RUN",
            show_default=False,
            envvar="VAECLI_RUN_DIR",
            show_envvar=False,
            autocompletion=complete_run,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Directory to write. [default: the next free runs/<data>-<preset>-<n>]",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    progress: Progress = "auto",
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Fit another prior to a trained model, in a new run.

    It is fitted to the latents; posterior and likelihood stay as they are. The new run has the
    checkpoints of the old one with the new prior, which samples and evaluation then use. The old
    run is not changed.
    """
    from ..experiments.refit import plan_refit
    from ..terminal.training import train_plan
    from ..training.runtime import setup_runtime

    setup_runtime()  # before the first tensor: the plan reads a checkpoint
    plan = plan_refit(run, prior, output)
    setup_runtime(plan.config.threads)
    train_plan(plan, output, mode=progress, quiet=quiet, as_json=as_json)

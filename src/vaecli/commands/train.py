"""`vaecli train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..terminal import config_options
from ..terminal.completion import complete_run
from ..terminal.config_options import MODEL, MOST_USED, RUN, TRAINING
from ..terminal.options import AsJson, Progress, Quiet, devices_option, option

if TYPE_CHECKING:
    from ..experiments.resume import Plan

EXAMPLES = [
    "vaecli train --epochs 50",
    "vaecli train --data photos --image-size 64 --epochs 20",
    "vaecli train --latent-dim 2 --network mlp:width=200,depth=3",
    "vaecli train --preset iwae --conditional",
    "vaecli train --resume runs/mnist-vae-1",
    "vaecli train --from runs/mnist-vae-1 --data fashion-mnist",
    "vaecli train --config runs/mnist-vae-1/config.json --seed 1",
]


@config_options.takes_config
def train(
    context: typer.Context,
    run_dir: Annotated[
        Path | None,
        typer.Option(
            "--run-dir",
            "-r",
            help="Directory to write. [default: the next free runs/<data>-<preset>-<n>]",
            metavar="DIR",
            show_default=False,
            rich_help_panel=MOST_USED,
        ),
    ] = None,
    resume: Annotated[
        str | None,
        option(
            "--resume",
            help="Resume RUN, or go on from a checkpoint file in a new run; auto: the newest "
            "unfinished run with these options, or a new one.",
            metavar="RUN|auto",
            rich_help_panel=MOST_USED,
            autocompletion=complete_run,
        ),
    ] = None,
    from_run: Annotated[
        str | None,
        option(
            "--from",
            help="Begin a new run with the weights of RUN where their shapes fit, and with the "
            "options of its model that are not given here.",
            metavar="RUN",
            rich_help_panel=RUN,
            autocompletion=complete_run,
        ),
    ] = None,
    beta: Annotated[
        float | None,
        option(
            "--beta",
            help="Set the objective's option beta; for elbo it is the weight of the KL.",
            metavar="X",
            rich_help_panel=MODEL,
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace the run in --run-dir.", rich_help_panel=RUN),
    ] = False,
    allow_data_change: Annotated[
        bool,
        typer.Option(
            "--allow-data-change",
            help="Let --resume continue with images other than those of the run.",
            rich_help_panel=RUN,
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Check everything, estimate time, memory and disk; write nothing.",
            rich_help_panel=RUN,
        ),
    ] = False,
    config_file: Annotated[
        Path | None,
        typer.Option(
            "--config",
            help="JSON file of options, such as a run's config.json.",
            metavar="FILE",
            rich_help_panel=RUN,
        ),
    ] = None,
    devices: Annotated[int, devices_option(rich_help_panel=TRAINING)] = 1,
    progress: Progress = "auto",
    quiet: Quiet = False,
    as_json: AsJson = False,
    **fields: Any,
) -> None:
    """Train a model and write its run directory.

    The directory gets checkpoints, pictures and a table of losses; its path is printed. Flags
    override environment variables (such as VAECLI_EPOCHS), which override --config.

    With --from, a new run begins with the best weights of a run, or those of a checkpoint file, on
    other images too; a tensor of another shape begins anew. The options of the group Model and the
    latents are those of the run unless you set them, or another --preset does; no others are.
    """
    from ..experiments.resume import make_plan
    from ..terminal.output import print_stderr
    from ..terminal.training import print_trained, train_plan
    from ..training.runtime import setup_runtime

    setup_runtime()  # before the first tensor: resuming reads a checkpoint
    options = config_options.explicit_options(context, [*fields, "beta"])
    plan = make_plan(options, config_file, resume, run_dir, overwrite, from_run)
    reason = plan.complete_reason()
    if plan.run and reason:
        print_stderr(reason)
        print_trained(plan.run.folder, as_json)
        return
    setup_runtime(plan.config.threads)
    if dry_run:
        _print_estimate(plan, run_dir, overwrite, allow_data_change, as_json)
        return
    train_plan(plan, run_dir, overwrite, allow_data_change, progress, quiet, as_json)


def _print_estimate(
    plan: "Plan", run_dir: Path | None, overwrite: bool, allow_data_change: bool, as_json: bool
) -> None:
    from ..experiments.dry_run import estimate
    from ..terminal.failures import with_flags
    from ..terminal.loading import load_progress
    from ..terminal.messages import dry_run_report
    from ..terminal.output import print_json, print_result, print_stderr
    from ..terminal.result_objects import estimate_result

    with load_progress() as on_progress:
        result = estimate(plan, run_dir, overwrite, allow_data_change, on_progress)
    for notice in result.notices:
        print_stderr(with_flags(f"{'Warning: ' * (notice.level == 'warning')}{notice.text}"))
    if as_json:
        print_json(estimate_result(result, plan))
    else:
        print_result(dry_run_report(result))

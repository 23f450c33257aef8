"""`vaecli tune`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..terminal import config_options
from ..terminal.config_options import MODEL, MOST_USED, RUN
from ..terminal.options import AsJson, Progress, Quiet, option

if TYPE_CHECKING:
    from ..experiments.tune.study import Study

EXAMPLES = [
    "vaecli tune --trials 20 --epochs 5",
    "vaecli tune --search lr=1e-4..1e-2:log --search latent-dim=8,16,32",
    "vaecli tune --search network.width=200..800:100 --study runs/widths",
    "vaecli tune --study runs/widths",
    "vaecli train --config runs/widths/best.json --epochs 50",
]


@config_options.takes_config
def tune(
    context: typer.Context,
    search: Annotated[
        list[str] | None,
        typer.Option(
            "--search",
            "-s",
            help="Search an option, such as lr or network.width, in LOW..HIGH, LOW..HIGH:log, "
            "LOW..HIGH:STEP or values A,B,C; can be repeated. [default: lr, batch-size, "
            "latent-dim, network.width and network.depth around their values]",
            metavar="NAME=RANGE",
            show_default=False,
            rich_help_panel=MOST_USED,
        ),
    ] = None,
    trials: Annotated[
        int | None,
        option(
            "--trials",
            help="Trials in all, over all workers and restarts. [default: 20, or those of the "
            "study]",
            metavar="N",
            min=1,
            max=100_000,
            show_default=False,
            rich_help_panel=MOST_USED,
        ),
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option(
            "--study",
            help="Folder of the study, to begin it or to go on with it. [default: an unfinished "
            "study of the same options under runs/, else the next free "
            "runs/tune-<data>-<preset>-<n>]",
            metavar="DIR",
            show_default=False,
            rich_help_panel=MOST_USED,
        ),
    ] = None,
    storage: Annotated[
        str | None,
        option(
            "--storage",
            help="URL of a database for the trials, as Optuna takes it, for workers on many "
            "machines that share the folder. [default: a journal in the folder]",
            metavar="URL",
            show_default=False,
            rich_help_panel=RUN,
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
    config_file: Annotated[
        Path | None,
        typer.Option(
            "--config",
            help="JSON file of options, such as a run's config.json.",
            metavar="FILE",
            rich_help_panel=RUN,
        ),
    ] = None,
    progress: Progress = "auto",
    quiet: Quiet = False,
    as_json: AsJson = False,
    **fields: Any,
) -> None:
    """Search for the options of the best model.

    Each trial is an ordinary run in the folder of the study, which is printed. Trials are compared
    by the lowest loss on validation images, and end early if they are worse than the median.
    Without --validation, a tenth of the training images is held out, at most 5,000. The test images
    are evaluated once, for the best trial, at the end.

    The same command goes on with a study that was stopped or killed. Start it in several terminals,
    with the same --study, for several workers. The options of the best trial are in best.json;
    tuning.png shows all trials, trials.csv lists them.
    """
    _require_optuna()
    from ..experiments.tune.start import Request
    from ..terminal.tune import run_study
    from ..training.runtime import setup_runtime

    options = config_options.explicit_options(context, [*fields, "beta"])
    setup_runtime(options.get("threads"))
    request = Request(options, config_file, search or [], trials, study, storage)
    _print_result(run_study(request, progress, quiet), as_json, quiet)


def _require_optuna() -> None:
    from ..system.errors import ConfigError

    try:
        import optuna  # noqa: F401
    except ImportError:
        raise ConfigError(
            'vaecli tune needs Optuna: install it with: pip install "vaecli[tune]"'
        ) from None


def _print_result(study: "Study", as_json: bool, quiet: bool) -> None:
    from ..experiments.tune.result import to_dict
    from ..terminal.output import print_finished_run, print_json, print_stderr
    from ..terminal.tune import result_text

    if not quiet:
        print_stderr(result_text(study))
    if as_json:
        print_json(to_dict(study))
    else:
        print_finished_run(study.folder)

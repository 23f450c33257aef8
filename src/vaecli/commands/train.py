"""`vaecli train`."""

from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..system.errors import ConfigError, TimeOver
from . import options
from .screen import Screen
from .session import prepare, train_on
from .stopping import Stopping

if TYPE_CHECKING:
    from ..config.config import Config
    from ..run import Run

EXAMPLES = [
    "vaecli train --epochs 50",
    "vaecli train --latent-dim 2 --network mlp:width=200,depth=3",
    "vaecli train --preset iwae --conditional",
    "vaecli train --resume runs/mnist-vae-1",
    "vaecli train --config runs/mnist-vae-1/config.json --seed 1",
]


@options.takes(options.settings())
def train(
    context: typer.Context,
    beta: options.Beta = None,
    run_dir: options.NewRunDir = None,
    overwrite: options.Overwrite = False,
    resume: options.Resume = None,
    allow_data_change: options.DataChange = False,
    dry_run: options.DryRun = False,
    config_file: options.ConfigFile = None,
    progress: options.Progress = "auto",
    quiet: options.Quiet = False,
    **settings: Any,
) -> None:
    """Train a model and write its run directory.

    It gets the checkpoint, pictures and a loss log, and its path is printed.

    A flag wins over its environment variable (VAECLI_EPOCHS and so on), this over --config.
    """
    from .. import run as runs

    chosen = options.given(context, [*settings, "beta"])
    config, found = _choose(chosen, config_file, resume, run_dir, overwrite)
    if found and _is_complete(found, config):
        return
    if dry_run:
        run = found or runs.planned(run_dir, overwrite)
        _rehearse(run, config, allow_data_change)
        return
    with ExitStack() as stack:
        stopping = stack.enter_context(Stopping())
        with nullcontext(found) if found else runs.starting(config, run_dir, overwrite) as run:
            stack.enter_context(run.hold())
            state, images = prepare(run, config)
            run.begin(state, run.check(state, images, allow_data_change))
        screen = stack.enter_context(Screen(progress, quiet, run.log, config.epochs))
        try:
            train_on(run, state, images, screen, stopping)
        except TimeOver as over:
            screen.say(str(over))
    options.announce(run.folder)


def _choose(
    chosen: dict[str, Any],
    config_file: Path | None,
    resume: str | None,
    run_dir: Path | None,
    overwrite: bool,
) -> tuple["Config", "Run | None"]:
    """What to train, and the run to go on with, if there is one."""
    from ..config import presets
    from ..config.option_files import read_options_file
    from ..run.resume import changed

    if resume not in (None, "auto"):
        if run_dir or config_file or overwrite:
            raise ConfigError("--resume RUN goes without --run-dir, --config and --overwrite.")
        run = _open_last(resume)
        return changed(run, presets.with_beta(chosen, run.config.objective)), run
    layers = [] if config_file is None else [read_options_file(config_file)]
    config = presets.config_from_layers(*layers, chosen)
    found = _find(run_dir, config) if resume else None
    chosen = presets.with_beta(chosen, config.objective)
    return (changed(found, chosen) if found else config), found


def _rehearse(run: "Run", config: "Config", changed: bool) -> None:
    """Print what training would take."""
    from .rehearsal import report

    print(report(run, *prepare(run, config), changed))


def _open_last(path: str) -> "Run":
    """The run to go on with, refused if `path` is another checkpoint than its last."""
    from .. import run as runs

    run = runs.open(path, "last")
    if run != runs.open(run.folder, "last"):
        raise ConfigError(f"--resume goes on from the last checkpoint: name the run {run.folder}.")
    return run


def _find(run_dir: Path | None, config: "Config") -> "Run | None":
    """The run that `--resume auto` goes on with, if there is one."""
    from .. import run as runs

    if run_dir is None:
        return runs.find_unfinished(config)
    return runs.open(run_dir, "last") if run_dir.exists() else None


def _is_complete(run: "Run", config: "Config") -> bool:
    """Whether nothing is left to train, which is then said."""
    if run.record.status != "completed":
        return False
    from ..training.early_stopping import why_over

    if not (reason := why_over(config, run.history())):
        return False
    option = "--epochs" if len(run.history()) >= config.epochs else "--patience"
    options.say(f"{run.folder} is already complete: {reason}; extend it with {option} N.")
    options.announce(run.folder)
    return True

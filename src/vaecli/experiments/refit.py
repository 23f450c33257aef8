"""Decides how another prior is fitted to a finished run."""

import shlex
from contextlib import suppress
from pathlib import Path

from ..config.build import monitor_of, resolve
from ..run import directory, names
from ..run.find import latest_run, open_run
from ..system.errors import ConfigError
from ..training.early_stopping import stop_reason
from .resume import Plan


def plan_refit(path: Path | None, prior: str, folder: Path | None = None) -> Plan:
    """The plan that fits another prior to a finished run, in a new run.

    Args:
        path: The run directory, or a checkpoint of a whole training; None for the newest run.
        prior: Spec of the prior.
        folder: Directory of the new run; None for the next free one.

    Raises:
        ConfigError: The prior is unknown, training has not ended, or the directory is not empty.
        RunError: The run is missing or damaged.
    """
    if folder is not None:
        _require_unused(folder)
    run = latest_run(checkpoint="last") if path is None else open_run(path, "last")
    config = resolve(run.config).with_values(fitted_prior=prior)
    if not run.holds_training_state():
        raise ConfigError(f"{path} has the weights alone: refit needs the run directory.")
    if run.contents[1].position.batch or not stop_reason(config, run.history(), monitor_of(config)):
        if run.checkpoint != run.folder / names.CHECKPOINT:
            raise ConfigError(
                f"{run.checkpoint} was saved before the end of training: refit its run directory, "
                f"or go on with vaecli train --resume {shlex.quote(str(run.checkpoint))}."
            )
        raise ConfigError(
            f"The training of {run.folder} has not ended: finish it first with vaecli train "
            f"--resume {shlex.quote(str(run.folder))}."
        )
    return Plan(resolve(config), source=run)


def _require_unused(folder: Path) -> None:
    with suppress(OSError):  # whatever makes the directory says why
        if folder.is_dir() and not directory.is_blank(folder):
            raise ConfigError(f"{folder} is not empty. Choose another directory with -o.")

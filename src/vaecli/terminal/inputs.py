"""The run that a command reads."""

from pathlib import Path
from typing import Literal

from ..run.find import latest_run, open_run, scan_runs
from ..run.run import Run
from ..system.errors import ConfigError
from .output import print_stderr


def read_run(run_dir: Path | None, checkpoint: Literal["last", "best"] | None = None) -> Run:
    """The run that `-r` names; by default the newest one, which is then named on stderr.

    Raises:
        ConfigError: `--checkpoint` is given for a checkpoint file.
        RunError: There is no such run.
    """
    if run_dir is None:
        for problem in scan_runs()[1]:
            print_stderr(f"Warning: a run is skipped. {problem}")
        run = latest_run(checkpoint=checkpoint)
        print_stderr(f"Reading {run.folder}, the newest run; -r chooses another.")
        return run
    if checkpoint and run_dir.is_file():
        raise ConfigError("--checkpoint chooses in a run directory, but -r names a file.")
    return open_run(run_dir, checkpoint)


def warn_without_fit(run: Run) -> None:
    """Say so if a checkpoint lacks the prior that the run fits after training.

    Raises:
        RunError: The run cannot be read.
    """
    spec = run.config.fitted_prior
    if spec.name != "none" and not run.has_fitted_prior():
        print_stderr(
            f"Warning: {run.checkpoint} has no fitted prior, which comes at the end of training: "
            f"the prior of training, {run.config.prior.name}, is used instead."
        )

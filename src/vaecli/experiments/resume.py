"""Decides whether to train a new run or resume one, and which options a resume may change."""

import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..config import defaults, presets
from ..config.build import check_specs, monitor_of, resolve, with_latent_dim
from ..config.config import Config
from ..config.option_files import read_options_file
from ..run import directory, names, replace
from ..run.find import latest_run, open_run, runs_newest_first
from ..run.lock import run_lock
from ..run.run import Run
from ..system.errors import ConfigError, ConfigFileError, RunError
from ..training.early_stopping import stop_reason

# Options that a resume may change; `on_nan`, so that a diverged run can continue with rollbacks.
CHANGEABLE_ON_RESUME = (
    "epochs",
    "device",
    "patience",
    "max_time",
    "threads",
    "compile",
    "save_every",
    "sample_every",
    "on_nan",
)

NOT_WITH_RUN = (
    "--resume RUN excludes --run-dir, --config and --overwrite: leave them out. Only the file of "
    "another checkpoint than the last goes on in a new run, where --run-dir says."
)


@dataclass(frozen=True)
class Plan:
    """A new run to train, or a run to resume.

    Attributes:
        config: The resolved configuration.
        run: The run to resume; None for a new one.
        source: The checkpoint from which a new run goes on; None for one from the start.
    """

    config: Config
    run: Run | None = None
    source: Run | None = None

    def complete_reason(self) -> str | None:
        """Why nothing is left to train in the run to resume; None if something is."""
        if self.run is None or self.run.record.status != "completed":
            return None
        history = self.run.history()
        reason = stop_reason(self.config, history, monitor_of(self.config))
        if reason is None:
            return None
        option = "--epochs" if len(history) >= self.config.epochs else "--patience"
        return f"{self.run.folder} is already complete: {reason}; extend it with {option} N."


def make_plan(
    options: Mapping[str, Any],
    config_file: Path | None = None,
    resume: str | None = None,
    run_dir: Path | None = None,
    overwrite: bool = False,
) -> Plan:
    """The plan for these options of `vaecli train`.

    Args:
        options: Values of fields of `Config`, and `beta`, that the user gave.
        config_file: JSON file of options, which `options` override.
        resume: Path of a run to resume, or of a checkpoint to go on from in a new run; "auto" for
            the newest run with the same options that is neither completed nor diverged, and if
            there is none, a new run.
        run_dir: Directory of a new run, or with "auto" of the run to resume.
        overwrite: Whether a new run replaces the one in `run_dir`.

    Raises:
        ConfigError: Options contradict each other, or cannot change on a resume.
        RunError: The run to resume is missing or damaged.
    """
    if resume not in (None, "auto"):
        if config_file or overwrite:
            raise ConfigError(NOT_WITH_RUN)
        return _resume_path(resume, options, run_dir)
    layers = [] if config_file is None else [_read_layer(config_file)]
    config = resolve(presets.config_from_layers(*layers, options))
    run = _find_run(run_dir, config) if resume else None
    if run is None:
        return Plan(config)
    return _resume(run, options)


def _read_layer(path: Path) -> dict[str, Any]:
    """The options in a file, each checked by itself; the errors name the file."""
    values = read_options_file(path)
    try:
        presets.check_layer(values)
        check_specs(values)
    except ConfigError as error:
        raise ConfigFileError(f"{path}: {error}") from None
    return values


def _resume_path(path: str, options: Mapping[str, Any], run_dir: Path | None) -> Plan:
    """The plan that resumes a run, or goes on from a checkpoint that is not the last of a run."""
    run = open_run(path, "last")
    if run.checkpoint.is_file() and run.checkpoint != run.folder / names.CHECKPOINT:
        if not run.holds_training_state():
            raise ConfigError(
                f"{path} has the weights alone: --resume needs a checkpoint of the whole training, "
                f"such as {names.CHECKPOINT} or one that --save-every kept."
            )
        return Plan(config_for_resume(run, options), source=run)
    if run_dir:
        raise ConfigError(NOT_WITH_RUN)
    return _resume(run, options)


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


def _resume(run: Run, options: Mapping[str, Any]) -> Plan:
    run.has_checkpoint()  # raises if it is lost: training would begin again
    return Plan(config_for_resume(run, options), run)


def _find_run(run_dir: Path | None, config: Config) -> Run | None:
    """The run that `--resume auto` resumes, if there is one."""
    if run_dir is not None:
        return None if _is_to_start(run_dir) else open_run(run_dir, "last")
    return find_unfinished(config)


def _is_to_start(folder: Path) -> bool:
    """Whether there is nothing to resume in `folder`: it is missing, or empty but for a start."""
    replace.recover(folder)
    try:
        if not folder.is_dir():
            return not folder.exists()
        has_run = (folder / names.CONFIG).is_file() and (folder / names.RECORD).is_file()
        return not has_run and directory.is_blank(folder)
    except OSError:  # whatever opens the folder next says why
        return False


def find_unfinished(config: Config) -> Run | None:
    """The newest run under runs/ that `can_resume` with this configuration, if there is one.

    Args:
        config: A resolved configuration.
    """
    replace.recover_all(Path(defaults.RUNS))
    for run in runs_newest_first():
        if can_resume(run, config):
            return run
    return None


def can_resume(run: Run, config: Config) -> bool:
    """Whether a run can continue with this configuration and is not being trained.

    Its options must be the same, except those that a resume may change, and it must be neither
    completed nor diverged.

    Args:
        run: The run; False if it is damaged.
        config: A resolved configuration.
    """
    try:
        if run.record.status in ("completed", "diverged"):
            return False
        if not _same_unchangeable_options(resolve(run.config), _with_latent_dim(config, run)):
            return False
        with run_lock(run.folder):
            return True
    except (ConfigError, RunError):
        return False


def _with_latent_dim(config: Config, run: Run) -> Config:
    """A resolved configuration; without a number of latents it gets that for the run's images.

    Before the first checkpoint their size is unknown: then it gets the number of the run.
    """
    if config.latent_dim is not None:
        return config
    if run.has_checkpoint():
        return with_latent_dim(config, run.contents[1].shape)
    return config.with_values(latent_dim=run.config.latent_dim)


def _same_unchangeable_options(old: Config, new: Config) -> bool:
    """Whether two resolved configurations differ in nothing but what a resume may change."""
    return all(
        getattr(old, field.name) == getattr(new, field.name)
        for field in fields(Config)
        if field.name not in CHANGEABLE_ON_RESUME
    )


def config_for_resume(run: Run, options: Mapping[str, Any]) -> Config:
    """The configuration of a run with the given options.

    Raises:
        ConfigError: An option differs that cannot change.
    """
    old = resolve(run.config)
    if not options:
        return old
    given = presets.with_beta(presets.typed_options(options), old.objective)
    new = _with_latent_dim(resolve(old.with_values(**given)), run)
    for name in given:
        before = getattr(old, name)
        after = getattr(new, name)
        if name not in CHANGEABLE_ON_RESUME and before != after:
            changeable = ", ".join(_flag(key) for key in CHANGEABLE_ON_RESUME)
            raise ConfigError(
                f"Cannot change {_flag(name)} from {before} to {after} when resuming "
                f"{run.folder}: only {changeable} may change."
            )
    return new


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")

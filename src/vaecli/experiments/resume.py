"""Decides whether to train a new run or resume one, and which options a resume may change."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import defaults, presets
from ..config.build import check_specs, monitor_of, resolve
from ..config.config import Config
from ..config.data_paths import existing_path, is_path
from ..config.option_files import read_options_file
from ..run import directory, names, replace
from ..run.find import open_run, runs_newest_first
from ..run.lock import run_lock
from ..run.record import read_record
from ..run.run import Run
from ..system.errors import ConfigError, ConfigFileError, RunError
from ..training.early_stopping import stop_reason
from .from_run import (
    WITH_RESUME,
    Start,
    began_with,
    model_options,
    refuse_own_origin,
    require_same_origin,
    require_weights,
    start_path,
)

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
        start: The weights with which a new run begins; None for random ones.
    """

    config: Config
    run: Run | None = None
    source: Run | None = None
    start: Start | None = None

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
    from_run: str | None = None,
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
        from_run: Path of a run, or of a checkpoint, with whose weights a new run begins. It also
            gives the options of the model that neither `options` nor the file set.

    Raises:
        ConfigError: Options contradict each other, or cannot change on a resume.
        RunError: The run to resume is missing or damaged.
    """
    if isinstance(data := options.get("data"), str):
        options = {**options, "data": existing_path(data)}
    if resume not in (None, "auto"):
        if from_run is not None:
            raise ConfigError(WITH_RESUME)
        if config_file or overwrite:
            raise ConfigError(NOT_WITH_RUN)
        return _resume_path(resume, options, run_dir)
    layers = [] if config_file is None else [_read_layer(config_file)]
    named = start = None
    if from_run is not None:
        named = start_path(from_run)
        # the run to begin with may be gone by now
        if resume and run_dir and (begun := _run_in(run_dir, named)):
            require_same_origin(begun, named)
            return _resume(begun, options)
        start = Start(named, open_run(from_run))
        refuse_own_origin(start.run, run_dir, overwrite)
        layers.insert(0, model_options(start.run, *layers, options))
    config = resolve(presets.config_from_layers(*layers, options))
    run = None
    if resume:
        run = _run_in(run_dir, named) if run_dir else find_unfinished(config, named)
    return _resume(run, options) if run else Plan(config, start=start)


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


def _resume(run: Run, options: Mapping[str, Any]) -> Plan:
    run.has_checkpoint()  # raises if it is lost: training would begin again
    require_weights(run)
    return Plan(config_for_resume(run, options), run)


def _run_in(folder: Path, named: Path | None) -> Run | None:
    """The run in `folder` that `--resume auto` resumes; None if there is nothing to resume."""
    if is_to_start(folder, named):
        return None
    return open_run(folder, "last")


def is_to_start(folder: Path, named: Path | None = None) -> bool:
    """Whether there is nothing to resume in `folder`: it is missing, or empty but for a start.

    A start that has not saved the weights that `--from` names is none.
    """
    replace.recover(folder)
    try:
        if not folder.is_dir():
            return not folder.exists()
        if not directory.is_blank(folder):
            return False
        has_run = (folder / names.CONFIG).is_file() and (folder / names.RECORD).is_file()
        return not has_run or (named is not None and began_with(read_record(folder), named))
    except OSError:  # whatever opens the folder next says why
        return False


def find_unfinished(config: Config, named: Path | None = None) -> Run | None:
    """The newest run under runs/ that `can_resume` with this configuration, if there is one.

    Args:
        config: A resolved configuration.
        named: As for `can_resume`.
    """
    replace.recover_all(Path(defaults.RUNS))
    for run in runs_newest_first():
        if can_resume(run, config, named):
            return run
    return None


def can_resume(run: Run, config: Config, named: Path | None = None) -> bool:
    """Whether a run can continue with this configuration and is not being trained.

    Its options must be the same, except those that a resume may change, and it must be neither
    completed nor diverged.

    Args:
        run: The run; False if it is damaged.
        config: A resolved configuration.
        named: The run or checkpoint with whose weights it must have begun; None for random ones.
    """
    try:
        record = run.record
        if record.status in ("completed", "diverged") or not began_with(record, named):
            return False
        require_weights(run)
        if not _same_unchangeable_options(run, config):
            return False
        with run_lock(run.folder):
            return True
    except (ConfigError, RunError):
        return False


def _same_unchangeable_options(run: Run, new: Config) -> bool:
    """Whether a resolved configuration is that of a run, but for what a resume may change.

    An option that follows from the images of the run may also be left out again.
    """
    old = resolve(run.config)
    derived = run.record.derived
    return all(
        getattr(old, name) == getattr(new, name)
        or (name in derived and getattr(new, name) == getattr(Config, name))
        for name in Config.__dataclass_fields__
        if name not in CHANGEABLE_ON_RESUME
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
    new = resolve(old.with_values(**given))
    for name in given:
        before = getattr(old, name)
        after = getattr(new, name)
        # a folder may have moved; whether it holds the images of the run is checked when it is read
        has_moved = name == "data" and is_path(before) and is_path(after)
        if name not in CHANGEABLE_ON_RESUME and before != after and not has_moved:
            changeable = ", ".join(_flag(key) for key in CHANGEABLE_ON_RESUME)
            raise ConfigError(
                f"Cannot change {_flag(name)} from {before} to {after} when resuming "
                f"{run.folder}: only {changeable} may change."
            )
    return new


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")

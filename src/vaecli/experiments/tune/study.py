"""A study: a folder with its record, the journal of its trials, and a run for each trial."""

import logging
import secrets
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import MedianPruner
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages.journal import JournalStorage

from ...config import presets
from ...config.build import resolve
from ...config.config import Config, to_json
from ...config.data_paths import existing_path
from ...config.option_files import read_options_file
from ...system.errors import ConfigError, RunError
from ...system.files import write_error
from ...system.text import without_passwords
from .locks import journal_backend
from .ranges import Range
from .record import STUDY, StudyRecord, read_study
from .rows import State, TrialRow
from .search import parse_search

JOURNAL = "journal.log"
# Options in which the workers of a study may differ: they change no result that is compared.
WORKER_OPTIONS = ("device", "threads", "compile", "max_time")
# Trials that complete before others are pruned, and epochs before one is: the first epoch says
# little, and a median of fewer is chance.
FIRST_TRIALS = 5
FIRST_EPOCHS = 2

STATES: dict[str, State] = {"COMPLETE": "completed", "PRUNED": "pruned", "FAIL": "failed"}
FAILED = "failed"  # attribute of a trial: why it has no result
SECONDS = "seconds"  # attribute of a trial: of training and evaluation


@dataclass
class Study:
    """An open study.

    Attributes:
        folder: Its folder.
        record: The contents of study.json when it was opened.
        base: The resolved configuration that each trial changes.
        search: The range of each searched option, by name.
        storage: Optuna's study, which holds the trials.
    """

    folder: Path
    record: StudyRecord
    base: Config
    search: dict[str, Range]
    storage: optuna.Study

    def run_of(self, number: int) -> Path:
        """The run directory of a trial."""
        return self.folder / f"trial-{number:03}"

    def rows(self) -> list[TrialRow]:
        """The trials that have begun, in the order of their numbers."""
        trials = self.storage.get_trials(deepcopy=False)
        begun = (trial for trial in trials if trial.state.name != "WAITING")
        return [self.row_of(trial) for trial in begun]

    def row_of(self, trial: optuna.trial.FrozenTrial) -> TrialRow:
        """The row of a trial."""
        state = STATES.get(trial.state.name, "running")
        reason = None
        if trial.state.is_finished() and FAILED in trial.user_attrs:
            state = "failed"
            reason = trial.user_attrs[FAILED]
        elif state == "pruned":
            reason = f"worse than the median after epoch {trial.last_step}"
        losses = trial.intermediate_values
        return TrialRow(
            number=trial.number,
            state=state,
            value=min(losses.values(), default=None),
            epochs=max(losses, default=0),
            seconds=trial.user_attrs.get(SECONDS, 0.0),
            options={name: trial.params.get(name) for name in self.search},
            run=self.run_of(trial.number),
            reason=reason,
        )

    def read_again(self) -> StudyRecord:
        """The contents of study.json now, which another worker may have written."""
        self.record = read_study(self.folder)
        return self.record


def is_study(folder: Path) -> bool:
    """Whether there is a study in the folder."""
    return (folder / STUDY).is_file()


def open_study(
    folder: Path, url: str | None = None, options: Mapping[str, Any] | None = None
) -> Study:
    """The study in a folder.

    Args:
        folder: The folder.
        url: URL of its database, as Optuna takes it; None for the journal in the folder.
        options: Values of `WORKER_OPTIONS` for the trials of this process.

    Raises:
        RunError: The folder holds no study, or a damaged one.
        ConfigError: The study is in a database, and there is no URL, or the other way round.
    """
    record = read_study(folder)
    if record.external and url is None:
        raise ConfigError(f"{folder} keeps its trials in a database: add --storage URL.")
    if url is not None and not record.external:
        raise ConfigError(f"{folder} keeps its trials in its {JOURNAL}: leave out --storage.")
    try:
        base = resolve(record.base())
        search = parse_search([f"{name}={text}" for name, text in record.search.items()], base)
    except ConfigError as error:
        raise RunError(f"{folder / STUDY} is not written by vaecli: {error}") from None
    chosen = {name: v for name, v in (options or {}).items() if name in WORKER_OPTIONS}
    storage = open_storage(folder, url)
    try:
        study = optuna.load_study(study_name=record.name, storage=storage, pruner=_pruner())
    except KeyError:
        place = "The database" if record.external else f"{folder / JOURNAL}"
        raise RunError(f"{place} does not hold the study {record.name} of {folder}.") from None
    return Study(folder, record, base.with_values(**chosen), search, study)


def create_in_storage(
    folder: Path, record: StudyRecord, url: str | None, first: Mapping[str, Any] | None
) -> None:
    """Make the study in its storage; `first` are the options of its first trial, if they are known.

    Raises:
        ConfigError: The database cannot be used.
    """
    storage = open_storage(folder, url)
    study = optuna.create_study(storage=storage, study_name=record.name, direction="minimize")
    if first is not None:
        study.enqueue_trial(dict(first))


def open_storage(folder: Path, url: str | None) -> BaseStorage:
    """The journal in a folder, or the database at a URL.

    Raises:
        ConfigError: The URL is none of a database that can be reached.
        RunError: The journal is damaged.
    """
    silence_optuna()
    if url is None:
        return _open_journal(folder / JOURNAL)
    try:
        return RDBStorage(url)
    except Exception as error:  # of SQLAlchemy, of its driver, or of Optuna
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"The --storage cannot be used: {without_passwords(reason)}") from None


def _open_journal(journal: Path) -> BaseStorage:
    try:
        return JournalStorage(journal_backend(journal))
    except OSError as error:
        raise write_error(error, str(journal)) from error
    except Exception as error:  # a line may hold anything
        raise RunError(f"{journal} is damaged: {type(error).__name__}: {error}.") from error


def silence_optuna() -> None:
    """Keep the log lines and the warnings of Optuna off stderr: the result says all of it."""
    optuna.logging.disable_default_handler()
    logging.getLogger("optuna").addHandler(logging.NullHandler())
    warnings.filterwarnings("ignore", module=r"optuna\b")
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


def _pruner() -> MedianPruner:
    """Ends a trial whose lowest loss is above the median of the others at the same epoch.

    It needs no budget or number of trials to be chosen before, as halving does, and works with any
    number of workers.
    """
    return MedianPruner(n_startup_trials=FIRST_TRIALS, n_warmup_steps=FIRST_EPOCHS)


def new_name(folder: Path) -> str:
    """A name for a study; a database may hold others from folders of the same name."""
    return f"{folder.absolute().name}-{secrets.token_hex(4)}"


def refuse_changes(record: StudyRecord, folder: Path, options: Mapping[str, Any]) -> None:
    """Raise a `ConfigError` if an option of `Config` differs from that of a study.

    Args:
        record: That of the study.
        folder: Its folder.
        options: Values by name, as the user gave them, also `beta`.
    """
    base = resolve(Config.from_values(record.config))
    given = presets.with_beta(presets.typed_options(options), base.objective)
    new = resolve(base.with_values(**given))
    for name in given:
        before, after = getattr(base, name), getattr(new, name)
        if before != after and name not in WORKER_OPTIONS:
            raise ConfigError(
                f"Cannot change {name} from {before} to {after} in the study {folder}: its trials "
                "could not be compared. Leave it out, or start a new study."
            )


def file_options(config_file: Path | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a file, overridden by those of the command line."""
    values = dict(options)
    if config_file is not None:
        values = {**read_options_file(config_file), **options}
    if isinstance(data := options.get("data"), str):
        values["data"] = existing_path(data)
    return values


def same_options(record: StudyRecord, config: Config) -> bool:
    """Whether a study was made with the same options, apart from those of its workers."""
    old, new = to_json(resolve(Config.from_values(record.config))), to_json(config)
    return all(old[name] == new[name] for name in old if name not in WORKER_OPTIONS)

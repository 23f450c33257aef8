"""Starts a study, or finds the one to go on with."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...config import defaults
from ...config.build import with_latent_dim
from ...config.config import Config, to_json
from ...config.data_paths import short_name
from ...data.load_log import OnProgress, no_progress
from ...run import directory
from ...system.errors import ConfigError, ModelTooLarge, RunError
from ...training.state import check_model
from ..prepare import Prepared, prepare
from ..resume import make_plan
from .locks import study_lock
from .ranges import Range
from .record import STUDY, StudyRecord, read_study, with_validation, write_study
from .search import default_search, metric_of, parse_search, values_of, with_options
from .study import (
    JOURNAL,
    Study,
    create_in_storage,
    file_options,
    is_study,
    new_name,
    open_storage,
    open_study,
    refuse_changes,
    same_options,
)

TRIALS = 20  # by default
MAX_VALIDATION = 5000  # images that are held out by default, at most a tenth
LEFT_BY_A_START = {".lock", JOURNAL, f"{JOURNAL}.lock"}


@dataclass(frozen=True)
class Request:
    """What the user asks of `vaecli tune`.

    Attributes:
        options: Fields of `Config` by name, and `beta`.
        config_file: JSON file of options, which `options` override.
        search: Ranges such as `lr=1e-4..1e-2:log`; none for the default ones.
        trials: Trials in all; None for those of the study, or 20.
        folder: Folder of the study; None to go on with an unfinished study of the same options
            under runs/, or to start the next free one there.
        url: URL of a database for the trials; None for a journal in the folder.
    """

    options: Mapping[str, Any]
    config_file: Path | None = None
    search: Sequence[str] = ()
    trials: int | None = None
    folder: Path | None = None
    url: str | None = None


def open_or_start(request: Request, on_progress: OnProgress = no_progress) -> tuple[Study, bool]:
    """The study that a request is about, and whether it existed before.

    Raises:
        VaecliError: An option is wrong or differs from that of the study, or the images cannot be
            read.
    """
    if request.folder is not None and is_study(request.folder):
        return _go_on(request, request.folder), True
    config = make_plan(request.options, request.config_file).config
    # checked first: a wrong range makes no folder
    asked = {name: str(found) for name, found in parse_search(request.search, config).items()}
    if request.folder is None and (found := _find_unfinished(request, config, asked)):
        return _go_on(request, found), True
    _check_folder(request.folder)
    return _go_on(request, _make(request, config, on_progress)), False


def _go_on(request: Request, folder: Path) -> Study:
    """Open a study, with more trials if the request has more."""
    study = open_study(folder, request.url, request.options)
    record = study.record
    refuse_changes(record, folder, file_options(request.config_file, request.options))
    if request.search:
        asked = parse_search(request.search, study.base)
        if asked != study.search:
            ranges = ", ".join(f"{name} in {text}" for name, text in record.search.items())
            raise ConfigError(
                f"The study {folder} searches {ranges}: leave out --search, or start a new study."
            )
    with study_lock(folder):
        if request.trials is not None and request.trials > study.read_again().trials:
            changes = {"trials": request.trials, "finished": False}
            write_study(folder, study.record.model_copy(update=changes))
            study.read_again()
    return study


def _find_unfinished(request: Request, config: Config, asked: Mapping[str, str]) -> Path | None:
    """The newest unfinished study under runs/ with the same options, searches and trials."""
    found = []
    for path in Path(defaults.RUNS).glob(f"*/{STUDY}"):
        with suppress(RunError, ConfigError, OSError):
            record = read_study(path.parent)
            is_same = (
                not record.finished
                and record.trials == (request.trials or TRIALS)
                and record.external == (request.url is not None)
                and record.is_default_search == (not asked)
                and (not asked or record.search == asked)
                and same_options(record, config)
            )
            if is_same:
                found.append((path.stat().st_mtime, path.parent))
    newest = max(found, default=None)
    return newest and newest[1]


def _check_folder(folder: Path | None) -> None:
    if folder is None:
        return
    try:
        if folder.is_dir() and not {path.name for path in folder.iterdir()} <= LEFT_BY_A_START:
            raise ConfigError(
                f"{folder} is not empty and holds no study: choose another --study DIR."
            )
    except OSError as error:
        raise ConfigError(f"Cannot make the study {folder}: {error.strerror}.") from error


def _make(request: Request, config: Config, on_progress: OnProgress) -> Path:
    """Make the folder of a new study; what can be checked is checked before."""
    prepared = prepare(config, on_progress)
    held_out = None
    if prepared.images.validation is None:
        held_out = max(1, min(MAX_VALIDATION, len(prepared.images.train) // 10))
    base = with_validation(config, held_out)
    search = _checked_search(request.search, base, prepared)
    if request.url is not None:
        open_storage(Path(), request.url)  # a wrong URL makes no folder
    folder = _make_folder(request.folder, config)
    record = StudyRecord(
        name=new_name(folder),
        external=request.url is not None,
        trials=request.trials or TRIALS,
        metric=metric_of(search, base),  # type: ignore[arg-type]  # pydantic checks it
        search={name: str(found) for name, found in search.items()},
        is_default_search=not request.search,
        validation=held_out,
        config=to_json(config.with_values(max_time=None)),  # a limit of this process
    )
    with study_lock(folder):
        if not is_study(folder):  # another worker may have made it in the meantime
            (folder / JOURNAL).unlink(missing_ok=True)  # of a start that was killed
            create_in_storage(folder, record, request.url, _first_options(base, search))
            write_study(folder, record)
    return folder


def _make_folder(folder: Path | None, config: Config) -> Path:
    if folder is None:
        return directory.make(None, f"tune-{short_name(config.data)}-{config.preset}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"Cannot make the study {folder}: {error.strerror}.") from error
    return folder


def _first_options(base: Config, search: Mapping[str, Range]) -> dict[str, Any] | None:
    """The base's own values, if each is in its range: trials are then compared with it."""
    values = values_of(base, search)
    if all(search[name].contains(value) for name, value in values.items()):
        return values
    return None


def _checked_search(texts: Sequence[str], base: Config, prepared: Prepared) -> dict[str, Range]:
    """The ranges, where a model of these images can be built from both ends of each.

    Raises:
        ConfigError: A value is wrong, or gives no model.
    """
    train = prepared.images.train

    def check(config: Config) -> None:
        check_model(with_latent_dim(config, train.shape), train)

    def fits(config: Config) -> bool:
        with suppress(ConfigError, ModelTooLarge):
            check(config)
            return True
        return False

    if not texts:
        return default_search(base, fits)
    search = parse_search(texts, base)
    for name, found in search.items():
        for value in found.examples:
            try:
                check(with_options(base, {name: value}))
            except (ConfigError, ModelTooLarge) as error:
                raise ConfigError(f"search='{name}={found}': {name}={value}: {error}") from None
    return search

"""Loads the images and makes the training state of a configuration."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..config.config import Config
from ..config.data_paths import is_path
from ..data.check.quick import quick_check
from ..data.load_log import LoadLog, OnProgress, no_progress
from ..data.splits import Splits, load_all
from ..run.branch import branch
from ..run.create import new_run
from ..run.record import Record
from ..run.run import Run
from ..run.writer import RunWriter, check_start, restore_state
from ..system import devices, processes
from ..training.runtime import keep_freed_memory
from ..training.state import State, start_resolved
from .events import Notice
from .follow import call_followers
from .from_run import Start, Taken, take_weights

MAX_RECORDED = 1000  # bad images that run.json names


@dataclass
class Prepared:
    """All that training needs.

    Attributes:
        state: The initial state, which a resumed run then restores.
        images: The splits of the data.
        notices: Messages about the preparation.
        bad_images: Why each of the images was left out that could not be read.
        caches: Folders of decoded images that are in the cache.
        taken: What the state has of the weights of another run.
    """

    state: State
    images: Splits
    notices: list[Notice] = field(default_factory=list)
    bad_images: list[str] = field(default_factory=list)
    caches: list[str] = field(default_factory=list)
    taken: Taken | None = None

    def record_fields(self) -> dict[str, Any]:
        """What run.json says of the images."""
        return {
            "images": {name: len(part) for name, part in self.images._asdict().items() if part},
            "bad_images": self.bad_images[:MAX_RECORDED],
            "caches": self.caches,
        }


@dataclass
class StartedRun(Prepared):
    """A run that is locked and about to train.

    Attributes:
        writer: RunWriter of the run, already entered (it holds the lock).
    """

    writer: RunWriter = field(kw_only=True)


def prepare(config: Config, on_progress: OnProgress = no_progress) -> Prepared:
    """Load the images and make the initial state for them.

    Args:
        config: A resolved configuration; that of the state has in addition what follows from the
            images, such as their size.
        on_progress: Hears how far the images are loaded.

    Raises:
        DataError: The images cannot be read.
        ConfigError: The parts do not fit each other or the images.
        ResourceError: The images do not fit in memory.
    """
    log = LoadLog(on_progress)
    images, config = load_all(config, log)
    keep_freed_memory()
    state = start_resolved(config, images.train)
    notices = [Notice(text) for text in log.notices]
    if is_path(config.data):
        found = quick_check({name: part for name, part in images._asdict().items() if part})
        notices += [Notice(text, "warning") for text in found]
    if log.bad:
        left_out = "1 image is left out; run.json names it."
        if len(log.bad) > 1:
            left_out = f"{len(log.bad):,} images are left out; run.json names them."
        text = f"{left_out} {log.bad[0]}"
        notices.append(Notice(text, "warning"))
    if config.compile and not state.compile:
        reason = f"torch cannot compile {config.objective}"
        if processes.count() > 1:
            reason = "Training by several processes is not compiled"
        notices.append(Notice(f"{reason}: --compile is ignored.", "warning"))
    elif state.compile and not devices.can_compile():
        state.compile = False
        notices.append(
            Notice("torch found no working C++ compiler: --compile is ignored.", "warning")
        )
    return Prepared(state, images, notices, log.bad, log.caches)


def prepare_run(
    config: Config,
    run: Run,
    source: Run | None,
    record: Record | None,
    allow_data_change: bool,
    on_progress: OnProgress = no_progress,
    start: Start | None = None,
) -> tuple[Prepared, dict[str, str]]:
    """What `prepare` gives, where the source left training, and the SHA-256 of each split.

    Args:
        config: With every option of every part.
        run: The run to train; it need not exist yet.
        source: The run or the checkpoint from which training goes on; None at its start.
        record: The run.json of the source; None if it has none.
        allow_data_change: Whether the images may differ from those of the source.
        on_progress: Hears how far the images are loaded.
        start: The weights with which a new run begins; None for random ones.

    Raises:
        VaecliError: Training cannot start.
    """
    prepared = prepare(config, on_progress)
    if source is not None:
        restore_state(source, prepared.state)
    if start is not None:
        prepared.taken = take_weights(start, prepared.state)
        prepared.notices += prepared.taken.notices
    data = check_start(run, record, prepared.state, prepared.images, allow_data_change)
    return prepared, data


def derived_options(given: Config, found: Config) -> list[str]:
    """The options that follow from the images: where `found` has more than was given."""
    names = (field.name for field in fields(Config))
    return [name for name in names if getattr(given, name) != getattr(found, name)]


def record_of(source: Run | None) -> Record | None:
    """The run.json of a run; None without one, and for a checkpoint outside of a run directory."""
    return source.record if source is not None and source.is_run_directory() else None


def _branch(source: Run, writer: RunWriter, state: State) -> list[Notice]:
    """Write what a new run has of the checkpoint from which it goes on; notices about it."""
    has_best = branch(source, writer, state)
    done = len(state.history)
    notices = [Notice(f"Goes on from {source.checkpoint}, {done} finished epochs.")]
    if not has_best:
        text = f"{source.folder} no longer has the weights of the best of these epochs."
        notices.append(Notice(text, "warning"))
    return notices


@contextmanager
def start_run(
    config: Config,
    existing: Run | None = None,
    run_dir: Path | None = None,
    overwrite: bool = False,
    allow_data_change: bool = False,
    source: Run | None = None,
    on_progress: OnProgress = no_progress,
    start: Start | None = None,
) -> Iterator[StartedRun]:
    """A new or resumed run, locked inside the `with` block.

    If the start of a new run fails, its directory is removed. If it ends without a checkpoint, the
    run that it replaces is put back.

    Args:
        config: A resolved configuration.
        existing: The run to resume; None for a new one.
        run_dir: Directory of a new run; by default the next free one under runs/.
        overwrite: Whether a new run replaces the one in `run_dir`.
        allow_data_change: Whether the images may differ from those of the run so far.
        source: A checkpoint of another run, from which the new run goes on.
        on_progress: Hears how far the images are loaded.
        start: The weights with which a new run begins; None for random ones.

    Raises:
        VaecliError: Training cannot start.
    """
    with ExitStack() as stack:
        origin = start.origin if start else None
        run = existing or stack.enter_context(new_run(config, run_dir, overwrite, origin))
        writer = stack.enter_context(RunWriter(run, is_locked=existing is None))
        record = writer.record if existing else record_of(source)
        prepared, data = prepare_run(
            config, run, existing or source, record, allow_data_change, on_progress, start
        )
        devices = call_followers(prepared.state, data)
        found = {"data": data, "devices": devices, **prepared.record_fields()}
        if existing is None:
            found["derived"] = derived_options(config, prepared.state.config)
        writer.begin(prepared.state, found, resumed=existing is not None)
        if source is not None:
            prepared.notices += _branch(source, writer, prepared.state)
        if prepared.taken is not None:
            # saved now, so that a resume or a rollback before the first epoch ends has them too
            writer.update_record(initialized_from=prepared.taken.origin)
            writer.save(prepared.state)
        yield StartedRun(**vars(prepared), writer=writer)

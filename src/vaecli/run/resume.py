"""Which run a resume means, and what may change about it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from ..config.config import Config, to_json
from ..system.errors import ConfigError, RunError
from . import names, record

if TYPE_CHECKING:
    from .run import Run

# What a resume may change. on_nan is one of them: a run that diverged can go on that way.
FREE = (
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


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the lock of a run; it falls with the process, however that ends.

    Raises:
        ConfigError: Another process holds it.
    """
    lock = FileLock(folder / names.LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        holder = record.read(folder)
        raise ConfigError(
            f"{folder} is being trained by process {holder.pid} on {holder.host}."
        ) from None
    except OSError as error:
        raise ConfigError(f"Cannot write in {folder}: {error.strerror}.") from error
    try:
        yield
    finally:
        (folder / names.LOCK).unlink(missing_ok=True)
        lock.release()


def is_unfinished(run: "Run", config: Config) -> bool:
    """Whether the run was begun with this configuration, has not ended, and nobody trains it."""
    from ..config.build import resolve

    try:
        if run.record.status in ("completed", "diverged"):
            return False
        fixed = dict.fromkeys(FREE)
        theirs = to_json(resolve(run.config)) | fixed
        with held(run.folder):
            return theirs == to_json(resolve(config)) | fixed
    except (ConfigError, RunError):
        return False


def changed(run: "Run", chosen: Mapping[str, Any]) -> Config:
    """The configuration of a run with the chosen options, if a resume may change them.

    Raises:
        ConfigError: It may not.
    """
    from ..config.build import resolve

    old = resolve(run.config)
    new = resolve(old.with_values(**chosen))
    for name in chosen:
        before, after = getattr(old, name), getattr(new, name)
        if name not in FREE and before != after:
            option, *free = ("--" + key.replace("_", "-") for key in (name, *FREE))
            raise ConfigError(
                f"{option} {after} is not what {run.folder} was begun with ({before}): a resume "
                f"may change {', '.join(free)} only."
            )
    return new

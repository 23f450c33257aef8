"""The run directory: the only package that knows its file names (`names`) and their formats."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from .. import __version__, defaults, files
from ..config import Config
from ..config import read as read_config
from ..errors import ConfigError, Interrupted, RunError, TrainingDiverged, VaecliError
from . import directory, losses, names, record, resume
from .header import Header
from .record import Record

if TYPE_CHECKING:
    from torch import Tensor

    from ..data import Images
    from ..model import VAE
    from ..training import State


@final
@dataclass(frozen=True)
class Run:
    """A run directory, or a checkpoint file that stands alone.

    Attributes:
        folder: Where outputs go: the run directory, or the folder of the checkpoint file.
        checkpoint: The checkpoint to read; it need not exist yet.
    """

    folder: Path
    checkpoint: Path

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @cached_property
    def _contents(self) -> tuple[dict[str, "Tensor"], Header]:
        from .. import checkpoint

        if not self.checkpoint.exists() and self._stands():
            raise RunError(f"{self.folder} has no checkpoint yet: its first epoch has not ended.")
        tensors, header = checkpoint.load(self.checkpoint)
        return tensors, Header.checked(header, self.checkpoint)

    def _stands(self) -> bool:
        """Whether this is a run directory, and not a checkpoint alone."""
        return self.checkpoint.parent == self.folder / names.CHECKPOINTS

    @property
    def config(self) -> Config:
        """The configuration of the checkpoint, or of config.json before there is one."""
        if not self.checkpoint.exists() and self._stands():
            return Config.checked(read_config(self.folder / names.CONFIG))
        return self._contents[1].config

    def model(self) -> "VAE":
        """The trained model, on the CPU, in evaluation mode."""
        import torch

        from .. import build, checkpoint

        tensors, header = self._contents
        own = {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
        try:
            with torch.device("meta"):  # shapes only: a false header cannot ask for memory
                outline, _ = build.build(header.config, header.shape)
        except (ConfigError, RuntimeError) as error:
            raise RunError(f"{self.checkpoint} has a broken header: {error}") from error
        checkpoint.compare(outline.state_dict(), own, self.checkpoint)
        model, _ = build.build(header.config, header.shape)
        model.load_state_dict(own)
        return model.eval()

    def losses(self) -> dict[str, list[float]]:
        """The columns of losses.csv by name; a lone checkpoint holds them too."""
        path = self.folder / names.LOSSES
        try:
            if self._stands() and path.exists():
                return losses.decode(path)
        except OSError as error:
            raise RunError(f"Cannot read {path}: {error.strerror}.") from error
        if not (history := self._contents[1].history):
            raise RunError(f"{self.folder} has no epoch to plot yet.")
        return losses.columns([epoch.model_dump() for epoch in history])

    def begin(self, state: "State", train: "Images", test: "Images") -> None:
        """Complete config.json and run.json, now that all is known: training starts.

        Raises:
            ConfigError: The run was begun on other data.
        """
        import torch

        data = {"train": train.fingerprint(), "test": test.fingerprint()}
        if self.record.data not in ({}, data):
            raise ConfigError(
                f"The data are not those that {self.folder} was begun on: "
                "restore them, or start another run."
            )
        again = self.record.resumes + (self.record.data != {})
        modules = [*state.model.parameters(), *state.objective.parameters()]
        self._configure(state.config)
        self.note(
            status="running",
            reason=None,
            ended=None,
            versions={**self.record.versions, "torch": torch.__version__},
            device=str(state.model.device),
            threads=torch.get_num_threads(),
            data=data,
            resumes=again,
            parameters=sum(p.numel() for p in modules),
        )

    def _configure(self, config: Config) -> None:
        files.write(self.folder / names.CONFIG, (config.model_dump_json(indent=2) + "\n").encode())

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let nobody else train this run.

        Raises:
            ConfigError: Somebody does.
        """
        with resume.held(self.folder):
            self.note(pid=os.getpid(), host=platform.node())
            directory.tidy(self.folder)
            yield

    def save(self, state: "State", shape: tuple[int, int, int]) -> None:
        """Write the checkpoint, then the losses: a row never stands for an epoch that is lost."""
        from .. import checkpoint

        header = {
            "vaecli": __version__,
            "config": state.config.model_dump(),
            "shape": shape,
            "history": [asdict(epoch) for epoch in state.history],
            "position": state.position(),
        }
        tensors = state.tensors()
        for name, tensor in tensors.items():
            if not tensor.isfinite().all():
                raise TrainingDiverged(f"Training diverged: {name} is no longer finite.")
        checkpoint.save(self.checkpoint, tensors, header)
        if state.history:
            self.write_losses(state)

    def write_losses(self, state: "State") -> None:
        """Write losses.csv from the history of the state."""
        history = [asdict(epoch) for epoch in state.history]
        files.write(self.folder / names.LOSSES, losses.encode(history))

    def show_divergence(self, state: "State") -> None:
        """Add the bad means to losses.csv, in a row that the next save takes away."""
        bad = losses.unfinished(len(state.history) + 1, state.means.read(), state.seconds)
        history = [asdict(epoch) for epoch in state.history]
        files.write(self.folder / names.LOSSES, losses.encode([*history, bad]))

    def restore(self, state: "State") -> None:
        """Put a new state to where the checkpoint left training; without one it stays new."""
        from .. import checkpoint
        from ..training import Epoch

        if not self.checkpoint.exists():
            return
        tensors, header = self._contents
        checkpoint.compare(state.tensors(), tensors, self.checkpoint, but="means.sums")
        history = [Epoch(**epoch.model_dump()) for epoch in header.history]
        state.restore(tensors, header.position.model_dump(), history)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Keep in run.json how what happens inside ends."""
        try:
            yield
        except TrainingDiverged as error:
            self.note(status="diverged", reason=str(error), ended=datetime.now(UTC))
            raise
        except (Interrupted, KeyboardInterrupt) as error:
            self.note(status="interrupted", reason=str(error), ended=datetime.now(UTC))
            raise
        except BaseException as error:
            self.note(status="failed", reason=repr(error), ended=datetime.now(UTC))
            raise
        self.note(status="completed", ended=datetime.now(UTC))

    def note(self, **changes: Any) -> None:
        """Change run.json."""
        record.write(self.folder, self.record.model_copy(update=changes))

    @property
    def record(self) -> Record:
        """What run.json says now."""
        return record.read(self.folder)

    @property
    def log(self) -> Path:
        """The file that keeps what the terminal showed."""
        return self.folder / names.LOG


def open(path: str | Path) -> Run:
    """The run in a directory, or the checkpoint in a file.

    Raises:
        RunError: It is neither.
    """
    path = Path(path)
    try:
        if path.is_file():
            owner = path.parent.parent
            inside = path.parent.name == names.CHECKPOINTS and (owner / names.CONFIG).is_file()
            return Run(owner if inside else path.parent, path)
        if (path / names.CONFIG).is_file():
            return Run(path, path / names.CHECKPOINT)
        lack = (
            "is not a run directory: it has no config.json" if path.exists() else "does not exist"
        )
    except OSError as error:
        raise RunError(f"Cannot read {path}: {error.strerror}.") from error
    raise RunError(f"{path} {lack}. Make a run with: vaecli train --run-dir {path}")


def latest(root: Path = Path(defaults.RUNS)) -> Run:
    """The run with a checkpoint that was started last, of those under `root`.

    Raises:
        RunError: There is none.
    """
    if (run := find_latest(root)) is None:
        raise RunError(f"There is no trained run under {root}/. Make one with: vaecli train")
    return run


def find_latest(root: Path = Path(defaults.RUNS)) -> Run | None:
    """The same, or None."""
    return next((run for run in _newest_first(root) if run.checkpoint.is_file()), None)


def find_unfinished(config: Config, root: Path = Path(defaults.RUNS)) -> Run | None:
    """The newest run of this configuration that can go on, if there is one."""
    return next((run for run in _newest_first(root) if resume.is_unfinished(run, config)), None)


@contextmanager
def starting(config: Config, folder: Path | None, overwrite: bool) -> Iterator[Run]:
    """A new run directory, undone if a mistake of the user's shows inside."""
    aside = directory.set_aside(folder) if overwrite else None
    made = None
    try:
        run = create(config, folder)
        made = run.folder
        yield run
    except VaecliError:
        directory.undo(made, aside, folder)
        raise
    directory.forget(aside)


def _newest_first(root: Path) -> list[Run]:
    """The runs under `root` by when they were started, whatever the times of their files."""
    started = []
    for file in root.glob(f"*/{names.RECORD}"):
        if (file.parent / names.CONFIG).is_file():
            with suppress(RunError):
                started.append((record.read(file.parent).started, file.parent))
    return [open(folder) for _, folder in sorted(started, reverse=True)]


def create(config: Config, folder: Path | None = None) -> Run:
    """A new run directory that holds its configuration.

    Args:
        config: Written to config.json.
        folder: By default the next free `runs/<data>-<preset>-<n>`.

    Raises:
        ConfigError: The folder cannot be made, or holds something else.
    """
    folder = directory.make(folder, f"{config.data}-{config.preset}")
    run = Run(folder, folder / names.CHECKPOINT)
    run._configure(config)
    record.write(folder, record.fresh(config.seed))
    return run

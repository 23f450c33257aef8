"""One run: its configuration, checkpoints, losses and record, written and read back."""

import json
import math
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import defaults
from ..config.config import Config
from ..config.config import read as read_config
from ..system import files, machine
from ..system.errors import ConfigError, Interrupted, RunError, TimeOver, TrainingDiverged
from ..system.version import __version__
from . import directory, losses, names, record, resume
from .header import Header
from .record import Record

if TYPE_CHECKING:
    from torch import Tensor

    from ..data.splits import Splits
    from ..model import VAE
    from ..training.epoch import Epoch
    from ..training.state import State


@dataclass(frozen=True)
class Run:
    """A run directory, or a checkpoint file that stands alone.

    Attributes:
        folder: Where outputs go: the run directory, or the folder of the checkpoint file.
        checkpoint: The checkpoint that is read, and written in training; it need not exist yet.
    """

    folder: Path
    checkpoint: Path

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @cached_property
    def _contents(self) -> tuple[dict[str, "Tensor"], Header]:
        from . import checkpoint

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
        return Config(**self._contents[1].config)

    def model(self) -> "VAE":
        """The trained model, on the CPU, in evaluation mode."""
        import torch

        from ..config import build
        from . import checkpoint

        tensors, header = self._contents
        own = {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
        try:
            with torch.device("meta"):  # shapes only: a false header cannot ask for memory
                outline, _ = build.build(self.config, header.shape, header.classes)
        except (ConfigError, RuntimeError) as error:
            raise RunError(f"{self.checkpoint} has a broken header: {error}") from error
        checkpoint.compare(outline.state_dict(), own, self.checkpoint)
        model, _ = build.build(self.config, header.shape, header.classes)
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
        return losses.columns([asdict(epoch) for epoch in history])

    def check(self, state: "State", images: "Splits", changed: bool = False) -> dict[str, str]:
        """The fingerprint of each split, if training can go on from `state` with these images.

        Args:
            state: Where training begins.
            images: What it trains on.
            changed: They may be others than those that the run was begun on.

        Raises:
            ConfigError: They are, and may not be.
            ResourceError: The disk has no room for what the run will write.
        """
        data = {split: i.fingerprint() for split, i in images._asdict().items() if i}
        begun = self.record.data if (self.folder / names.RECORD).exists() else {}
        if begun not in ({}, data) and not changed:
            raise ConfigError(
                f"The data are not those that {self.folder} was begun on: restore them, start "
                "another run, or go on with these by --allow-data-change."
            )
        machine.require_disk(self.folder, self.expected_size(state))
        return data

    def begin(self, state: "State", data: dict[str, str]) -> None:
        """Complete config.json and run.json, now that all is known: training starts."""
        import torch

        again = self.record.resumes + (self.record.data != {})
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
            rollbacks=state.rollbacks,
            parameters=state.parameters,
        )

    def _configure(self, config: Config) -> None:
        text = json.dumps(asdict(config), indent=2, ensure_ascii=False) + "\n"
        files.write_atomic(self.folder / names.CONFIG, text.encode())

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

    def save(self, state: "State") -> None:
        """Write the checkpoint, then what goes with its newest epoch."""
        from ..training.divergence import HINT

        for name, tensor in state.tensors().items():
            if not tensor.isfinite().all():
                raise TrainingDiverged(f"Training diverged: {name} is no longer finite. {HINT}")
        self._write_checkpoint(names.CHECKPOINT, state)
        self.complete(state)

    def complete(self, state: "State") -> None:
        """Write what goes with the newest epoch: other checkpoints, then its row of losses.

        The row comes last, so that it never stands for an epoch that is lost.
        """
        from ..training.early_stopping import find_best

        if not (done := len(state.history)):
            return
        if state.batch == 0:
            best, every = find_best(state.config, state.history), state.config.save_every
            if best and best.number == done:
                self._write_checkpoint(names.BEST, state, "model.")
            if every and done % every == 0:
                self._write_checkpoint(names.EPOCH_CHECKPOINT.format(done), state)
        history = [asdict(epoch) for epoch in state.history]
        files.write_atomic(self.folder / names.LOSSES, losses.encode(history))

    def _write_checkpoint(self, name: str, state: "State", only: str = "") -> None:
        """The tensors whose names begin with `only`, under a header."""
        from . import checkpoint

        header = {
            "vaecli": __version__,
            "config": asdict(state.config),
            "shape": state.shape,
            "classes": state.classes,
            "history": [asdict(epoch) for epoch in state.history],
            "position": state.position(),
        }
        tensors = {n: t for n, t in state.tensors().items() if n.startswith(only)}
        checkpoint.save(self.folder / name, tensors, header)

    def expected_size(self, state: "State") -> int:
        """Bytes that the epochs still to come may add to the disk, at most."""
        config, there = state.config, self.checkpoint.exists()
        epochs = config.epochs - len(state.history)
        checkpoints = 1 if there else 2  # a new one is whole before the old one goes
        checkpoints += bool(config.validation) + epochs // (config.save_every or epochs + 1)
        pictures = 4 + epochs // config.sample_every
        size = sum(t.nbytes for t in state.tensors().values())
        return checkpoints * size + pictures * defaults.SAMPLES * math.prod(state.shape)

    def show_divergence(self, state: "State") -> None:
        """Add the bad means to losses.csv, in a row that the next save takes away."""
        validated = state.config.validation is not None
        rows = [asdict(epoch) for epoch in state.history]
        if means := state.means.read():
            rows.append(losses.unfinished(len(rows) + 1, means, state.seconds, validated))
        if rows:
            files.write_atomic(self.folder / names.LOSSES, losses.encode(rows))

    def restore(self, state: "State") -> None:
        """Put a new state to where the checkpoint left training; without one it stays new."""
        from . import checkpoint

        if not self.checkpoint.exists():
            return
        self.__dict__.pop("_contents", None)  # training may have replaced the file since
        tensors, header = self._contents
        checkpoint.compare(state.tensors(), tensors, self.checkpoint, but="means.sums")
        state.restore(tensors, header.position.model_dump(), self.history())

    def history(self) -> list["Epoch"]:
        """The epochs of the checkpoint; none before there is one."""
        return self._contents[1].history if self.checkpoint.exists() else []

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Keep in run.json how what happens inside ends."""
        try:
            yield
        except TrainingDiverged as error:
            self.note(status="diverged", reason=str(error), ended=datetime.now(UTC))
            raise
        except (Interrupted, TimeOver, KeyboardInterrupt) as error:
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

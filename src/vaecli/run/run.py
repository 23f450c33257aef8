"""`Run`: read access to a run directory or a checkpoint file.

Importing this module imports no torch.
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.config import Config
from ..config.option_files import read_options_file
from ..system.errors import RunError
from ..training.epoch import Epoch
from . import history, names
from .header import Header
from .record import Record, read_record

if TYPE_CHECKING:
    from torch import Tensor

    from ..model import VAE
    from ..objectives import Objective


@dataclass(frozen=True)
class Run:
    """A run directory, or a checkpoint file outside of one.

    Attributes:
        folder: Where outputs go: the run directory, or the folder of the checkpoint file.
        checkpoint: The checkpoint that is read; it need not exist yet.
    """

    folder: Path
    checkpoint: Path

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.resolve().name

    @property
    def log(self) -> Path:
        """Path of the log of what the terminal showed."""
        return self.folder / names.LOG

    @property
    def record(self) -> Record:
        """The contents of run.json, read at every access."""
        return read_record(self.folder)

    @cached_property
    def config(self) -> Config:
        """The configuration of the checkpoint, or of config.json before there is one."""
        if not self.has_checkpoint() and self.is_run_directory():
            return Config.from_values(read_options_file(self.folder / names.CONFIG))
        return self.contents[1].config

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes in the checkpoint; empty if they have none but their numbers."""
        return self.contents[1].class_names

    @cached_property
    def contents(self) -> tuple[dict[str, "Tensor"], Header]:
        """The tensors and the header of the checkpoint.

        Raises:
            RunError: There is no checkpoint yet, or it cannot be read.
        """
        from . import checkpoint  # imports torch

        if not self.has_checkpoint() and self.is_run_directory():
            raise RunError(f"{self.folder} has no checkpoint yet: its first epoch has not ended.")
        try:
            tensors, header = checkpoint.load(self.checkpoint)
            return tensors, Header.from_values(header, self.checkpoint)
        except RunError as error:
            raise RunError(f"{error}{self._advice()}") from error

    def has_checkpoint(self) -> bool:
        """Whether the checkpoint exists; not before the first epoch ends.

        Raises:
            RunError: It is lost: it is a broken link, or run.json counts epochs.
        """
        try:
            if self.checkpoint.exists():
                return True
        except OSError as error:
            raise RunError(f"Cannot read {self.checkpoint}: {error.strerror}.") from error
        if self.checkpoint.is_symlink():
            raise RunError(f"{self.checkpoint} is a broken link.{self._advice()}")
        done = self.record.epochs_done if self.is_run_directory() else 0
        if done:
            raise RunError(
                f"{self.checkpoint} is missing, though {names.RECORD} counts {done} finished "
                f"epochs.{self._advice()}"
            )
        return False

    def _advice(self) -> str:
        """What to use in place of a damaged checkpoint, if training kept one of an epoch."""
        kept = list(self.checkpoint.parent.glob(names.EPOCH_CHECKPOINTS))
        if self.checkpoint != self.folder / names.CHECKPOINT or not kept:
            return ""
        newest = max(kept, key=lambda path: (len(path.name), path.name))
        return f" Use {newest}; --resume goes on from it in a new run directory."

    def holds_training_state(self) -> bool:
        """Whether training can go on from the checkpoint; not from the weights of the best epoch.

        Raises:
            RunError: It cannot be read.
        """
        evaluated = (*names.WEIGHTS, names.FITTED_PRIOR)
        return not all(name.startswith(evaluated) for name in self.contents[0])

    def has_fitted_prior(self) -> bool:
        """Whether the checkpoint holds a prior that was fitted after training.

        Raises:
            RunError: It cannot be read.
        """
        return any(name.startswith(names.FITTED_PRIOR) for name in self.contents[0])

    def history(self) -> list[Epoch]:
        """The finished epochs; none before there is a checkpoint."""
        if not self.has_checkpoint():
            return []
        return self.contents[1].history

    def losses(self) -> dict[str, list[float]]:
        """The columns to plot, by name, from losses.csv or, without it, from the checkpoint.

        Raises:
            RunError: No epoch is finished yet, or the file cannot be read.
        """
        path = self.folder / names.LOSSES
        try:
            if self.is_run_directory() and path.exists():
                return history.decode(path)
        except OSError as error:
            raise RunError(f"Cannot read {path}: {error.strerror}.") from error
        epochs = self.contents[1].history
        if not epochs:
            raise RunError(f"{self.folder} has no epoch to plot yet.")
        return history.columns([asdict(epoch) for epoch in epochs])

    def model(self, fitted: bool = True) -> "VAE":
        """The trained model, on the CPU, in evaluation mode.

        Args:
            fitted: Whether its prior is the fitted one, if the checkpoint holds one; else it is the
                prior of training.

        Raises:
            RunError: The checkpoint is missing or damaged, or does not fit its own header.
        """
        from .restore import restore  # imports torch

        return restore(*self.contents, self.checkpoint, with_objective=False, fitted=fitted)[0]

    def parts(self, fitted: bool = True) -> tuple["VAE", "Objective"]:
        """The trained model, as `model`, and its objective.

        An objective that infers the label, with a classifier, has its trained weights. Evaluation
        does not need those of others, which best checkpoints of older versions lack.

        Args:
            fitted: As for `model`.

        Raises:
            RunError: As for `model`.
        """
        from .restore import restore  # imports torch

        return restore(*self.contents, self.checkpoint, with_objective=True, fitted=fitted)

    def for_evaluation(self) -> "Run":
        """The same run, with what evaluation reads of the checkpoint in memory.

        It can be sent to another process, which needs no access to the directory.

        Raises:
            RunError: As for `contents`.
        """
        tensors, header = self.contents
        prefixes = (*names.WEIGHTS, names.FITTED_PRIOR)
        kept = {name: x for name, x in tensors.items() if name.startswith(prefixes)}
        run = Run(self.folder, self.checkpoint)
        run.__dict__.update(contents=(kept, header), config=self.config)
        return run

    def is_run_directory(self) -> bool:
        """Whether this is a run directory, and not a checkpoint file outside of one."""
        return self.checkpoint.parent == self.folder / names.CHECKPOINTS

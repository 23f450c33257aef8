"""What a model card is made from."""

import re
from dataclasses import dataclass
from pathlib import Path

from ...config.build import resolve, with_latent_dim
from ...config.config import Config
from ...config.data_paths import is_path, short_name
from ...objectives import OBJECTIVES
from ...run.header import Header
from ...run.record import Record
from ...run.run import Run
from ...training.epoch import Epoch
from ..exported import Exported


@dataclass(frozen=True)
class Facts:
    """A run, and what was exported of it.

    Attributes:
        run: The run; its checkpoint is the one that was exported.
        config: With every option of every part.
        header: Of the checkpoint.
        record: The contents of run.json; None for a checkpoint outside of a run directory.
        weights: Numbers in the tensors of the model.
        exported: The graphs, and what could not be exported.
        pictures: Names of the pictures beside the card.
    """

    run: Run
    config: Config
    header: Header
    record: Record | None
    weights: int
    exported: Exported
    pictures: tuple[str, ...]

    @property
    def epoch(self) -> Epoch | None:
        """The last finished epoch of the checkpoint; None in the first."""
        return self.header.history[-1] if self.header.history else None

    @property
    def has_folder(self) -> bool:
        """Whether the data are files of the user, and no data set with a name."""
        return is_path(self.config.data)

    @property
    def data_name(self) -> str:
        """The name of the data set; of a path only the last part, which tells no folder."""
        return Path(self.config.data).name if self.has_folder else self.config.data

    @property
    def is_adversarial(self) -> bool:
        """Whether a discriminator contributes to the loss."""
        return OBJECTIVES[self.config.objective.name].monitor != "loss"


def collect_facts(run: Run, exported: Exported, pictures: tuple[str, ...]) -> Facts:
    """The facts of a run and its export, as `Facts` describes them.

    Raises:
        RunError: The checkpoint or run.json cannot be read.
        ConfigError: The configuration is no longer valid.
    """
    tensors, header = run.contents
    config = with_latent_dim(resolve(header.config), header.shape)
    weights = sum(t.numel() for name, t in tensors.items() if name.startswith("model."))
    record = None
    if run.is_run_directory():
        record = run.record
    return Facts(run, config, header, record, weights, exported, pictures)


def shell_name(path: str) -> str:
    """The last part of a path as a command can show it; other signs than the usual as dashes."""
    name = Path(path).name
    return f"./{name}" if re.fullmatch(r"[\w.+-][\w .+-]*", name) else f"./{short_name(path)}"

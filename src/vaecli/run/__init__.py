"""The run directory: the only module that knows its file names and their formats.

config.json                   every option; written first
run.json                      status, versions, device, times; rewritten whole
losses.csv                    a row for every epoch; rewritten whole
train.log                     what the terminal showed
checkpoints/last.safetensors  weights, configuration and history
*.png, samples/               pictures
"""

import csv
import io
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from .. import __version__, defaults, files
from ..config import Config
from ..config import read as read_config
from ..errors import Interrupted, RunError, TrainingDiverged
from . import directory, record
from .record import RECORD, Record

if TYPE_CHECKING:
    from ..data import Images
    from ..model import VAE
    from ..training import State

CONFIG, LOSSES, LOG = "config.json", "losses.csv", "train.log"
DATA_PICTURE, SAMPLES, REAL_AND_GENERATED = "data.png", "samples.png", "real-and-generated.png"
RECONSTRUCTIONS, EMBEDDINGS = "reconstructions.png", "embeddings.npz"
LOSS_PLOT, EPOCH_SAMPLES = "loss.png", f"{directory.EPOCHS}/epoch-{{:04d}}.png"
CHECKPOINT = f"{directory.CHECKPOINTS}/last.safetensors"


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
    def _contents(self) -> tuple[dict[str, Any], dict[str, Any]]:
        from .. import checkpoint

        if not self.checkpoint.exists() and (self.folder / CONFIG).exists():
            raise RunError(f"{self.folder} has no checkpoint yet: its first epoch has not ended.")
        return checkpoint.load(self.checkpoint)

    @property
    def config(self) -> Config:
        """The configuration of the checkpoint, or of config.json before there is one."""
        if not self.checkpoint.exists() and (self.folder / CONFIG).exists():
            return Config.checked(read_config(self.folder / CONFIG))
        return Config.checked(self._contents[1]["config"])

    def model(self) -> "VAE":
        """The trained model, on the CPU, in evaluation mode."""
        from .. import build, checkpoint

        tensors, header = self._contents
        model, _ = build.build(self.config, tuple(header["shape"]))
        checkpoint.restore(model, tensors, self.checkpoint)
        return model.eval()

    def losses(self) -> dict[str, list[float]]:
        """The columns of losses.csv by name; a lone checkpoint holds them too."""
        try:
            text = (self.folder / LOSSES).read_text(encoding="utf-8")
        except FileNotFoundError:
            text = _csv(self._contents[1]["history"])
        rows = list(csv.DictReader(io.StringIO(text)))
        if not rows:
            raise RunError(f"{self.folder} has no epoch to plot yet.")
        return {name: [float(row[name]) for row in rows] for name in rows[0]}

    def begin(self, state: "State", train: "Images", test: "Images", argv: list[str]) -> None:
        """Write run.json: the run has started."""
        import torch

        modules = [*state.model.parameters(), *state.objective.parameters()]
        record.write(
            self.folder,
            Record(
                status="running",
                argv=argv,
                versions={
                    "vaecli": __version__,
                    "python": platform.python_version(),
                    "torch": torch.__version__,
                },
                device=str(state.model.device),
                threads=torch.get_num_threads(),
                seed=state.config.seed,
                data={"train": train.fingerprint(), "test": test.fingerprint()},
                parameters=sum(p.numel() for p in modules),
                started=datetime.now(UTC),
            ),
        )

    def save(self, state: "State", shape: tuple[int, int, int]) -> None:
        """Write the checkpoint, then the losses: a row never stands for an epoch that is lost."""
        from .. import checkpoint

        history = [_row(epoch) for epoch in state.history]
        header = {
            "vaecli": __version__,
            "config": state.config.model_dump(),
            "shape": shape,
            "history": history,
        }
        checkpoint.save(self.checkpoint, state.model.state_dict(), header)
        files.write(self.folder / LOSSES, _csv(history).encode())

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
        return self.folder / LOG


def open(path: str | Path) -> Run:
    """The run in a directory, or the checkpoint in a file.

    Raises:
        RunError: It is neither.
    """
    path = Path(path)
    if path.is_file():
        owner = path.parent.parent
        return Run(owner if (owner / CONFIG).is_file() else path.parent, path)
    if not (path / CONFIG).is_file():
        kind = (
            "is not a run directory: it has no config.json" if path.exists() else "does not exist"
        )
        raise RunError(f"{path} {kind}. Make a run with: vaecli train --run-dir {path}")
    return Run(path, path / CHECKPOINT)


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
    runs = []
    for file in root.glob(f"*/{RECORD}"):
        if (file.parent / CHECKPOINT).is_file():
            try:
                runs.append((record.read(file.parent).started, file.parent))
            except RunError:
                continue
    return open(max(runs)[1]) if runs else None


def create(config: Config, folder: Path | None = None, overwrite: bool = False) -> Run:
    """A new run directory that holds its configuration.

    Args:
        config: Written to config.json.
        folder: By default the next free `runs/<data>-<preset>-<n>`.
        overwrite: Remove the run that is in `folder`, if there is one.

    Raises:
        ConfigError: The folder cannot be made, or holds something else.
    """
    folder = directory.make(folder, f"{config.data}-{config.preset}", overwrite)
    files.write(folder / CONFIG, (config.model_dump_json(indent=2) + "\n").encode())
    return Run(folder, folder / CHECKPOINT)


def _row(epoch: Any) -> dict[str, float]:
    values = asdict(epoch)
    row = {"epoch": values["number"]}
    for split in ("train", "test"):
        row |= {f"{split}_{name}": mean for name, mean in values[split].items()}
    return row | {name: values[name] for name in ("train_seconds", "test_seconds")}


def _csv(rows: list[dict[str, float]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()

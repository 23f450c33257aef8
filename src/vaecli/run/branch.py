"""A new run that goes on from a checkpoint of another."""

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from ..config.config import to_json
from ..system.errors import RunError
from ..training.early_stopping import best_epoch
from ..training.state import State
from . import checkpoint, names
from .run import Run
from .writer import RunWriter


def branch(source: Run, writer: RunWriter, state: State) -> bool:
    """Write the first files of a run whose state was restored from a checkpoint of another.

    Args:
        source: The checkpoint.
        writer: Of the new run.
        state: What the checkpoint holds.

    Returns:
        Whether the new run has the checkpoint of the best epoch so far, if there is a best one.
    """
    writer.save(state)
    writer.update_record(epochs_done=len(state.history))
    best = best_epoch(state.history, state.objective.monitor)
    if best is None or (writer.folder / names.BEST).is_file():  # it is the epoch just written
        return True
    kept = (names.BEST, names.EPOCH_CHECKPOINT.format(best.number))
    return source.is_run_directory() and any(
        _copy_weights(source.folder / name, writer, state, best.number) for name in kept
    )


def _copy_weights(path: Path, writer: RunWriter, state: State, epoch: int) -> bool:
    """Copy the weights of an epoch to the best checkpoint, if the file at `path` holds them."""
    with suppress(RunError):
        tensors, header = checkpoint.load(path)
        weights = _only_weights(tensors)
        checkpoint.check_shapes(_only_weights(state.tensors()), weights, path)
        if header["history"] == [asdict(each) for each in state.history[:epoch]]:
            header["config"] = to_json(state.config)
            checkpoint.save(writer.folder / names.BEST, weights, header)
            return True
    return False


def _only_weights(tensors: checkpoint.Tensors) -> checkpoint.Tensors:
    """The tensors that a best checkpoint holds."""
    return {name: tensor for name, tensor in tensors.items() if name.startswith(names.WEIGHTS)}

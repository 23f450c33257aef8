"""`RunWriter`: writes the files of a run during training."""

import math
import os
import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Self

import torch

from ..config import defaults
from ..config.config import to_json
from ..data.splits import Splits
from ..parts.priors import FittedPrior
from ..system import files, machine
from ..system.errors import ConfigError, EndedByAnother, Interrupted, ProcessLost, TrainingDiverged
from ..system.processes import count
from ..system.version import __version__
from ..training.divergence import DIVERGENCE_ADVICE
from ..training.early_stopping import best_epoch
from ..training.state import State
from . import checkpoint, directory, history, names, replace
from .create import write_config
from .lock import run_lock
from .record import Record, write_record
from .run import Run


class RunWriter:
    """Writes the files of one run. Inside its `with` block it holds the run's lock.

    It reads run.json once, on entering; later updates replace the file from memory.

    Attributes:
        run: The run to write.
        record: The contents of run.json.
        is_locked: Whether the caller holds the lock, as in `new_run`.

    Raises:
        ConfigError: On entering, if another process trains this run.
        RunError: On entering, if a file of the run is missing, broken or a link.
    """

    record: Record

    def __init__(self, run: Run, is_locked: bool = False) -> None:
        self.run = run
        self.folder = run.folder
        self.is_locked = is_locked
        self._has_saved = False
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            if not self.is_locked:
                stack.enter_context(run_lock(self.folder))
            directory.refuse_links(self.folder)
            self.record = self.run.record
            self.update_record(pid=os.getpid(), host=platform.node())
            directory.remove_temporary_files(self.folder)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    def update_record(self, **changes: Any) -> None:
        """Replace run.json by one with these changes."""
        self.record = self.record.model_copy(update=changes)
        write_record(self.folder, self.record)

    def begin(self, state: State, found: dict[str, Any], resumed: bool) -> None:
        """Write to run.json the values that are known when training starts.

        Args:
            state: State at the start of training.
            found: Further fields of `Record`, such as `data`.
            resumed: Whether the run existed before. If it did, or if options are derived from the
                images, config.json is rewritten.
        """
        if resumed or found.get("derived"):
            write_config(self.run, state.config)
        self.update_record(
            status="running",
            reason=None,
            ended=None,
            versions={**self.record.versions, "torch": torch.__version__},
            device=str(state.model.device),
            threads=torch.get_num_threads(),
            processes=count(),
            resumes=self.record.resumes + resumed,
            rollbacks=state.rollbacks,
            parameters=state.parameters,
            **found,
        )

    def save(self, state: State) -> None:
        """Write last.safetensors, then the other files of the newest epoch.

        The first time, the run that this one replaces is deleted in between.

        Raises:
            TrainingDiverged: A tensor is NaN or infinite; the old checkpoint stays.
            ResourceError: The disk is full; the old checkpoint stays.
        """
        for name, tensor in state.tensors().items():
            if not tensor.isfinite().all():
                raise TrainingDiverged(
                    f"Training diverged: {name} is no longer finite. {DIVERGENCE_ADVICE}"
                )
        self._write_checkpoint(names.CHECKPOINT, state)
        if not self._has_saved:
            replace.delete_replaced(self.folder)
        self._has_saved = True
        self.write_epoch_files(state)

    def write_epoch_files(self, state: State) -> None:
        """Write the other checkpoints of the newest epoch, then losses.csv.

        The table is written last, so that it never has an epoch that last.safetensors lacks.
        """
        done = len(state.history)
        if not done:
            return
        if state.batch == 0:
            best = best_epoch(state.history, state.objective.monitor)
            if best and best.number == done:
                self._write_checkpoint(names.BEST, state, names.WEIGHTS)
            every = state.config.save_every
            if every and done % every == 0:
                self._write_checkpoint(names.EPOCH_CHECKPOINT.format(done), state)
        self._write_losses([asdict(epoch) for epoch in state.history])

    def record_divergence(self, state: State) -> None:
        """Add the means of a diverged epoch to losses.csv, in a row that the next save removes."""
        rows = [asdict(epoch) for epoch in state.history]
        if means := state.means.read():
            validated = state.config.validation is not None
            rows.append(history.partial_epoch(len(rows) + 1, means, state.seconds, validated))
        if rows:
            self._write_losses(rows)

    def add_fitted_prior(self, name: str, prior: FittedPrior) -> None:
        """Add a fitted prior to a checkpoint, one of `names.CHECKPOINT` and `names.BEST`.

        The next `save` replaces the checkpoint by one without it.

        Raises:
            ResourceError: The disk is full; the old checkpoint stays.
        """
        tensors, header = checkpoint.load(self.folder / name)
        fitted = {f"{names.FITTED_PRIOR}{key}": t for key, t in prior.state_dict().items()}
        checkpoint.save(self.folder / name, tensors | fitted, header)

    @contextmanager
    def record_outcome(self) -> Iterator[None]:
        """If an error ends the `with` block, write its status and reason to run.json."""
        try:
            yield
        except TrainingDiverged as error:
            self.end("diverged", str(error))
            raise
        except (Interrupted, KeyboardInterrupt, EndedByAnother, ProcessLost) as error:
            self.end("interrupted", str(error))
            raise
        except GeneratorExit:
            self.end("interrupted", "The caller closed the training generator before it ended.")
            raise
        except BaseException as error:
            self.end("failed", repr(error))
            raise

    def end(self, status: str, reason: str | None) -> None:
        """Write to run.json that training ended, with its status and reason."""
        self.update_record(status=status, reason=reason, ended=datetime.now(UTC))

    def _write_losses(self, rows: list[dict[str, Any]]) -> None:
        table = history.encode(rows)
        files.write_atomic(self.folder / names.LOSSES, table)

    def _write_checkpoint(self, name: str, state: State, prefixes: tuple[str, ...] = ("",)) -> None:
        """Write the tensors whose names begin with one of `prefixes`, under a header."""
        header = {
            "vaecli": __version__,
            "config": to_json(state.config),
            "shape": state.shape,
            "classes": state.classes,
            "history": [asdict(epoch) for epoch in state.history],
            "position": state.position(),
        }
        if state.class_names:
            header["class_names"] = state.class_names
        tensors = {k: tensor for k, tensor in state.tensors().items() if k.startswith(prefixes)}
        checkpoint.save(self.folder / name, tensors, header)


def restore_state(run: Run, state: State) -> None:
    """Restore a new state from the checkpoint of a run, if there is one.

    Raises:
        RunError: The checkpoint is damaged, or its tensors do not fit the state.
    """
    if not run.has_checkpoint():
        return
    tensors, header = run.contents
    checkpoint.check_means(header.position.names, tensors, run.checkpoint)
    expected = _without_means(state.tensors())
    checkpoint.check_shapes(expected, _without_means(tensors), run.checkpoint)
    state.restore(tensors, header.position.model_dump(), header.history)


def _without_means(tensors: checkpoint.Tensors) -> checkpoint.Tensors:
    """The tensors that the first stage changes, without the running means."""
    others = ("means.", names.FITTED_PRIOR)
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(others)}


def check_start(
    run: Run, record: Record | None, state: State, images: Splits, allow_data_change: bool = False
) -> dict[str, str]:
    """The SHA-256 of each split, if training can start from `state` with these images.

    Args:
        run: The run; it need not exist yet.
        record: Contents of its run.json, if it exists.
        state: State at the start of training.
        images: Images to train, test and validate with.
        allow_data_change: Whether they may differ from those that the run was trained on before.

    Raises:
        ConfigError: The images differ, and `allow_data_change` is false.
        ResourceError: The files of the run will not fit on the disk.
    """
    data = images.fingerprints()
    before = {} if record is None else record.data
    if before not in ({}, data) and not allow_data_change:
        raise ConfigError(
            "The data differ from those that the run was trained on: restore them, start a new "
            "run, or add --allow-data-change."
        )
    disk = required_disk(state)
    machine.require_disk(run.folder, disk)
    return data


def required_disk(state: State) -> int:
    """Most bytes that the remaining epochs can add to the disk."""
    config = state.config
    is_restored = bool(state.history) or state.batch > 0
    # a new checkpoint is written in full before the old one is deleted
    checkpoints = 1 if is_restored else 2
    if config.validation:
        checkpoints += 1
    if config.save_every:
        checkpoints += _remaining_multiples(state, config.save_every)
    pictures = 4 + _remaining_multiples(state, config.sample_every)
    checkpoint_size = sum(tensor.nbytes for tensor in state.tensors().values())
    picture_size = defaults.SAMPLES * math.prod(state.shape)
    return checkpoints * checkpoint_size + pictures * picture_size


def _remaining_multiples(state: State, every: int) -> int:
    """How many of the epochs still to train have a number that is a multiple of `every`."""
    return state.config.epochs // every - len(state.history) // every

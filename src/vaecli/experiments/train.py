"""A whole training run, from its first batch or its last checkpoint to its last picture."""

import shlex
from collections.abc import Generator, Iterator
from copy import deepcopy
from pathlib import Path

from ..data.splits import Splits
from ..model import VAE
from ..pictures.run_pictures import RunPictures
from ..run import names
from ..run.find import open_run
from ..run.writer import RunWriter, restore_state
from ..system.errors import TrainingDiverged
from ..system.group import leave, lost_process_as_error, settling
from ..system.process_variables import launched
from ..training.divergence import MAX_ROLLBACKS
from ..training.early_stopping import stop_reason
from ..training.epoch import Epoch
from ..training.loop import Step, fit
from ..training.state import State, start_resolved
from .events import FitStep, Notice
from .follow import share_state
from .second_stage import fit_priors, fits_prior, plan_stages
from .stopping import Checks, StopRequest

Event = Step | Epoch | FitStep | Notice


def train_run(
    writer: RunWriter, state: State, images: Splits, stop: StopRequest
) -> Generator[Event, None, None]:
    """Train to the end, fit the prior if there is one to fit, and yield what happens.

    Checkpoints and pictures are saved on the way.

    If training diverges and `on_nan` is rollback, it continues from the last checkpoint with half
    the learning rate, at most three times.

    Args:
        writer: RunWriter of the run, already entered (it holds the lock).
        state: State at the start of training.
        images: Images to train, test and validate with.
        stop: Checked after every batch.

    Raises:
        TrainingDiverged: A metric is NaN or infinite; the last checkpoint is intact.
        Interrupted: A signal came; the last checkpoint is that of the current batch.
        ResourceError: The disk is full; the last checkpoint is intact.
    """
    advice = resume_advice(writer.folder)
    with writer.record_outcome(), lost_process_as_error(advice):
        plan_stages(writer, state)
        pictures = RunPictures(writer.run, state.model, state.config.seed)
        yield from _warnings(pictures.draw_data(images.train))
        yield from _catch_up(writer, state, pictures)
        while True:
            try:
                yield from _train_epochs(writer, state, images, stop)
                break
            except TrainingDiverged as error:
                with settling():
                    state, notice = _roll_back(writer, state, images, error)
                share_state(state)
                yield notice
        leave()
        if stop.is_due() and not _stop_reason(state):
            yield _end_stopped(writer, stop, advice)
            return
        early_reason = None
        if len(state.history) < state.config.epochs:
            early_reason = _stop_reason(state)
            yield Notice(f"Ended early: {early_reason}.")
        for event in fit_priors(writer, state, images.train):
            if stop.is_due():
                yield _end_stopped(writer, stop, advice)
                return
            yield event
        pictures = RunPictures(writer.run, _finished_model(writer, state), state.config.seed)
        yield from _warnings(pictures.draw_results(images.test))
        writer.end("completed", early_reason)


def _finished_model(writer: RunWriter, state: State) -> VAE:
    """The model that commands read from the finished run, on the CPU."""
    run = open_run(writer.folder)
    if run.checkpoint == writer.folder / names.CHECKPOINT and not fits_prior(state.config):
        return deepcopy(state.model).to("cpu").eval()
    return run.model()


def resume_advice(folder: Path) -> str:
    """How to go on with a run, in as many processes as `--devices` has started."""
    devices = f" --devices {launched()}" if launched() else ""
    return f"Resume with: vaecli train --resume {shlex.quote(str(folder))}{devices}"


def _end_stopped(writer: RunWriter, stop: StopRequest, advice: str) -> Notice:
    """Record that the caller or the time limit stopped training, and say so.

    Raises:
        Interrupted: A signal stopped it.
    """
    stop.raise_signal(advice)
    text = f"Stopped: {stop.reason or '--max-time is reached'}. {advice}"
    writer.end("interrupted", text)
    return Notice(text)


def _train_epochs(
    writer: RunWriter, state: State, images: Splits, stop: StopRequest
) -> Iterator[Event]:
    """Train from the position of the state until training ends or a stop is due.

    Raises:
        TrainingDiverged: A metric is NaN or infinite; it is also checked within an epoch.
    """
    pictures = RunPictures(writer.run, state.model, state.config.seed)
    checks = Checks(stop)
    for event in fit(state, *images):
        if isinstance(event, Epoch):
            with settling():
                warnings = _write_epoch(writer, state, pictures)
            yield event  # after its files are written
            yield from _warnings(warnings)
            if _stop_reason(state):
                return
        else:
            checks.look(event)
            yield event
        if checks.is_stop_due(event):
            with settling():
                writer.save(state)
            return


def _write_epoch(writer: RunWriter, state: State, pictures: RunPictures) -> list[str]:
    """Write the files of a finished epoch; what is wrong with its pictures."""
    done = len(state.history)
    writer.save(state)
    warnings: list[str] = []
    if done % state.config.sample_every == 0:
        warnings = pictures.draw_epoch(done)
    writer.update_record(epochs_done=done)
    return warnings


def _stop_reason(state: State) -> str | None:
    return stop_reason(state.config, state.history, state.objective.monitor)


def _roll_back(
    writer: RunWriter, state: State, images: Splits, error: TrainingDiverged
) -> tuple[State, Notice]:
    """The state of the last checkpoint with half the learning rate, and a notice about it.

    Raises:
        TrainingDiverged: `error`, if `on_nan` is stop or no rollback is left.
    """
    writer.record_divergence(state)
    if state.config.on_nan == "stop" or state.rollbacks == MAX_ROLLBACKS:
        raise error
    restored = start_resolved(state.config, images.train)
    restored.compile = state.compile
    restore_state(open_run(writer.folder, "last"), restored)
    restored.rollbacks = state.rollbacks + 1
    writer.update_record(rollbacks=restored.rollbacks)
    notice = Notice(
        f"{error} Went back to {_position(restored)} and halved the learning rate: "
        f"rollback {restored.rollbacks} of {MAX_ROLLBACKS}.",
        "warning",
    )
    return restored, notice


def _position(state: State) -> str:
    """How far training is, such as "the end of epoch 2"."""
    done = len(state.history)
    if state.batch:
        return f"batch {state.batch} of epoch {done + 1}"
    return f"the end of epoch {done}" if done else "the start of training"


def _catch_up(writer: RunWriter, state: State, pictures: RunPictures) -> Iterator[Event]:
    """Write the files that are missing if a process was killed right after a checkpoint."""
    done = len(state.history)
    if not done:
        return
    writer.write_epoch_files(state)
    if state.batch == 0 and done % state.config.sample_every == 0:
        yield from _warnings(pictures.draw_epoch(done))
    writer.update_record(epochs_done=done)


def _warnings(texts: list[str]) -> Iterator[Notice]:
    for text in texts:
        yield Notice(text, "warning")

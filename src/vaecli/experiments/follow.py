"""Training by several processes: process 0 leads, the others follow.

Process 0 plans the run, writes its files and talks to the user. The others get the configuration
and the state of training from it, load the images themselves, and take part in every batch.
"""

import warnings
from typing import Any

from ..config.config import Config
from ..data.load_log import LoadLog
from ..data.splits import Splits, load_all
from ..system import processes
from ..system.errors import DataError, EndedByAnother, Interrupted, TrainingDiverged
from ..system.group import leave, settle, settling
from ..training.early_stopping import stop_reason
from ..training.epoch import Epoch
from ..training.loop import fit
from ..training.runtime import keep_freed_memory, setup_runtime
from ..training.state import State, start_resolved
from .stopping import Checks, StopRequest


def call_followers(state: State, data: dict[str, str]) -> list[str]:
    """Give the others the state of process 0, once they have loaded the same images.

    Args:
        state: The state at the start of training, or where a resumed run was left.
        data: SHA-256 of each split.

    Returns:
        The device of every process.

    Raises:
        VaecliError: Another process cannot start: which one, and why.
    """
    settle()
    processes.broadcast((state.config, state.compile, data))
    settle()
    return share_state(state)


def share_state(state: State) -> list[str]:
    """Set the state of the others to that of process 0; the device of every process."""
    if processes.count() == 1:
        return [str(state.model.device)]
    copies = None
    if processes.is_first():
        tensors = {name: tensor.cpu() for name, tensor in state.tensors().items()}
        copies = (tensors, state.position(), state.history)
    received: tuple[Any, Any, Any] = processes.broadcast(copies)
    if not processes.is_first():
        state.restore(*received)
    return processes.collect(str(state.model.device))


def follow() -> None:
    """Train along with process 0 until its epochs are done.

    Raises:
        EndedByAnother: Process 0 has ended before, for a reason that it gives.
        VaecliError: This process cannot start; process 0 says so as well.
    """
    warnings.simplefilter("ignore")  # process 0 has the same, and shows them
    setup_runtime()
    with StopRequest(Config()) as stop:
        settle()
        config, compiled, data = processes.broadcast()
        setup_runtime(config.threads)
        with settling():
            images = _load_same(config, data)
            state = start_resolved(config, images.train)
        state.compile = compiled
        share_state(state)
        while True:
            try:
                _train_epochs(state, images, stop)
                break
            except (TrainingDiverged, EndedByAnother) as error:
                if error.status != TrainingDiverged.status:
                    raise
                settle()  # process 0 goes back to its checkpoint, or ends
                state = start_resolved(config, images.train)
                state.compile = compiled
                share_state(state)
        leave()
        if stop.signal is not None and not _is_over(state):
            raise EndedByAnother(Interrupted(stop.signal, "").status)


def _load_same(config: Config, data: dict[str, str]) -> Splits:
    """The images of a configuration, with the digests of process 0.

    Raises:
        DataError: They are missing, or others than those of process 0.
    """
    images, _ = load_all(config, LoadLog())
    keep_freed_memory()
    if images.fingerprints() != data:
        raise DataError(
            f"The images of {config.data} differ from those of process 0: copy the same files to "
            "every machine."
        )
    return images


def _train_epochs(state: State, images: Splits, stop: StopRequest) -> None:
    """Train until training ends or any process was asked to stop.

    Raises:
        TrainingDiverged: A metric is NaN or infinite, on all processes at the same batch.
    """
    checks = Checks(stop)
    for event in fit(state, *images):
        if isinstance(event, Epoch):
            settle()  # process 0 has written its files
            if _is_over(state):
                return
        else:
            checks.look(event)
        if checks.is_stop_due(event):
            settle()
            return


def _is_over(state: State) -> bool:
    return stop_reason(state.config, state.history, state.objective.monitor) is not None

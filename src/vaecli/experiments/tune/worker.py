"""A worker of a study: takes one trial after another, trains it and reports its result.

All workers of a study run the same code; none of them leads. A trial that is running in the
storage and that no process has claimed was left by a worker that stopped or was killed: the next
worker goes on with it from its last checkpoint.
"""

import shlex
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from filelock import BaseFileLock
from optuna import Trial
from optuna.samplers import TPESampler
from optuna.trial import TrialState

from ...run.find import open_run
from ...run.lock import RunIsLocked, require_free
from ...run.writer import RunWriter
from ...system.devices import select_device
from ...system.errors import (
    ConfigError,
    Interrupted,
    ModelTooLarge,
    NotFiniteError,
    TrainingDiverged,
    VaecliError,
    is_out_of_memory,
)
from ...system.seeds import derive_seed
from ...training.epoch import Epoch
from ..prepare import StartedRun, start_run
from ..resume import Plan, is_to_start, make_plan
from ..stopping import StopRequest
from ..train import Event as TrainingEvent
from ..train import train_run
from .locks import claim, study_lock
from .result import finish, value_of, write_table
from .rows import TrialRow
from .search import with_options
from .study import FAILED, FIRST_TRIALS, SECONDS, WORKER_OPTIONS, Study

POLL = 0.5  # seconds between two looks at the trials of other workers
PRUNED = "the trial is worse than the median of its study after epoch {}"


@dataclass(frozen=True)
class TrialStarted:
    """A trial whose run is about to train here.

    Attributes:
        row: The trial.
        started: Its run, which this process holds.
    """

    row: TrialRow
    started: StartedRun


@dataclass(frozen=True)
class TrialEnded:
    """A trial that trains here no longer: it has ended, or was stopped and can be resumed."""

    row: TrialRow


Event = TrialStarted | TrialEnded | TrialRow | TrainingEvent


@dataclass
class Worker:
    """One worker.

    Attributes:
        study: The study.
        stop: Checked after every batch, and while the worker waits.
        shown: The last row yielded of each trial, by number.
    """

    study: Study
    stop: StopRequest
    shown: dict[int, TrialRow] = field(default_factory=dict)

    def work(self) -> Generator[Event, None, None]:
        """Train trials until all of the study have ended, and write its result.

        A worker that finds no trial waits for those of the others: should one of them be killed,
        its trial is resumed here.

        Yields:
            A TrialRow where a trial has changed, also one of another worker; for the trials of this
            worker a TrialStarted, what its training yields, and a TrialEnded.

        Raises:
            Interrupted: A signal came; the trial is saved.
            RunError: All trials have ended, and none was completed.
            VaecliError: The images cannot be read, or the disk is full. The trial can be resumed.
        """
        select_device(self.study.base.device)  # a missing one would fail every trial
        yield from self._changes()
        while not self._is_stopped():
            taken = self._take()
            if taken is not None:
                yield from self._train_claimed(*taken)
            elif finish(self.study):
                yield from self._changes()
                return
            else:
                time.sleep(POLL)
            yield from self._changes()

    def _is_stopped(self) -> bool:
        self.stop.raise_signal(self.advice())
        return self.stop.is_time_over()

    def advice(self) -> str:
        """How to go on with the study."""
        return f"Go on with: vaecli tune --study {shlex.quote(str(self.study.folder))}"

    def _changes(self) -> Iterator[TrialRow]:
        """The rows that differ from those yielded before."""
        for row in self.study.rows():
            if self.shown.get(row.number) != row:
                self.shown[row.number] = row
                yield row

    def _take(self) -> tuple[Trial, BaseFileLock] | None:
        """A trial that nobody trains, or a new one, and its lock; None if there is neither."""
        study = self.study
        with study_lock(study.folder):
            trials = study.storage.get_trials(deepcopy=False)
            begun = [trial for trial in trials if trial.state != TrialState.WAITING]
            for frozen in begun:
                if frozen.state == TrialState.RUNNING and self._is_free(frozen.number):
                    trial = Trial(study.storage, frozen._trial_id)
                    lock = self._claim_running(trial)
                    if lock is not None:
                        return trial, lock
            if len(begun) >= study.read_again().trials:
                return None
            trial = study.storage.ask()
            lock = claim(study.folder, trial.number)
            if lock is None:  # held by a worker of an earlier study in this folder
                return None
            self._options(trial)
        return trial, lock

    def _claim_running(self, trial: Trial) -> BaseFileLock | None:
        """The lock of a trial that runs; None if another worker holds it, or has just ended it."""
        lock = claim(self.study.folder, trial.number)
        # read again: the other worker may have ended the trial before it released the lock
        if lock is not None and self._row(trial).state != "running":
            lock.release()
            return None
        return lock

    def _is_free(self, number: int) -> bool:
        """Whether no process holds the lock of the trial's run, as `vaecli train --resume` may."""
        try:
            require_free(self.study.run_of(number))
        except RunIsLocked:
            return False
        return True

    def _options(self, trial: Trial) -> dict[str, Any]:
        """The values of a trial: those that it has, and new ones for the rest."""
        # so that a study with one worker has the same trials again, also if it was killed
        seed = derive_seed(self.study.base.seed, "tune", trial.number)
        self.study.storage.sampler = TPESampler(seed=seed, n_startup_trials=FIRST_TRIALS)
        return {name: r.suggest(trial, name) for name, r in self.study.search.items()}

    def _row(self, trial: Trial) -> TrialRow:
        return self.study.row_of(trial.storage.get_trial(trial._trial_id))

    def _train_claimed(self, trial: Trial, lock: BaseFileLock) -> Iterator[Event]:
        """Train a trial, or the rest of it, tell the storage how it ended, and release it."""
        folder = self.study.run_of(trial.number)
        is_new = is_to_start(folder)
        try:
            yield from self._train(trial, is_new)
        except RunIsLocked:  # somebody resumes it by hand: it is taken up again later
            time.sleep(POLL)
        except Interrupted:
            self.stop.raise_signal(self.advice())
            raise
        except Exception as error:
            reason = _reason_to_fail(error, is_new)
            if reason is None:
                raise
            self._fail(trial, reason)
        finally:
            self.stop.reason = None
            lock.release()
        write_table(self.study)
        yield TrialEnded(self._row(trial))

    def _train(self, trial: Trial, is_new: bool) -> Iterator[Event]:
        folder = self.study.run_of(trial.number)
        plan = self._plan(trial, is_new)
        history: list[Epoch] = []
        if plan.run is not None:
            history = plan.run.history()
        is_complete = plan.complete_reason() is not None
        if plan.run is not None and not is_complete and self._is_to_prune(trial, history):
            with RunWriter(plan.run) as writer:  # a killed worker did not come to say so
                writer.end("interrupted", f"Stopped: {PRUNED.format(len(history))}.")
        elif not is_complete:
            with start_run(plan.config, plan.run, folder, on_progress=self._on_progress) as started:
                yield TrialStarted(self._row(trial), started)
                yield from started.notices
                yield from self._follow(trial, started, history)
                is_complete = started.writer.record.status == "completed"
            if not is_complete and self.stop.reason is None:
                return  # --max-time is reached
        self._tell(trial, is_complete)

    def _plan(self, trial: Trial, is_new: bool) -> Plan:
        config = with_options(self.study.base, self._options(trial)).with_values(max_time=None)
        if is_new:
            return Plan(config)
        here = {name: getattr(config, name) for name in WORKER_OPTIONS if name != "max_time"}
        return make_plan(here, resume=str(self.study.run_of(trial.number)))

    def _on_progress(self, what: str, done: int, total: int) -> None:
        self.stop.raise_signal(self.advice())

    def _follow(self, trial: Trial, started: StartedRun, history: list[Epoch]) -> Iterator[Event]:
        """Train; report each epoch, and stop if it is in the worse half of the study."""
        with closing(train_run(started.writer, started.state, started.images, self.stop)) as events:
            for event in events:
                if isinstance(event, Epoch):
                    history.append(event)
                    if self._is_to_prune(trial, history):
                        self.stop.reason = PRUNED.format(event.number)
                yield event
                if isinstance(event, Epoch):
                    yield from self._changes()

    def _is_to_prune(self, trial: Trial, history: list[Epoch]) -> bool:
        """Whether a trial should end early; reports its epochs that are not reported yet.

        Only metrics of the validation images are read.
        """
        reported = trial.storage.get_trial(trial._trial_id).intermediate_values
        for epoch in history:
            if epoch.number not in reported:
                trial.report(value_of(epoch.valid, self.study.record.metric), epoch.number)
        seconds = sum(epoch.train_seconds + epoch.test_seconds for epoch in history)
        trial.set_user_attr(SECONDS, round(seconds, 2))
        return 0 < len(history) < self.study.base.epochs and trial.should_prune()

    def _tell(self, trial: Trial, is_complete: bool) -> None:
        """Tell the storage that a trial was completed, or else pruned."""
        if not is_complete:
            self.study.storage.tell(trial, state=TrialState.PRUNED)
            return
        history = open_run(self.study.run_of(trial.number), "last").history()
        self._is_to_prune(trial, history)  # reports what a killed worker did not
        values = [value_of(epoch.valid, self.study.record.metric) for epoch in history]
        self.study.storage.tell(trial, min(values))

    def _fail(self, trial: Trial, reason: str) -> None:
        """Tell the storage that a trial failed.

        As pruned: of a failed one the sampler would learn nothing, and try the like again.
        """
        trial.set_user_attr(FAILED, reason)
        self.study.storage.tell(trial, state=TrialState.PRUNED)


def _reason_to_fail(error: Exception, is_new: bool) -> str | None:
    """Why a trial failed, if its options may be to blame; None if the study cannot go on.

    Args:
        error: What ended the training.
        is_new: Whether the run began here: options that fit no model are found then.
    """
    if isinstance(error, TrainingDiverged | NotFiniteError | ModelTooLarge):
        return str(error)
    if isinstance(error, ConfigError) and is_new:
        return str(error)
    if is_out_of_memory(error):
        return "Out of memory."
    if isinstance(error, VaecliError | OSError):
        return None
    return f"Unexpected {type(error).__name__}: {error}"

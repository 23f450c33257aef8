"""Small studies, without a command line."""

from pathlib import Path
from typing import Any

from tests.experiments.trainings import options
from vaecli.config.config import Config
from vaecli.experiments.stopping import StopRequest
from vaecli.experiments.tune.start import Request, open_or_start
from vaecli.experiments.tune.study import Study
from vaecli.experiments.tune.worker import Event, Worker
from vaecli.training.epoch import Epoch

SEARCH = ("lr=1e-3..1e-2:log", "latent-dim=2,3,4")


def request(digits: Path, folder: Path, trials: int = 4, **more: Any) -> Request:
    """A search of learning rate and latents, two epochs in a trial."""
    chosen = options(digits, epochs=2, validation=32, threads=1) | more.pop("options", {})
    return Request(chosen, search=more.pop("search", SEARCH), trials=trials, folder=folder, **more)


def start(*arguments: Any, **more: Any) -> Study:
    """A study that exists, or a new one."""
    return open_or_start(request(*arguments, **more))[0]


def work(study: Study, stop: StopRequest | None = None) -> list[Event]:
    """All events of a worker."""
    return list(Worker(study, stop or StopRequest(Config())).work())


def work_until(study: Study, epochs: int) -> None:
    """Work until some epochs are done, then end as if the process was killed."""
    events = Worker(study, StopRequest(Config())).work()
    while epochs:
        epochs -= isinstance(next(events), Epoch)
    events.close()


def outcome(study: Study) -> list[tuple[Any, ...]]:
    """What each trial of a study came to, without times and paths."""
    return [(r.number, r.state, r.value, r.epochs, r.options, r.reason) for r in study.rows()]

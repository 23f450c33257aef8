"""The second stage of training: a prior is fitted to the latents of every kept checkpoint."""

import time
from collections.abc import Iterator

from ..config.config import Config
from ..data.images import Images
from ..evaluation.fitting import fit_prior, make_fitted_prior
from ..run import names
from ..run.record import Stage
from ..run.run import Run
from ..run.writer import RunWriter
from ..training.early_stopping import stop_reason
from ..training.state import State
from .events import FitStep, Notice

KEPT = (names.CHECKPOINT, names.BEST)


def fit_priors(writer: RunWriter, state: State, train: Images) -> Iterator[FitStep | Notice]:
    """Fit the prior of each checkpoint that has none yet, and add it to the checkpoint.

    A fit that is stopped leaves nothing behind: it begins again, with the same result.

    Args:
        writer: RunWriter of a run whose epochs are done.
        state: The state at their end.
        train: The training images.

    Raises:
        NotFiniteError: The model overflows, or the fit does.
        ResourceError: The disk is full; the old checkpoint stays.
    """
    config = state.config
    if not fits_prior(config):
        return
    plan_stages(writer, state)
    runs = [Run(writer.folder, writer.folder / name) for name in KEPT]
    for name, run in zip(KEPT, runs, strict=True):
        if not run.checkpoint.is_file() or run.has_fitted_prior():
            continue
        model = run.model().to(state.model.device)
        prior = make_fitted_prior(config, model, train)
        if prior is None:  # excluded above
            return
        label = run.checkpoint.stem
        yield Notice(f"Fitting {config.fitted_prior} to {len(train):,} latents ({label}).")
        started = time.monotonic()
        for fraction in fit_prior(prior, model, train, config.seed):
            yield FitStep(label, fraction)
        writer.add_fitted_prior(name, prior)
        seconds = max(0.0, time.monotonic() - started)
        spent = _seconds_of_fit(writer) or 0.0
        writer.update_record(stages=_stages(state, spent + seconds))
        yield Notice(f"Fitted the prior in {seconds:.1f} s ({label}).")


def fits_prior(config: Config) -> bool:
    """Whether a configuration has a second stage."""
    return config.fitted_prior.name != "none"


def plan_stages(writer: RunWriter, state: State) -> None:
    """Name the stages of a run in its run.json, if its prior is fitted after training.

    Once training has ended, the seconds of fits that are done stay.
    """
    if fits_prior(state.config):
        seconds = _seconds_of_fit(writer) if _is_trained(state) else None
        writer.update_record(stages=_stages(state, seconds))


def _seconds_of_fit(writer: RunWriter) -> float | None:
    """The seconds of all fits so far, as run.json has them."""
    return writer.record.stages[-1].seconds if writer.record.stages else None


def _is_trained(state: State) -> bool:
    return stop_reason(state.config, state.history, state.objective.monitor) is not None


def _stages(state: State, seconds: float | None) -> list[Stage]:
    """Both stages; the second took `seconds` so far, None if no fit has ended."""
    config = state.config
    trained = None
    if _is_trained(state):
        trained = sum(epoch.train_seconds for epoch in state.history)
    return [
        Stage(name="training", prior=str(config.prior), seconds=trained),
        Stage(name="fit", prior=str(config.fitted_prior), seconds=seconds),
    ]

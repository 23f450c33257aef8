"""What `vaecli train` does once it is clear what to train: epochs, checkpoints and pictures."""

import math
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from ..system.errors import TrainingDiverged
from .options import say
from .screen import Screen
from .stopping import Stopping

if TYPE_CHECKING:
    from ..config.config import Config
    from ..data.splits import Splits
    from ..pictures.run_pictures import RunPictures
    from ..run import Run
    from ..training.state import State


def prepare(run: "Run", config: "Config") -> tuple["State", "Splits"]:
    """The state of training, new or as the run left it, and the images."""
    import torch

    # Before the first tensor operation: threads that exist already would not take it up. Adam's
    # averages of pixels that are always black decay into denormals, which are slow.
    torch.set_flush_denormal(True)
    from ..config import build
    from ..data import splits
    from ..system import devices, machine
    from ..training import runtime
    from ..training.state import start

    torch.set_num_threads(config.threads or min(torch.get_num_threads(), machine.physical_cores()))
    config = build.complete(config)
    images = splits.load(config)
    runtime.keep_memory()  # from here on: what reading took is given back
    state = start(config, images.train)
    if config.compile and not state.objective.compiles:
        say(
            f"Warning: torch cannot compile {config.objective}: training goes on without --compile."
        )
    elif config.compile and not devices.can_compile():
        say("Warning: torch found no C++ compiler that works: training goes on without --compile.")
        state.config = replace(config, compile=False)
    run.restore(state)
    return state, images


def train_on(
    run: "Run", state: "State", images: "Splits", screen: Screen, stopping: Stopping
) -> None:
    """Train to the end, after going back if need be; then draw what was learnt."""
    from .. import run as runs
    from ..pictures.run_pictures import RunPictures
    from ..training.early_stopping import why_over

    config = state.config
    with run.recording():
        screen.say(_summary(run, state, images))
        pictures = RunPictures(run, state.model, config.seed)
        _warn(screen, pictures.draw_data(images.train))
        _catch_up(run, state, pictures, screen)
        while True:
            try:
                _go_on(run, state, images, screen, stopping)
                break
            except TrainingDiverged as error:
                state = _go_back(run, state, images, error, screen)
        if len(state.history) < config.epochs:
            reason = why_over(config, state.history)
            run.note(reason=reason)
            screen.say(f"Ended early: {reason}.")
        best = runs.open(run.folder).model()
        _warn(screen, RunPictures(run, best, config.seed).draw_results(images.test))
    if config.preset == "vae":
        screen.say("Sooner: --preset vae-fast. Its 8 epochs of MNIST reach the loss of 50 of vae.")
    screen.say(f"Next, from this folder:\n{_next(run)}")


def _go_on(
    run: "Run", state: "State", images: "Splits", screen: Screen, stopping: Stopping
) -> None:
    """Train from where the state is until nothing is left to train, or to a reason to stop."""
    from ..config.config import seconds
    from ..pictures.run_pictures import RunPictures
    from ..training.early_stopping import why_over
    from ..training.epoch import Epoch
    from ..training.loop import fit

    config = state.config
    limit = seconds(config.max_time) if config.max_time else math.inf
    pictures = RunPictures(run, state.model, config.seed)
    for event in fit(state, *images):
        if isinstance(event, Epoch):
            screen.epoch(event)
            run.save(state)
            if event.number % config.sample_every == 0:
                _warn(screen, pictures.draw_epoch(event.number))
            run.note(epochs_done=event.number)
            if why_over(config, state.history):
                break
        else:
            screen.step(event)
        if stopping.is_due(limit):
            run.save(state)
            stopping.obey(f"Go on with: vaecli train --resume {shlex.quote(f'{run.folder}')}")


def _go_back(
    run: "Run", state: "State", images: "Splits", error: TrainingDiverged, screen: Screen
) -> "State":
    """The state of the last checkpoint with half the learning rate; else raise the error."""
    from ..training.divergence import ROLLBACKS
    from ..training.state import start

    run.show_divergence(state)
    if state.config.on_nan == "stop" or state.rollbacks == ROLLBACKS:
        raise error
    again = start(state.config, images.train)
    run.restore(again)
    again.rollbacks = state.rollbacks + 1
    run.note(rollbacks=again.rollbacks)
    screen.warn(
        f"{error} Went back to the end of epoch {len(again.history)} and halved the learning rate: "
        f"rollback {again.rollbacks} of {ROLLBACKS}."
    )
    return again


def _catch_up(run: "Run", state: "State", pictures: "RunPictures", screen: Screen) -> None:
    """Write what a kill between a checkpoint and the rest of its epoch has left out."""
    done = len(state.history)
    if done:
        run.complete(state)
        if state.batch == 0 and done % state.config.sample_every == 0:
            _warn(screen, pictures.draw_epoch(done))
        run.note(epochs_done=done)


def _warn(screen: Screen, warnings: list[str]) -> None:
    for warning in warnings:
        screen.warn(warning)


def _summary(run: "Run", state: "State", images: "Splits") -> str:
    record, plural = run.record, "s" * (run.record.threads != 1)
    counts = [f"{len(images.train):,} training", f"{len(images.test):,} test images"]
    if images.validation:
        counts.insert(1, f"{len(images.validation):,} validation")
    return (
        f"Training {run.folder} on {record.device} ({record.threads} thread{plural}): "
        f"{record.parameters:,} parameters, {', '.join(counts[:-1])} and {counts[-1]}, "
        f"{state.config.batch_size} in a batch.\n"
        f"Protocol: {state.model.likelihood.protocol(state.config.binarize)}."
    )


def _next(run: "Run") -> str:
    from .. import run as runs

    chosen = "" if run == runs.find_latest() else f" -r {shlex.quote(str(run.folder))}"
    commands = (
        "sample -n 64 -o grid.png",
        "reconstruct",
        "embed --split test --plot latent.png",
        "plot-loss",
    )
    return "\n".join(f"  vaecli {command}{chosen}" for command in commands)

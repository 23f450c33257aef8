"""`vaecli train`."""

import shlex
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import defaults
from ..errors import ConfigError, TrainingDiverged
from .options import Seed, announce, given, option, say
from .pictures import Pictures
from .screen import Mode, Screen
from .stopping import Stopping

if TYPE_CHECKING:
    from ..config import Config
    from ..data import Images
    from ..run import Run
    from ..training import State

EXAMPLES = [
    "vaecli train --epochs 50",
    "vaecli train --latent-dim 2 --network mlp:width=200,depth=3",
    "vaecli train --resume runs/mnist-vae-1",
    "vaecli train --config runs/mnist-vae-1/config.json --seed 1",
]


def train(
    context: typer.Context,
    epochs: Annotated[
        int, option("--epochs", help="Passes over the training images, 1 or more.")
    ] = defaults.EPOCHS,
    batch_size: Annotated[
        int, option("--batch-size", help="Images in a batch, 1 or more.")
    ] = defaults.BATCH_SIZE,
    lr: Annotated[float, option("--lr", help="Learning rate, above 0.")] = defaults.LR,
    optimizer: Annotated[
        str, option("--optimizer", help="adam, adamw or sgd (with momentum 0.9).", metavar="NAME")
    ] = defaults.OPTIMIZER,
    latent_dim: Annotated[
        int, option("--latent-dim", help="Latent dimensions, 1 or more.")
    ] = defaults.LATENT_DIM,
    network: Annotated[
        str, option("--network", help="Network, as name:option=value,...", metavar="SPEC")
    ] = defaults.NETWORK,
    data: Annotated[
        str, option("--data", help="mnist, fashion-mnist or kmnist.", metavar="NAME")
    ] = defaults.DATA,
    data_dir: Annotated[
        str | None,
        option(
            "--data-dir",
            help="Folder of MNIST-format files to read. [default: the MNIST in the package]",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    train_images: Annotated[
        int | None,
        option("--train-images", help="Use the first N training images only.", metavar="N"),
    ] = None,
    test_images: Annotated[
        int | None, option("--test-images", help="Use the first N test images only.", metavar="N")
    ] = None,
    seed: Seed = defaults.SEED,
    device: Annotated[
        str, option("--device", help="auto, cpu, cuda, cuda:N or mps.", metavar="NAME")
    ] = defaults.DEVICE,
    run_dir: Annotated[
        Path | None,
        typer.Option(
            "--run-dir",
            "-r",
            help="Directory to write. [default: the next free runs/<data>-<preset>-<n>]",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run in --run-dir.")
    ] = False,
    resume: Annotated[
        str | None,
        option(
            "--resume",
            help="Go on with a run, bit for bit; auto: the newest unfinished one, or start.",
            metavar="RUN|auto",
        ),
    ] = None,
    config_file: Annotated[
        Path | None,
        typer.Option(
            "--config", help="JSON file of options, such as a run's config.json.", metavar="FILE"
        ),
    ] = None,
    progress: Annotated[
        Mode, option("--progress", help="How progress is shown; auto: bar on a terminal.")
    ] = "auto",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print only warnings, errors and the result.")
    ] = False,
) -> None:
    """Train a model and write its run directory.

    It gets the checkpoint, pictures and a loss log, and its path is printed.

    A flag wins over its environment variable (VAECLI_EPOCHS and so on), this over --config.
    """
    from .. import config as configs
    from .. import presets
    from .. import run as runs
    from ..run.resume import changed

    chosen = given(context, configs.Config.model_fields)
    layers = [] if config_file is None else [configs.read(config_file)]
    config = presets.resolve(*layers, chosen)
    if resume not in (None, "auto") and (run_dir or config_file or overwrite):
        raise ConfigError("--resume RUN goes without --run-dir, --config and --overwrite.")
    found = _find(resume, run_dir, config)
    with ExitStack() as stack:
        stopping = stack.enter_context(Stopping())
        with nullcontext(found) if found else runs.starting(config, run_dir, overwrite) as run:
            if found and (config := changed(found, chosen)) and _is_complete(found, config):
                return
            stack.enter_context(run.hold())
            state, images = _prepare(run, config)
        screen = stack.enter_context(Screen(progress, quiet, run.log, config.epochs))
        _train(run, state, images, screen, stopping)
    announce(run.folder)


def _find(resume: str | None, run_dir: Path | None, config: "Config") -> "Run | None":
    """The run to go on with, if there is one."""
    from .. import run as runs

    if resume is None:
        return None
    if resume == "auto" and run_dir is None:
        return runs.find_unfinished(config)
    if resume == "auto":
        return runs.open(run_dir) if run_dir and run_dir.exists() else None
    return runs.open(resume)


def _is_complete(run: "Run", config: "Config") -> bool:
    """Whether nothing is left to train, which is then said."""
    record = run.record
    if record.status != "completed" or record.epochs_done < config.epochs:
        return False
    say(
        f"{run.folder} is already complete with {record.epochs_done} epochs; "
        "extend it with --epochs N."
    )
    announce(run.folder)
    return True


def _prepare(run: "Run", config: "Config") -> tuple["State", tuple["Images", "Images"]]:
    """The state of training, new or as the run left it, and the images."""
    import torch

    # Before the first tensor operation: threads that exist already would not take it up. Adam's
    # averages of pixels that are always black decay into denormals, which are slow.
    torch.set_flush_denormal(True)
    from .. import build, data, training

    config = build.complete(config)
    images = data.load(config)
    state = training.start(config, images[0].shape)
    run.restore(state)
    run.begin(state, *images)
    return state, images


def _train(
    run: "Run",
    state: "State",
    images: tuple["Images", "Images"],
    screen: Screen,
    stopping: Stopping,
) -> None:
    from ..training import Epoch, fit

    pictures = Pictures(run, state, screen.warn)
    with run.recording():
        screen.say(_summary(run, state, images))
        pictures.before(images[0])
        _catch_up(run, state, pictures)
        try:
            for event in fit(state, *images):
                if isinstance(event, Epoch):
                    screen.epoch(event)
                    run.save(state, images[0].shape)
                    pictures.epoch(event.number)
                    run.note(epochs_done=event.number)
                else:
                    screen.step(event)
                if stopping.caught:
                    run.save(state, images[0].shape)
                    stopping.obey(
                        f"Go on with: vaecli train --resume {shlex.quote(f'{run.folder}')}"
                    )
        except TrainingDiverged:
            run.show_divergence(state)
            raise
        pictures.after(images[1])
    screen.say(f"Next, from this folder:\n{_next(run)}")


def _catch_up(run: "Run", state: "State", pictures: Pictures) -> None:
    """Write what a kill between a checkpoint and the rest of its epoch has left out."""
    if state.history:
        run.write_losses(state)
        if state.batch == 0:
            pictures.epoch(len(state.history))
        run.note(epochs_done=len(state.history))


def _summary(run: "Run", state: "State", images: tuple["Images", "Images"]) -> str:
    record = run.record
    return (
        f"Training {run.folder} on {record.device} ({record.threads} threads): "
        f"{record.parameters:,} parameters, {len(images[0]):,} training and "
        f"{len(images[1]):,} test images, {state.config.batch_size} in a batch."
    )


def _next(run: "Run") -> str:
    from .. import run as runs

    chosen = "" if run == runs.find_latest() else f" -r {shlex.quote(str(run.folder))}"
    return "\n".join(
        f"  vaecli {command}{chosen}{rest}"
        for command, rest in (
            ("sample", " -n 64 -o grid.png"),
            ("reconstruct", ""),
            ("embed", " --split test --plot latent.png"),
            ("plot-loss", ""),
        )
    )

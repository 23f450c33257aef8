"""`vaecli train`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import defaults
from .options import Seed, announce, given, option
from .pictures import Pictures
from .screen import Mode, Screen
from .stopping import Stopping

if TYPE_CHECKING:
    from ..data import Images
    from ..run import Run
    from ..training import State

EXAMPLES = [
    "vaecli train --epochs 50",
    "vaecli train --latent-dim 2 --network mlp:width=200,depth=3",
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
        option(
            "--run-dir",
            "-r",
            help="Directory to write. [default: the next free runs/<data>-<preset>-<n>]",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run in --run-dir.")
    ] = False,
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

    layers = [] if config_file is None else [configs.read(config_file)]
    config = presets.resolve(*layers, given(context, configs.Config.model_fields))
    import torch

    # Before the first tensor operation: threads that exist already would not take it up. Adam's
    # averages of pixels that are always black decay into denormals, which are slow.
    torch.set_flush_denormal(True)
    from .. import build, training
    from .. import data as sets
    from .. import run as runs

    config = build.complete(config)
    images = sets.load(config)
    state = training.start(config, images[0].shape)
    run = runs.create(config, run_dir, overwrite)
    run.begin(state, *images, sys.argv)
    with Screen(progress, quiet, run.log, config.epochs) as screen:
        _train(run, state, images, screen)
    announce(run.folder)


def _train(run: "Run", state: "State", images: tuple["Images", "Images"], screen: Screen) -> None:
    from ..training import Epoch, fit

    pictures = Pictures(run, state, screen.warn)
    with run.recording(), Stopping() as stopping:
        screen.say(_summary(run, state, images))
        pictures.before(images[0])
        for event in fit(state, *images):
            if isinstance(event, Epoch):
                screen.epoch(event)
                run.save(state, images[0].shape)
                pictures.epoch(event.number)
                run.note(epochs_done=event.number)
            else:
                screen.step(event)
            stopping.check(
                f"{run.folder} keeps {len(state.history)} of {state.config.epochs} epochs."
            )
        pictures.after(images[1])
    screen.say(f"Next, from this folder:\n{_next(run)}")


def _summary(run: "Run", state: "State", images: tuple["Images", "Images"]) -> str:
    record = run.record
    return (
        f"Training {run.folder} on {record.device} ({record.threads} threads): "
        f"{record.parameters:,} parameters, {len(images[0]):,} training and "
        f"{len(images[1]):,} test images, {state.config.batch_size} in a batch."
    )


def _next(run: "Run") -> str:
    import shlex

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

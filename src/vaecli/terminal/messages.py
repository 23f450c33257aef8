"""What `vaecli train` prints before and after training, and in a dry run."""

import shlex
from datetime import timedelta
from typing import cast

from ..config.config import PART_KINDS, Config
from ..data.splits import Splits
from ..experiments.dry_run import DryRun
from ..model import VAE
from ..parts.posteriors import Posterior
from ..run.find import find_latest_run
from ..run.record import Record
from ..run.run import Run
from ..training.state import State


def training_summary(run: Run, record: Record, state: State, images: Splits) -> str:
    """What is about to be trained, and on what."""
    counts = [f"{len(images.train):,} training"]
    if images.validation:
        counts.append(f"{len(images.validation):,} validation")
    threads = count(record.threads or 0, "thread")
    return (
        f"Training {run.folder} on {record.device} ({threads}): {record.parameters:,} parameters, "
        f"{_latents(state.model)}{', '.join(counts)} and {len(images.test):,} test images, "
        f"{state.config.batch_size} in a batch.\n"
        f"Protocol: {state.model.likelihood.protocol(state.config.binarize)}."
    )


def _latents(model: VAE) -> str:
    """Shape and number of latents that are a map, such as "latents 4x8x8 (256), "."""
    posterior = cast(Posterior, model.posterior)
    if posterior.encoder.map_size is None:
        return ""
    return f"latents {'x'.join(map(str, posterior.latent_shape))} ({posterior.latent_dim}), "


def next_commands(run: Run, config: Config) -> str:
    """The commands to try after training."""
    option = ""
    if run != find_latest_run():
        option = f" -r {shlex.quote(str(run.folder))}"
    commands = (
        "sample -n 64 -o grid.png",
        "reconstruct",
        "embed --split test --plot latent.png",
        "plot-loss",
    )
    lines = ["Next, from this folder:", *(f"  vaecli {command}{option}" for command in commands)]
    same_parts = all(
        getattr(config, kind).name == getattr(Config, kind).name for kind in PART_KINDS
    )
    is_default = config.preset == "vae" and same_parts and not config.conditional
    if is_default and config.data == "mnist":  # the losses were measured on MNIST alone
        lines.insert(
            0, "Faster: --preset vae-fast reaches a lower test loss in 8 epochs than vae in 50."
        )
    return "\n".join(lines)


def dry_run_report(result: DryRun) -> str:
    """The time, memory and disk that training needs."""
    left_out = "pictures and the fit of the prior" if result.fits_prior else "pictures"
    total = format_duration(result.epochs * result.epoch_seconds)
    written = "Nothing was written, but for the cache." if result.caches else "Nothing was written."
    return (
        f"{result.parameters:,} parameters on {result.device}.\n"
        f"About {total} for {count(result.epochs, 'epoch')} of {result.epoch_seconds:.1f} s, "
        f"{left_out} not counted, {result.memory / 1e6:,.0f} MB of memory and "
        f"{result.disk / 1e6:,.0f} MB of disk.\n"
        f"{written}"
    )


def count(number: int, noun: str) -> str:
    """A number and its noun, as in "1 epoch" and "2 epochs"."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun}s"


def format_duration(seconds: float) -> str:
    """Hours, minutes and seconds, as in 0:01:30."""
    longest = 1e12  # with more, timedelta overflows
    return str(timedelta(seconds=round(min(seconds, longest))))

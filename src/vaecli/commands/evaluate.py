"""`vaecli evaluate`."""

import json
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..config import defaults
from ..system.errors import ConfigError, TrainingDiverged
from .options import Checkpoint, RunDir, Seed, Split, announce_text, read_run
from .screen import resolve

if TYPE_CHECKING:
    from ..data.images import Images
    from ..model import VAE

EXAMPLES = ["vaecli evaluate", "vaecli evaluate --samples 5000 -n 1000"]


def evaluate(
    run_dir: RunDir = None,
    checkpoint: Checkpoint = None,
    split: Split = "test",
    count: Annotated[
        int | None, typer.Option("--count", "-n", help="The first N images only.", min=1)
    ] = None,
    samples: Annotated[
        int | None, typer.Option(help="Estimate log p(x) by N samples for each image.", min=1)
    ] = None,
    seed: Seed = defaults.SEED,
) -> None:
    """Score images by the lower bound and the likelihood.

    Prints one line of JSON, in nats per image: distortion, rate and their sum, the negative bound;
    with --samples nll, the importance-weighted estimate of -log p(x), and its standard error.
    """
    from ..data import splits
    from ..evaluation import bounds
    from ..objectives.elbo import ELBO

    run = read_run(run_dir, checkpoint)
    model, images = run.model(), splits.load_split(run.config, split)
    images = images if count is None else images.first(count)
    dense = bool(model.posterior.has_density)
    if samples is not None and not dense:
        raise ConfigError("--samples needs a posterior with a density, and this is a point.")
    found: dict[str, Any] = {"split": split, "images": len(images), "seed": seed}
    found["protocol"] = model.likelihood.protocol(run.config.binarize)
    terms = bounds.evaluate(model, ELBO(beta=float(dense)), images, seed)
    found |= {name: terms[name] for name in ("distortion", "rate") if name in terms}
    if dense:
        found["loss"] = terms["loss"]
    if samples is not None:
        found |= {"samples": samples, **_likelihood(model, images, samples, seed)}
    if wild := [name for name, v in found.items() if isinstance(v, float) and not isfinite(v)]:
        raise TrainingDiverged(f"The {wild[0]} of {run.checkpoint} is {found[wild[0]]}.")
    announce_text(json.dumps(found, allow_nan=False))


def _likelihood(model: "VAE", images: "Images", samples: int, seed: int) -> dict[str, float]:
    """Minus log p(x) and its standard error over the images, with a bar on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    from ..evaluation.bounds import log_likelihood

    off = resolve("auto") != "bar"
    with Progress(console=Console(stderr=True), transient=True, disable=off) as progress:
        task = progress.add_task("log p(x)", total=len(images))
        found = -log_likelihood(model, images, samples, seed, lambda n: progress.advance(task, n))
    error = found.std(correction=0) / len(found) ** 0.5
    return {"nll": found.mean().item(), "standard_error": error.item()}

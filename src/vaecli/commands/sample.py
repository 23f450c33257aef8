"""`vaecli sample`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ..config import defaults
from ..system.errors import ConfigError
from . import options

if TYPE_CHECKING:
    from torch import Tensor

    from ..model import VAE
    from ..run import Run

EXAMPLES = [
    "vaecli sample -n 64 -o grid.png",
    "vaecli sample -r runs/mnist-vae-1 -n 10 --seed 7",
    "vaecli sample --label all --style-of 0",
]


def sample(
    run_dir: options.RunDir = None,
    checkpoint: options.Checkpoint = None,
    count: options.Count = defaults.SAMPLES,
    label: options.Label = None,
    style_of: options.StyleOf = None,
    fit: options.Fit = None,
    output: Annotated[
        Path | None, options.output_option("samples.png in the run directory")
    ] = None,
    columns: options.Columns = None,
    seed: options.Seed = defaults.SEED,
) -> None:
    """Draw images from a trained model.

    They are decoded from draws of the prior and saved as one grid of pixel means.
    """
    from ..pictures import grids as images
    from ..run import names
    from ..system.seeds import random_stream

    run = options.read_run(run_dir, checkpoint)
    path, ending = options.place(output, run, names.SAMPLES, images.ENDINGS)
    model = run.model()
    labels, row = _labels(model, label, count)
    with random_stream(model.device, seed, "samples"):
        z = _latents(run, model, len(labels), labels, style_of, fit)
        x = model.decode(z, model.one_hot(labels) if model.context else None)
    options.deliver(images.encode(images.grid(x, columns or row), ending), path)


def _labels(model: "VAE", label: str | None, count: int) -> tuple["Tensor", int | None]:
    """The label of every image, shape `(n,)`, and how many of them make a row, if that is given."""
    import torch

    classes = model.context
    if label is None:
        return torch.arange(count) % max(classes, 1), None
    if not classes:
        raise ConfigError("--label: the model is not conditional. Train one with --conditional.")
    if label == "all":
        row = -(-count // classes)
        return torch.arange(classes).repeat_interleave(row), row
    if label not in map(str, range(classes)):
        raise ConfigError(f"--label {label}: choose all or one of 0 to {classes - 1}.")
    return torch.full((count,), int(label)), None


def _latents(
    run: "Run", model: "VAE", n: int, labels: "Tensor", style_of: int | None, fit: str | None
) -> "Tensor":
    """Latents, shape `(n, D)`: of the prior, of one image, or of a density fitted to many."""
    c = model.one_hot(labels) if model.context else None
    if style_of is not None and fit:
        raise ConfigError("--style-of takes the latent of an image, --fit draws latents: use one.")
    if style_of is not None:
        return _style(run, model, style_of).expand(n, -1)
    if not fit:
        return model.sample_latent(n, c)
    from ..data import splits
    from ..evaluation import embeddings, latent_density

    z = embeddings.embed(model, splits.load_split(run.config, "train"))
    return latent_density.fitted(z.mean, latent_density.FITS[fit]).sample((n,))


def _style(run: "Run", model: "VAE", index: int) -> "Tensor":
    """The posterior mean of a test image, shape `(1, D)`."""
    from ..data import splits

    images = splits.load_split(run.config, "test")
    if not model.context:
        raise ConfigError("--style-of changes labels, but the model is not conditional.")
    if index >= len(images):
        raise ConfigError(f"--style-of {index}: there are {len(images):,} test images, from 0 on.")
    part = images.subset(slice(index, index + 1))
    return model.embed(part.pixels(slice(None)), part.one_hot_labels(slice(None)))

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
    from ..evaluation.decoding import choose_labels
    from ..pictures import grids
    from ..run import names

    run = options.read_run(run_dir, checkpoint)
    path, ending = options.place(output, run, names.SAMPLES, grids.ENDINGS)
    model = run.model()
    labels, row = choose_labels(model, label, count)
    x = _sample(run, model, labels, seed, style_of, fit)
    options.deliver(grids.encode_image(grids.grid(x, columns or row), ending), path)


def _sample(
    run: "Run", model: "VAE", labels: "Tensor", seed: int, style_of: int | None, fit: str | None
) -> "Tensor":
    """Images of latents of the prior, of one test image, or of a density fitted to many."""
    from ..data import splits
    from ..evaluation import decoding, latent_density

    if style_of is not None and fit:
        raise ConfigError("--style-of takes the latent of an image, --fit draws latents: use one.")
    if style_of is not None:
        test = splits.load_split(run.config, "test")
        return decoding.sample_style(model, labels, seed, test, style_of)
    if fit:
        train = splits.load_split(run.config, "train")
        return decoding.sample_fitted(model, labels, seed, train, latent_density.COMPONENTS[fit])
    return decoding.sample_prior(model, labels, seed)

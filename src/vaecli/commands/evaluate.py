"""`vaecli evaluate`."""

import json
from typing import Annotated, Any

import typer

from ..config import defaults
from ..terminal.options import Checkpoint, RunDir, Seed, Split

EXAMPLES = ["vaecli evaluate", "vaecli evaluate --samples 5000 -n 1000"]


def evaluate(
    run_dir: RunDir = None,
    checkpoint: Checkpoint = None,
    split: Split = "test",
    count: Annotated[
        int | None,
        typer.Option("--count", "-n", help="Use only the first N images.", metavar="N", min=1),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            help="Also estimate the NLL, with N posterior samples per image, at most 1,000,000.",
            metavar="N",
            min=1,
            max=1_000_000,
        ),
    ] = None,
    seed: Seed = defaults.SEED,
) -> None:
    """Print distortion, rate and negative ELBO, optionally NLL.

    The result is one line of JSON, in nats per image. Besides split, images, seed and protocol it
    has distortion, rate and loss. Whatever the training objective was, the loss is distortion +
    rate, the negative ELBO; a model with a codebook adds vq_loss to it. With --samples the line
    also has samples; nll, the estimate of -log p(x) by importance sampling; and
    standard_error, that of nll over the images. A deterministic model has distortion only.
    """
    from ..data.splits import load_split
    from ..evaluation.bounds import evaluate_bound
    from ..terminal.inputs import read_run
    from ..terminal.output import print_result
    from ..terminal.progress import image_progress

    run = read_run(run_dir, checkpoint)
    model = run.model()
    images = load_split(run.config, split)
    if count is not None:
        images = images.first(count)
    result: dict[str, Any] = {
        "split": split,
        "images": len(images),
        "seed": seed,
        "protocol": model.likelihood.protocol(run.config.binarize),
    }
    with image_progress("log p(x)", len(images)) as on_progress:
        result |= evaluate_bound(model, images, samples, seed, on_progress)
    print_result(json.dumps(result, allow_nan=False))

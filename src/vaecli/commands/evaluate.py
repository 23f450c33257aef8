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
        typer.Option(
            "--count", "-n", help="Use only N images, chosen at random.", metavar="N", min=1
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            help="Add a tighter bound, by importance sampling with N latents per image, at most "
            "1,000,000: an estimate of the NLL, unless grey pixels are scored by a Bernoulli.",
            metavar="N",
            min=1,
            max=1_000_000,
        ),
    ] = None,
    seed: Seed = defaults.SEED,
) -> None:
    """Print distortion, rate and negative ELBO, optionally NLL.

    The result is one line of JSON, in nats per image: distortion, rate and their sum negative_elbo,
    whatever the objective of the training was. Protocol says how pixels are scored; quantity is
    p(x), or p(x|y) for a model that was given the true labels. With --samples, nll estimates the
    negative logarithm of the quantity, and standard_error is that over the images; where pixels
    have only a loss, nll is called negative_bound. The key loss, the old name of negative_elbo,
    will be removed. If a prior was fitted after training, all numbers are with it, and
    trained_prior has those with the prior of training.
    """
    from functools import partial

    from ..data.splits import load_part
    from ..evaluation.bounds import compare_priors, evaluate_bound
    from ..terminal.failures import with_flags
    from ..terminal.inputs import read_run
    from ..terminal.output import print_result, print_stderr
    from ..terminal.progress import image_progress

    run = read_run(run_dir, checkpoint)
    model, objective = run.parts()
    images, of, warnings = load_part(run.config, split, count, seed)
    for text in warnings:
        print_stderr(f"Warning: {with_flags(text)}")
    result: dict[str, Any] = {"split": split, "images": len(images), "of": of, "seed": seed}
    with image_progress("importance sampling", len(images)) as on_progress:
        score = partial(
            evaluate_bound,
            objective=objective,
            images=images,
            samples=samples,
            seed=seed,
            binarize=run.config.binarize,
            on_progress=on_progress,
        )
        scores = score(model)
        if run.has_fitted_prior():
            scores = compare_priors(scores, score(run.model(fitted=False)), run.config)
    result |= scores
    print_result(json.dumps(result, allow_nan=False))

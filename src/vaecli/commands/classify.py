"""`vaecli classify`."""

import json
from typing import Annotated

import typer

from ..config import defaults
from ..system.errors import ConfigError
from .options import Checkpoint, RunDir, Seed, read_run

EXAMPLES = [
    "vaecli classify --labels 100",
    "vaecli classify -r runs/mnist-vae-1 --labels 1000 --seed 7",
]


def classify(
    run_dir: RunDir = None,
    checkpoint: Checkpoint = None,
    labels: Annotated[
        int,
        typer.Option(
            help="Training images whose label is used, as many of each class.", metavar="N", min=1
        ),
    ] = 100,
    seed: Seed = defaults.SEED,
) -> None:
    """Classify images by their latents, from few labels (M1).

    Logistic regression on the posterior means of the labelled training images, which the seed
    draws. Prints one line of JSON; test_error is a fraction of the test images.
    """
    from ..data import splits
    from ..evaluation.classification import error_rate, fit_logistic_regression
    from ..evaluation.embeddings import embed

    run = read_run(run_dir, checkpoint)
    if run.config.conditional:
        raise ConfigError(f"{run.folder} is given the labels: name a run without --conditional.")
    train = splits.load_split(run.config, "train").hide_labels(labels, seed)
    test = splits.load_split(run.config, "test")
    model = run.model()
    known = embed(model, train.subset(train.labelled_indices))
    unseen = embed(model, test)
    classifier = fit_logistic_regression(known.mean, known.label)
    wrong = error_rate(classifier, unseen.mean, unseen.label)
    found = {"labels": labels, "seed": seed, "test_images": len(test), "test_error": wrong}
    print(json.dumps(found, allow_nan=False))

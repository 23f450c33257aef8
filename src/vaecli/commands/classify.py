"""`vaecli classify`."""

from typing import TYPE_CHECKING, Annotated

import typer

from ..config import defaults
from ..terminal.options import AsJson, Checkpoint, RunDir, Seed

if TYPE_CHECKING:
    from ..terminal.evaluation_results import Classification

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
            help="Labelled training images to use, equally many per class.", metavar="N", min=1
        ),
    ] = 100,
    seed: Seed = defaults.SEED,
    as_json: AsJson = False,
) -> None:
    """Classify images by their latents, from few labels (M1).

    Fits a logistic regression to the posterior means of labelled training images. The seed chooses
    these images. Prints one line of JSON; test_error is a fraction of the test images, and
    test_error_by_class one of those of each class, if the classes have names.
    """
    from ..data.splits import load_split
    from ..evaluation.classification import latent_test_errors
    from ..terminal.inputs import read_run
    from ..terminal.output import print_json

    run = read_run(run_dir, checkpoint)
    train = load_split(run.config, "train")
    test = load_split(run.config, "test")
    errors = latent_test_errors(run.model(), train, test, labels, seed)
    result: Classification = {
        "labels": labels,
        "seed": seed,
        "test_images": len(test),
        "test_error": errors.overall,
    }
    if errors.by_class:
        result["test_error_by_class"] = errors.by_class
    print_json(result)

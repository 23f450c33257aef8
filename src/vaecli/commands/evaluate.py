"""`vaecli evaluate`."""

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..config import defaults
from ..terminal.options import AsJson, Checkpoint, Input, RunDir, Seed, SkipBad, Split

if TYPE_CHECKING:
    from ..data.splits import Part
    from ..run.run import Run

EXAMPLES = [
    "vaecli evaluate",
    "vaecli evaluate --samples 5000 -n 1000",
    "vaecli evaluate --metrics samples",
    "vaecli evaluate --input photos/",
]


def evaluate(
    run_dir: RunDir = None,
    checkpoint: Checkpoint = None,
    split: Split = None,
    input: Input = None,
    skip_bad: SkipBad = False,
    count: Annotated[
        int | None,
        typer.Option(
            "--count",
            "-n",
            help="Use only N images, chosen at random; with --metrics samples, draw N samples "
            "instead of 10,000.",
            metavar="N",
            min=1,
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
    metrics: Annotated[
        Literal["samples"] | None,
        typer.Option(
            help="Compare samples with real images instead, by a classifier of MNIST: clear "
            "digits, Frechet distance, precision, recall, nearest training image and more."
        ),
    ] = None,
    as_json: AsJson = False,
    seed: Seed = defaults.SEED,
) -> None:
    """Print distortion, rate and bound, or metrics of samples.

    The result is one line of JSON, in nats per image: distortion, rate and their sum negative_elbo,
    whatever the objective of the training was. Protocol says how pixels are scored; quantity is
    p(x), or p(x|y) for a model that was given the true labels. With --samples, nll estimates the
    negative logarithm of the quantity, and standard_error is that over the images; where pixels
    have only a loss, nll is called negative_bound. The key loss, the old name of negative_elbo,
    will be removed. If a prior was fitted after training, all numbers are with it, and
    trained_prior has those with the prior of training. The key split is input with --input. With
    --metrics samples, the result is a table on a terminal, else one line of JSON.
    """
    from ..terminal.images import check_choice
    from ..terminal.inputs import read_run, warn_without_fit
    from ..terminal.output import print_json

    check_choice(split, input, skip_bad)
    if metrics is not None:
        _refuse_options_of_the_bound(split, samples, input)
    run = read_run(run_dir, checkpoint)
    warn_without_fit(run)
    if metrics is None:
        part = _choose_images(run, split, input, skip_bad, count, seed)
        result = _name_choice(split, input) | _bound(run, part, samples, seed)
        print_json(result)
        return
    _print_metrics(_sample_metrics(run, count, seed), as_json)


def _name_choice(split: str | None, input: list[str] | None) -> dict[str, Any]:
    """What the result says of the images that were chosen."""
    if input:
        return {"input": input}
    return {"split": split or "test"}


def _choose_images(
    run: "Run",
    split: str | None,
    input: list[str] | None,
    skip_bad: bool,
    count: int | None,
    seed: int,
) -> "Part":
    """The images to evaluate; what there is to know about the choice is printed."""
    from ..data.splits import choose_part, load_part
    from ..terminal.failures import with_flags
    from ..terminal.images import read_images, warn_of_change
    from ..terminal.output import print_stderr

    if input:
        images, _, which = read_images(run, split, input, skip_bad)
        part = choose_part(images, which, count, seed)
    else:
        split = split or "test"
        part = load_part(run.config, split, count, seed)
        warn_of_change(run, split, part.whole)
    for text in part.warnings:
        print_stderr(f"Warning: {with_flags(text)}")
    return part


def _bound(run: "Run", part: "Part", samples: int | None, seed: int) -> dict[str, Any]:
    """The bound of images."""
    from functools import partial

    from ..evaluation.bounds import compare_priors, evaluate_bound
    from ..terminal.progress import image_progress

    model, objective = run.parts()
    images, of, _, _ = part
    result: dict[str, Any] = {"images": len(images), "of": of, "seed": seed}
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
    return result | scores


def _sample_metrics(run: "Run", count: int | None, seed: int) -> dict[str, Any]:
    """The metrics of samples of a run."""
    from ..evaluation.samples import PROGRESS_STEPS, SAMPLES, evaluate_samples
    from ..terminal.output import print_stderr
    from ..terminal.progress import image_progress

    drawn = count or SAMPLES
    with image_progress("metrics of samples", PROGRESS_STEPS) as on_progress:
        result = evaluate_samples(run.model(), run.config, drawn, seed, on_progress)
    if drawn < SAMPLES:
        print_stderr(
            f"Warning: the Frechet distance grows with fewer samples: compare that of {drawn:,} "
            f"only with others of {drawn:,}."
        )
    return result


def _refuse_options_of_the_bound(
    split: str | None, samples: int | None, input: list[str] | None
) -> None:
    from ..system.errors import ConfigError

    if samples is not None:
        raise ConfigError(
            f"samples={samples} is for the bound: leave it out with metrics=samples; -n chooses "
            "the number of samples."
        )
    if input:
        raise ConfigError(
            "--input is for the bound: metrics=samples compares with the test images."
        )
    if split not in (None, "test"):
        raise ConfigError(
            f"split={split}: metrics=samples compares with the test images: leave it out."
        )


def _print_metrics(result: dict[str, Any], as_json: bool) -> None:
    """Print a table if a person reads it, else one line of JSON."""
    from ..terminal.output import print_json, print_result
    from ..terminal.sample_table import sample_table

    if as_json or sys.stdout is None or not sys.stdout.isatty():
        print_json(result)
    else:
        print_result(sample_table(result))

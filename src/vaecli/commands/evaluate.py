"""`vaecli evaluate`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..config import defaults
from ..terminal.options import AsJson, Checkpoint, Devices, Input, RunDir, Seed, SkipBad, Split

if TYPE_CHECKING:
    from ..data.images import Images
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
    devices: Devices = 1,
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
    from functools import partial

    from ..experiments.shared_input import share_input
    from ..system.agreement import from_first
    from ..system.processes import is_first
    from ..terminal.output import print_json

    if metrics is None:
        choose = partial(_choose, run_dir, checkpoint, split, input, skip_bad, count, seed)
        read_again = partial(_read_again, split, count, seed)
        run, images, of = share_input(choose, read_again)
        result = _name_choice(split, input) | _bound(run, images, of, samples, seed)
        if is_first():
            print_json(result)
        return
    refuse = partial(_refuse_options_of_the_bound, split, samples, input, skip_bad)
    result = from_first(partial(_sample_metrics, run_dir, checkpoint, count, seed, refuse))
    if is_first():
        _print_metrics(result, as_json)


def _name_choice(split: str | None, input: list[str] | None) -> dict[str, Any]:
    """What the result says of the images that were chosen."""
    if input:
        return {"input": input}
    return {"split": split or "test"}


def _choose(
    run_dir: Path | None,
    checkpoint: Literal["last", "best"] | None,
    split: str | None,
    input: list[str] | None,
    skip_bad: bool,
    count: int | None,
    seed: int,
) -> "tuple[Run, Images, int]":
    """The run, the images to evaluate, and of how many they are; the rest is printed."""
    from ..data.splits import choose_part, load_part
    from ..terminal.failures import with_flags
    from ..terminal.images import check_choice, read_images, warn_of_change
    from ..terminal.inputs import read_run, warn_without_fit
    from ..terminal.output import print_stderr

    check_choice(split, input, skip_bad)
    run = read_run(run_dir, checkpoint)
    warn_without_fit(run)
    if input:
        images, _, which = read_images(run, split, input, skip_bad)
        part = choose_part(images, which, count, seed)
    else:
        split = split or "test"
        part = load_part(run.config, split, count, seed)
        warn_of_change(run, split, part.whole)
    for text in part.warnings:
        print_stderr(f"Warning: {with_flags(text)}")
    return run, part.images, part.of


def _read_again(split: str | None, count: int | None, seed: int, run: "Run") -> "Images":
    """The images to evaluate, of the data set of the run."""
    from ..data.splits import load_part

    return load_part(run.config, split or "test", count, seed).images


def _bound(run: "Run", images: "Images", of: int, samples: int | None, seed: int) -> dict[str, Any]:
    """The bound of images."""
    from functools import partial

    from ..evaluation.bounds import compare_priors, evaluate_bound
    from ..system.agreement import same_on_all
    from ..system.processes import is_first
    from ..terminal.progress import image_progress

    result: dict[str, Any] = {"images": len(images), "of": of, "seed": seed}
    progress = image_progress("importance sampling", len(images), hidden=not is_first())
    with same_on_all(), progress as on_progress:
        model, objective = run.parts()
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


def _sample_metrics(
    run_dir: Path | None,
    checkpoint: Literal["last", "best"] | None,
    count: int | None,
    seed: int,
    refuse: Callable[[], None],
) -> dict[str, Any]:
    """The metrics of samples of a run, after `refuse`."""
    from ..evaluation.samples import PROGRESS_STEPS, SAMPLES, evaluate_samples
    from ..terminal.inputs import read_run, warn_without_fit
    from ..terminal.output import print_stderr
    from ..terminal.progress import image_progress

    refuse()
    run = read_run(run_dir, checkpoint)
    warn_without_fit(run)
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
    split: str | None, samples: int | None, input: list[str] | None, skip_bad: bool
) -> None:
    from ..system.errors import ConfigError
    from ..terminal.images import check_choice

    check_choice(split, input, skip_bad)
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

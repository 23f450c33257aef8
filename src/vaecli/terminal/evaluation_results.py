"""The JSON objects of `vaecli evaluate` and `vaecli classify`."""

from typing import Annotated, Literal, NotRequired

from typing_extensions import TypedDict

from .result_keys import ImageCount, key


class Distortion(TypedDict):
    """What was evaluated, and what no prior changes."""

    split: Annotated[NotRequired[str], key("Split that was read; not there with --input.")]
    input: Annotated[NotRequired[list[str]], key("Values of --input, in place of split.")]
    images: ImageCount
    of: Annotated[int, key("Number of images of the whole split.", "images")]
    seed: Annotated[
        int,
        key(
            "Seed of the latents, of pixels that --binarize dynamic draws, and of the choice of -n."
        ),
    ]
    protocol: Annotated[
        str, key("How pixels are scored; compare only numbers of the same protocol.")
    ]
    quantity: Annotated[
        Literal["p(x)", "p(x|y)"],
        key(
            "What the numbers are about; p(x|y) for a conditional model, which reads the true "
            "label. m2 sums over the labels and gives p(x)."
        ),
    ]
    distortion: Annotated[float, key("The term of reconstruction of the ELBO.", "nats")]


class Terms(TypedDict):
    """The numbers that can depend on the prior."""

    prior: Annotated[NotRequired[str], key("Spec of the prior, if one was fitted after training.")]
    rate: Annotated[
        NotRequired[float],
        key("The other term of the ELBO; for m2, that of label and latent.", "nats"),
    ]
    negative_elbo: Annotated[
        NotRequired[float],
        key(
            "Their sum, a bound on the negative logarithm of the quantity; a deterministic "
            "posterior has none.",
            "nats",
        ),
    ]
    nll: Annotated[
        NotRequired[float],
        key(
            "With --samples: estimate of the negative logarithm of the quantity by importance "
            "sampling, too high on average.",
            "nats",
        ),
    ]
    negative_bound: Annotated[
        NotRequired[float],
        key("In place of nll for grey pixels under a Bernoulli, which have a loss only.", "nats"),
    ]
    standard_error: Annotated[
        NotRequired[float | None],
        key(
            "Of nll or negative_bound: the standard deviation over the images, divided by the root "
            "of their number; null for one image.",
            "nats",
        ),
    ]


class Bound(Distortion, Terms):
    """The bound of a model, with one latent per image."""

    vq_loss: Annotated[
        NotRequired[float], key("Loss of the codebook, which is no part of the bound.", "nats")
    ]
    classification_error: Annotated[
        NotRequired[float],
        key("For m2: share of the images that its classifier gets wrong.", "fraction"),
    ]
    loss: Annotated[
        NotRequired[float],
        key("The old name of negative_elbo; it will be removed in 0.3.0.", "nats"),
    ]
    samples: Annotated[
        NotRequired[int],
        key("With --samples: number of latents per image, for m2 per image and label.", "latents"),
    ]
    trained_prior: Annotated[
        NotRequired[Terms],
        key("With a fitted prior: the numbers that differ with the prior of training."),
    ]


class Interval(TypedDict):
    """A figure with its 95 % interval."""

    value: Annotated[float, key("The figure.")]
    low: Annotated[float, key("Lower end of the interval.")]
    high: Annotated[float, key("Upper end of the interval.")]
    n: Annotated[int, key("Number of images that are counted.", "images")]


class Compared(Interval):
    """A figure of samples, and that of real images."""

    real: Annotated[Interval, key("That of real images.")]


class RarestDigit(Interval):
    """The share of the rarest digit."""

    digit: Annotated[int, key("The digit.")]


class ComparedDigit(RarestDigit):
    """The share of the rarest digit among samples, and that among real images."""

    real: Annotated[RarestDigit, key("That of real images.")]


class NearestImage(Compared):
    """Distances to the nearest training image."""

    reconstructions: Annotated[Interval, key("That of reconstructions of test images.")]


class SampleMetrics(TypedDict):
    """Metrics of samples, each beside that of real images."""

    metrics: Annotated[Literal["samples"], key("Value of --metrics.")]
    feature_space: Annotated[str, key("Compare only figures of the same features.")]
    samples: Annotated[int, key("Number of samples.", "images")]
    seed: Annotated[int, key("Seed of the latents, of random subsets and of resamples.")]
    clear: Annotated[
        Compared, key("Share of images with a class above a probability of 0.9.", "fraction")
    ]
    rarest: Annotated[
        ComparedDigit, key("Smallest share of a digit among the clear ones.", "fraction")
    ]
    right: Annotated[
        NotRequired[Compared],
        key("Conditional models: share both clear and of the class asked for.", "fraction"),
    ]
    class_distance: Annotated[Compared, key("Mean distance of two images of one class.")]
    frechet_distance: Annotated[Compared, key("Distance between normals fitted to features.")]
    precision: Annotated[Compared, key("Share of samples near test images.", "fraction")]
    recall: Annotated[Compared, key("Share of test images near samples.", "fraction")]
    density: Annotated[Compared, key("In how many neighbourhoods samples lie, over 5.")]
    coverage: Annotated[
        Compared, key("Share of neighbourhoods of test images that hold a sample.", "fraction")
    ]
    nearest_training_image: Annotated[
        NearestImage, key("Mean Euclidean distance to the nearest training image.", "pixels")
    ]


class Classification(TypedDict):
    """The errors of a classifier of latents."""

    labels: Annotated[int, key("Number of labelled training images.", "images")]
    seed: Annotated[int, key("Seed of their choice.")]
    test_images: Annotated[int, key("Number of test images.", "images")]
    test_error: Annotated[float, key("Share of the test images with a wrong class.", "fraction")]
    test_error_by_class: Annotated[
        NotRequired[dict[str, float]],
        key("The same of each class, if the classes have names.", "fraction"),
    ]

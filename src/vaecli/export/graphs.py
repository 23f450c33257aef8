"""The graphs of a model: encoder, decoder, scorer, sampler and classifier, with named ports."""

import abc
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ..model import VAE
from ..objectives import Objective
from ..objectives.semisupervised import M2
from ..parts.posteriors import Posterior, QuantizedPosterior
from ..parts.priors import FittedMixture
from ..parts.priors.prior import Unregistered
from .encodings import ENCODED, Output
from .exported import NotExportable, Port
from .noise import NoiseInput

BATCH = "batch"
Shape = tuple[int, int, int]


class Graph(nn.Module, abc.ABC):
    """A computation of a trained model, as a module from tensors to a tuple of tensors.

    Args:
        model: The trained model, in evaluation mode.
        shape: Shape of an image, (C, H, W).

    Attributes:
        name: Its name, which its file takes.
        inputs: In the order of the arguments of `forward`.
        outputs: In the order of the results.
        terms: Number of terms of which an output is a sum: the pixel values of an image in scores.
    """

    name: ClassVar[str]

    def __init__(self, model: VAE, shape: Shape) -> None:
        super().__init__()
        self.model = model
        self.shape = shape
        self.latent_dim = cast(Posterior, model.posterior).latent_dim
        self.terms = 1
        self.inputs: tuple[Port, ...] = ()
        self.outputs: tuple[Port, ...] = ()

    @abc.abstractmethod
    def compute(self, values: Mapping[str, Tensor], c: Tensor | None) -> tuple[Tensor, ...]:
        """The outputs, given the inputs by name and the one-hot labels of a conditional model."""

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        for value in values[1:]:  # else a trace takes every input for a batch of its own
            torch._check(value.shape[0] == values[0].shape[0])
        named = {port.name: value for port, value in zip(self.inputs, values, strict=True)}
        return self.compute(named, self.context(named.get("label")))

    def with_label(self, *ports: Port) -> tuple[Port, ...]:
        """The inputs, and the label of a conditional model as the last."""
        if not self.model.context:
            return ports
        last = self.model.context - 1
        meaning = f"The class of each image, a whole number from 0 to {last}."
        return (*ports, Port("label", "int64", (BATCH,), meaning))

    def context(self, label: Tensor | None) -> Tensor | None:
        """The one-hot labels, shape `(B, classes)`; None for an unconditional model."""
        return None if label is None else one_hot(label, self.model.context).float()

    def any_context(self) -> Tensor | None:
        """The context of one image of the first class."""
        return self.context(torch.zeros(1, dtype=torch.long) if self.model.context else None)

    @property
    def image(self) -> Port:
        """The input of images."""
        meaning = "Pixels from 0 (black) to 1 (white), prepared as the metadata say."
        return Port("image", "float32", (BATCH, *self.shape), meaning)

    def latent(self, meaning: str) -> Port:
        """A port of latents."""
        return Port("latent", "float32", (BATCH, self.latent_dim), meaning)

    def noise(self, columns: int) -> Port:
        """The input of random numbers."""
        meaning = "Standard normal random numbers, independent of each other."
        return Port("noise", "float32", (BATCH, columns), meaning)


def only(model: VAE, *kept: str) -> VAE:
    """A model with the parts of these names: a program holds all weights, read or not."""
    parts: dict[str, Any] = dict.fromkeys(("posterior", "prior", "likelihood"), nn.Identity())
    for name in kept:
        parts[name] = getattr(model, name)
    return VAE(**parts, context=model.context).eval()


class EncoderGraph(Graph):
    """From images to the parameters of their posteriors."""

    name = "encoder"

    def __init__(self, model: VAE, shape: Shape) -> None:
        super().__init__(model, shape)
        self.model = only(model, "posterior")
        kinds = [kind for kind in ENCODED if isinstance(model.posterior, kind)]
        self.encoded = ENCODED[kinds[0]]
        self.inputs = self.with_label(self.image)
        self.outputs = tuple(self._port(output) for output in self.encoded)

    def compute(self, values: Mapping[str, Tensor], c: Tensor | None) -> tuple[Tensor, ...]:
        q = self.model.encode(values["image"], c)
        return tuple(output.read(q) for output in self.encoded)

    def _port(self, output: Output) -> Port:
        if output.name == "concentration":
            return Port(output.name, "float32", (BATCH,), output.meaning)
        if output.name != "codes":
            return Port(output.name, "float32", (BATCH, self.latent_dim), output.meaning)
        quantizer = cast(QuantizedPosterior, self.model.posterior).quantizer
        shape = (BATCH, quantizer.positions, len(quantizer.codebooks))
        return Port(output.name, "int64", shape, output.meaning)


class DecoderGraph(Graph):
    """From latents to pixel means."""

    name = "decoder"

    def __init__(self, model: VAE, shape: Shape) -> None:
        super().__init__(model, shape)
        self.model = only(model, "likelihood")
        latent = self.latent("A latent: an output of the sampler, or of the encoder.")
        self.inputs = self.with_label(latent)
        meaning = "Means of the pixels, from 0 (black) to 1 (white), as vaecli sample shows them."
        self.outputs = (Port("pixels", "float32", (BATCH, *shape), meaning),)

    def compute(self, values: Mapping[str, Tensor], c: Tensor | None) -> tuple[Tensor, ...]:
        return (self.model.decode(values["latent"], c),)


class ScorerGraph(Graph):
    """From images and noise to the negative ELBO of each image.

    The objective of the training plays no part, as in `vaecli evaluate`: some of its terms exist
    only for a batch.

    Raises:
        NotExportable: The bound sums over the labels.
    """

    name = "scorer"

    def __init__(self, model: VAE, objective: Objective, shape: Shape) -> None:
        super().__init__(model, shape)
        if objective.infers_label:
            raise NotExportable(
                "The label is a latent of this model, and its bound is a sum over all labels, "
                "which vaecli evaluate computes."
            )
        self.terms = math.prod(shape)
        if isinstance(model.prior, FittedMixture):
            model.prior.keep_inverse()
        with torch.no_grad(), NoiseInput(None, batch_dim=1) as source:
            model.draw(torch.zeros(1, *shape), self.any_context())
        noise = (self.noise(source.used),) if source.used else ()
        self.inputs = self.with_label(self.image, *noise)
        meanings = {"distortion": "Reconstruction error, in nats."}
        if model.posterior.has_density:
            meanings = {
                "negative_elbo": "Distortion plus rate, in nats, as in vaecli evaluate.",
                **meanings,
                "rate": "KL divergence of the posterior from the prior, in nats.",
            }
        self.outputs = tuple(
            Port(name, "float32", (BATCH,), meaning) for name, meaning in meanings.items()
        )

    def compute(self, values: Mapping[str, Tensor], c: Tensor | None) -> tuple[Tensor, ...]:
        with NoiseInput(values.get("noise"), batch_dim=1):
            draw = self.model.draw(values["image"], c)
            if not self.model.posterior.has_density:
                return (draw.distortion,)
            return draw.distortion + draw.rate, draw.distortion, draw.rate


class SamplerGraph(Graph):
    """From noise to latents of the prior."""

    name = "sampler"

    def __init__(self, model: VAE, shape: Shape) -> None:
        super().__init__(model, shape)
        reads_posterior = any(isinstance(v, Unregistered) for v in vars(model.prior).values())
        self.model = only(model, "prior", *["posterior"] * reads_posterior)
        with torch.no_grad(), NoiseInput(None, batch_dim=0) as source:
            model.sample_latent(1, self.any_context())
        self.inputs = self.with_label(self.noise(source.used))
        self.outputs = (self.latent("A latent of the prior, for the decoder."),)

    def compute(self, values: Mapping[str, Tensor], c: Tensor | None) -> tuple[Tensor, ...]:
        noise = values["noise"]
        with NoiseInput(noise, batch_dim=0):
            return (self.model.sample_latent(noise.shape[0], c),)


class ClassifierGraph(Graph):
    """From images to the probabilities of their labels, of a model that infers them."""

    name = "classifier"

    def __init__(self, model: VAE, objective: M2, shape: Shape) -> None:
        super().__init__(model, shape)
        self.model = only(model)
        self.classifier = objective.classifier
        self.inputs = (self.image,)
        meaning = "Probability of each class."
        self.outputs = (Port("probabilities", "float32", (BATCH, objective.classes), meaning),)

    def compute(self, values: Mapping[str, Tensor], c: Tensor | None) -> tuple[Tensor, ...]:
        logits, _ = self.classifier(values["image"])
        return (logits.softmax(-1),)


def makers(model: VAE, objective: Objective, shape: Shape) -> dict[str, Callable[[], Graph]]:
    """Functions that make the graphs of a model, by name.

    Args:
        model: The trained model, in evaluation mode, on the CPU.
        objective: The objective that it was trained with.
        shape: Shape of an image, (C, H, W).
    """
    made: dict[str, Callable[[], Graph]] = {
        EncoderGraph.name: lambda: EncoderGraph(model, shape),
        DecoderGraph.name: lambda: DecoderGraph(model, shape),
        ScorerGraph.name: lambda: ScorerGraph(model, objective, shape),
        SamplerGraph.name: lambda: SamplerGraph(model, shape),
    }
    if isinstance(objective, M2):
        made[ClassifierGraph.name] = lambda: ClassifierGraph(model, objective, shape)
    return made

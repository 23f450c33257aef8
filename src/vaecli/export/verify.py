"""The comparison of an exported file with the model."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..evaluation.decoding import sample_prior
from ..model import VAE
from .graphs import Graph
from .programs import example_inputs

BATCHES = (1, 3, 64)  # images

Array = NDArray[Any]
RunFile = Callable[[Mapping[str, Array]], Sequence[Array]]


class Check:
    """Compares exported files with a model, on random inputs and on images that it makes.

    Random pixels alone would not do: they are unlike any image, and their scores hide the errors of
    rounding that those of images have.

    Args:
        model: The trained model, with all its parts.

    Raises:
        NotFiniteError: The model overflows.
    """

    def __init__(self, model: VAE) -> None:
        self.labels = torch.arange(BATCHES[-1]) % max(model.context, 1)
        self.images = sample_prior(model, self.labels, seed=0)

    def max_difference(self, graph: Graph, run_file: RunFile) -> float:
        """The largest difference of the outputs of a file from those of the model.

        It is absolute, and for values above 1 relative; of scores also relative to the number of
        pixel values. Their terms may cancel, and rounding then errs by more than a part of the sum.

        Args:
            graph: Computes the outputs with the model itself.
            run_file: Computes them with the file, given the inputs by name.
        """
        differences = []
        for inputs in self._inputs(graph):
            with torch.no_grad():
                expected = graph(*inputs.values())
            found = run_file({name: value.numpy() for name, value in inputs.items()})
            for a, b in zip(expected, found, strict=True):
                differences.append(difference(a.numpy(), b, graph.terms))
        return max(differences)

    def _inputs(self, graph: Graph) -> Iterator[dict[str, Tensor]]:
        generator = torch.Generator().manual_seed(0)
        for batch in BATCHES:
            yield example_inputs(graph, batch, generator)
        inputs = example_inputs(graph, len(self.images), generator)
        own = {"image": self.images, "label": self.labels}
        yield {name: own.get(name, value) for name, value in inputs.items()}


def difference(expected: Array, found: Array, terms: int = 1) -> float:
    """The largest difference of two arrays; infinite if shapes or types differ, or for a NaN.

    Args:
        expected: Values above `terms` are compared relative to themselves.
        found: The same from elsewhere.
        terms: Number of terms of which each value is a sum; differences are divided by it.
    """
    if expected.shape != found.shape or expected.dtype != found.dtype:
        return float("inf")
    a = expected.astype(np.float64)
    b = found.astype(np.float64)
    relative = np.abs(a - b) / np.maximum(terms, np.abs(a))
    return float(np.nan_to_num(relative, nan=np.inf).max(initial=0))

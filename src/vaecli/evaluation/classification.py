"""Classes from latents: logistic regression on a few labels."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

PRECISION = 3.0  # of the normal prior of every weight, the L2: best on held-out images of MNIST


ITERATIONS = 500  # of L-BFGS at most


def fit(features: Tensor, labels: Tensor, classes: int) -> nn.Linear:
    """Multinomial logistic regression with L2: the layer from features to logits.

    References:
        Semi-Supervised Learning with Deep Generative Models (Kingma et al., 2014),
            https://arxiv.org/abs/1406.5298, whose M1 is a classifier of a model's latents

    Args:
        features: Shape `(N, D)`.
        labels: Classes from 0, shape `(N,)`.
        classes: How many there are.
    """
    layer = nn.Linear(features.shape[1], classes, dtype=torch.float64)
    nn.init.zeros_(layer.weight)  # the problem is convex: any start will do
    nn.init.zeros_(layer.bias)
    x, y = features.double(), labels.long()
    lbfgs = torch.optim.LBFGS(
        layer.parameters(),
        max_iter=ITERATIONS,
        tolerance_grad=1e-7,
        tolerance_change=1e-15,  # of the cost: flat is not yet the minimum
        line_search_fn="strong_wolfe",
    )

    def cost() -> Tensor:
        lbfgs.zero_grad()
        penalty = PRECISION / 2 * layer.weight.square().sum()
        total: Tensor = cross_entropy(layer(x), y, reduction="sum") + penalty
        total.backward()
        return total

    lbfgs.step(cost)
    return layer


@torch.no_grad()
def error(layer: nn.Linear, features: Tensor, labels: Tensor) -> float:
    """The fraction of features that the layer puts in a wrong class."""
    guesses = cast(Tensor, layer(features.double())).argmax(-1)
    return (guesses != labels).double().mean().item()

"""Objectives: a model and a batch to a loss and what to log of it."""

import abc
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from .model import VAE


@final
@dataclass(frozen=True)
class Terms:
    """What one batch came to, in nats per image.

    Attributes:
        loss: What is minimised, shape `()`.
        logged: The columns of the loss log, without gradient, each of shape `()`.
            Every objective begins with loss, distortion and rate.
    """

    loss: Tensor
    logged: dict[str, Tensor]


class Objective(nn.Module, abc.ABC):
    """What training minimises. A module, since an objective may have parameters of its own."""

    @abc.abstractmethod
    def forward(self, model: VAE, x: Tensor, c: Tensor | None = None) -> Terms:
        """Score the images x, shape `(B, C, H, W)`."""


@final
class ELBO(Objective):
    """Distortion plus rate, whose negative is the evidence lower bound.

    References:
        Auto-Encoding Variational Bayes (Kingma & Welling, 2014), https://arxiv.org/abs/1312.6114
    """

    def forward(self, model: VAE, x: Tensor, c: Tensor | None = None) -> Terms:
        draw = model.draw(x, c)
        return _terms(draw.distortion + draw.rate, distortion=draw.distortion, rate=draw.rate)


def _terms(loss: Tensor, **parts: Tensor) -> Terms:
    """Average over the batch; every argument has shape `(B,)`."""
    mean = loss.mean()
    with torch.no_grad():
        logged = {name: part.mean() for name, part in parts.items()}
    return Terms(mean, {"loss": mean.detach(), **logged})


OBJECTIVES = {"elbo": ELBO}

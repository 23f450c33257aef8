"""Invertible maps of latents, and a distribution warped by one.

A flow maps z to y, both of shape `(*batch, D)`, given features h, shape `(*batch, H)`, and knows
the logarithm of the absolute determinant of its derivative, shape `batch`, in both directions.
"""

import abc
from collections.abc import Iterable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution

from ..system.errors import ConfigError
from .distributions import Unchecked, bounded_normal
from .latents import LatentNet, beside

BISECTIONS = 40  # halve an interval to below what float32 resolves
GATE = 7.0  # the logit of a gate lies between -7 and 7, so that an inverse stays finite


class Flow(nn.Module, abc.ABC):
    """An invertible map."""

    @abc.abstractmethod
    def forward(self, z: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """`y` and `log |det dy/dz|`."""

    @abc.abstractmethod
    def inverse(self, y: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """`z` and `log |det dy/dz|`, as forward has it."""


class Warped(Unchecked):
    """A distribution seen through a flow: that of `flow(z)`, where z is drawn from the base.

    Args:
        base: A distribution over z, event shape `(D,)`.
        flow: Maps `(z, h)`.
        h: What the flow is given, shape `(*batch, H)`.
    """

    def __init__(self, base: Distribution, flow: Flow, h: Tensor | None = None) -> None:
        super().__init__(base.batch_shape, base.event_shape)
        self.base, self.flow, self.h = base, flow, h
        self._drawn: tuple[Tensor, Tensor, Tensor] | None = None

    @property
    def mean(self) -> Tensor:
        """The mean of the base, carried through the flow: a typical value, not the expectation."""
        mean: Tensor = self.flow(self.base.mean, self.h)[0]
        return mean

    @property
    def variance(self) -> Tensor:
        """About the variance: to first order, and exact for a flow that is affine.

        Every dimension of the base goes one standard deviation up and down from its mean; the
        squares of half of what that moves are added.
        """
        steps = self.base.stddev.unsqueeze(-2) * torch.eye(*2 * self.event_shape).to(self.base.mean)
        steps = steps.movedim(-2, 0)
        up, _ = self.flow(self.base.mean + steps, self.h)
        down, _ = self.flow(self.base.mean - steps, self.h)
        variance: Tensor = ((up - down) / 2).square().sum(0)
        return variance

    def expand(self, batch_shape: Any, _instance: None = None) -> "Warped":
        h = self.h if self.h is None else self.h.expand(*batch_shape, -1)
        return Warped(self.base.expand(batch_shape), self.flow, h)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        z = self.base.rsample(sample_shape)
        y: Tensor
        y, log_det = self.flow(z, self.h)
        self._drawn = y, z, log_det
        return y

    def log_prob(self, y: Tensor) -> Tensor:
        """The log-density; for the last sample without an inversion."""
        if self._drawn and self._drawn[0] is y:
            _, z, log_det = self._drawn
        else:
            z, log_det = self.flow.inverse(y, self.h)
        return self.base.log_prob(z) - log_det


class Steps(Flow):
    """Flows one after another."""

    def __init__(self, flows: Iterable[Flow]) -> None:
        super().__init__()
        self.flows = nn.ModuleList(flows)

    def forward(self, z: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        total = z.new_zeros(())
        for flow in self.flows:
            z, log_det = flow(z, h)
            total = total + log_det
        return z, total

    def inverse(self, y: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        total = y.new_zeros(())
        for flow in reversed(self.flows):
            y, log_det = cast(Flow, flow).inverse(y, h)
            total = total + log_det
        return y, total


class Coupling(Flow):
    """Scales and shifts every other dimension, by what the dimensions between them say.

    Args:
        dim: Dimensions D, at least 2.
        features: Length of h.
        width: Hidden units.
        parity: Which dimensions are moved: the even (0) or the odd (1).

    References:
        Density estimation using Real NVP (Dinh et al., 2017), https://arxiv.org/abs/1605.08803
    """

    moved: Tensor

    def __init__(self, dim: int, features: int, width: int, parity: int) -> None:
        super().__init__()
        if dim < 2:
            raise ConfigError("A coupling needs two halves of a latent: use --latent-dim 2.")
        self.net = LatentNet(dim, features, width, 2 * dim, start=0.1)  # about the identity
        moved = (torch.arange(dim) % 2 == parity).float()
        self.register_buffer("moved", moved, persistent=False)

    def forward(self, z: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        log_scale, shift = self._affine(z, h)
        return z * log_scale.exp() + shift, log_scale.sum(-1)

    def inverse(self, y: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        log_scale, shift = self._affine(y, h)  # the dimensions it reads are the same in y and z
        return (y - shift) * (-log_scale).exp(), log_scale.sum(-1)

    def _affine(self, z: Tensor, h: Tensor | None) -> tuple[Tensor, Tensor]:
        log_scale, shift = self.net(z * (1 - self.moved), h).chunk(2, dim=-1)
        return log_scale.tanh() * self.moved, shift * self.moved


class Planar(Flow):
    """`y = z + u tanh(w . z + b)`, with u, w and b from h; u is bent so that it is invertible.

    Args:
        dim: Dimensions D.
        features: Length of h, at least 1.

    References:
        Variational Inference with Normalizing Flows (Rezende & Mohamed, 2015), appendix A.1,
            https://arxiv.org/abs/1505.05770
    """

    def __init__(self, dim: int, features: int) -> None:
        super().__init__()
        self.dim = dim
        self.head = nn.Linear(features, 2 * dim + 1)

    def forward(self, z: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        u, w, b, slope = self._plane(h)
        place = (z * w).sum(-1, keepdim=True) + b
        return z + u * place.tanh(), _log_det(place, slope)

    def inverse(self, y: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Solves `place + slope * tanh(place) = w . y + b`, which rises with place, by bisection.

        A last step of Newton's method gives the solution its gradient.
        """
        u, w, b, slope = self._plane(h)
        goal = (y * w).sum(-1, keepdim=True) + b
        with torch.no_grad():
            low, high = goal - slope.abs(), goal + slope.abs()
            for _ in range(BISECTIONS):
                middle = (low + high) / 2
                below = middle + slope * middle.tanh() < goal
                low, high = torch.where(below, middle, low), torch.where(below, high, middle)
            place = (low + high) / 2
            rise = _log_det(place, slope).exp().unsqueeze(-1)
        place = place - (place + slope * place.tanh() - goal) / rise
        return y - u * place.tanh(), _log_det(place, slope)

    def _plane(self, h: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """`u, w, b` and the slope `w . u`, which is above -1."""
        u, w, b = self.head(h).split([self.dim, self.dim, 1], dim=-1)
        product = (w * u).sum(-1, keepdim=True)
        slope = F.softplus(product) - 1 + 1e-4  # a margin, since softplus rounds to 0
        square = w.square().sum(-1, keepdim=True).clamp(min=1e-12)
        return u + (slope - product) * w / square, w, b, slope


def _log_det(place: Tensor, slope: Tensor) -> Tensor:
    """`log(1 + slope * tanh'(place))` of the planar flow."""
    square = place.tanh().square()
    return (square + (1 + slope) * (1 - square)).log().squeeze(-1)


class Autoregressive(Flow):
    """Averages every dimension with what the dimensions before it and h say of it.

    `y_d = gate_d z_d + (1 - gate_d) m_d`, the gate between 0 and 1; then the order is reversed.
    The masks of its one hidden layer let `gate_d` and `m_d` depend on `z_1 ... z_(d-1)` only.

    Args:
        dim: Dimensions D.
        features: Length of h.
        width: Hidden units.

    References:
        Improved Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016),
            https://arxiv.org/abs/1606.04934
        MADE: Masked Autoencoder for Distribution Estimation (Germain et al., 2015),
            https://arxiv.org/abs/1502.03509
    """

    read: Tensor
    written: Tensor

    def __init__(self, dim: int, features: int, width: int) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(dim + features, width), nn.Linear(width, 2 * dim)
        nn.init.constant_(self.out.bias[:dim], 1.0)  # gates begin open, as the paper advises
        order = torch.arange(1, dim + 1)
        degree = torch.arange(width) * dim // width  # a unit sees so many dimensions, and h
        sees_z = order <= degree.unsqueeze(1)
        read = torch.cat([sees_z, torch.ones(width, features, dtype=torch.bool)], dim=1)
        written = (degree < order.unsqueeze(1)).repeat(2, 1)
        self.register_buffer("read", read.float(), persistent=False)
        self.register_buffer("written", written.float(), persistent=False)

    def forward(self, z: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        gate, m = self._predict(z, h)
        y = gate.sigmoid() * z + (-gate).sigmoid() * m
        return y.flip(-1), F.logsigmoid(gate).sum(-1)

    def inverse(self, y: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """One dimension after the other: takes D passes."""
        y = beside(y.flip(-1), h)[..., : y.shape[-1]]  # of the batch shape of both
        z = y[..., :0]
        for d in range(y.shape[-1]):
            gate, m = self._predict(torch.cat([z, torch.zeros_like(y[..., d:])], dim=-1), h)
            solved = (y - (-gate).sigmoid() * m) * (-F.logsigmoid(gate)).exp()
            z = torch.cat([z, solved[..., d : d + 1]], dim=-1)
        return z, F.logsigmoid(self._predict(z, h)[0]).sum(-1)

    def _predict(self, z: Tensor, h: Tensor | None) -> tuple[Tensor, Tensor]:
        """Logits of the gates, and m."""
        hidden = F.linear(beside(z, h), self.hidden.weight * self.read, self.hidden.bias).relu()
        gate, m = F.linear(hidden, self.out.weight * self.written, self.out.bias).chunk(2, dim=-1)
        return GATE * (gate / GATE).tanh(), m


def warp(flow: Flow, mean: Tensor, log_var: Tensor, h: Tensor) -> Warped:
    """The normal with this mean and log-variance, through a flow that is given h."""
    return Warped(bounded_normal(mean, log_var), flow, h)


def real_nvp(dim: int, features: int, depth: int, width: int) -> Steps:
    """`depth` couplings that move the even and the odd dimensions in turn."""
    return Steps(Coupling(dim, features, width, parity=step % 2) for step in range(depth))

"""Normalizing flows: invertible maps of latents, and distributions transformed by them.

A flow maps z to y, both of shape `(*batch, D)`, given features h, shape `(*batch, H)`. In both
directions it computes the logarithm of the absolute Jacobian determinant, shape `batch`.
"""

import abc
from collections.abc import Iterable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution

from ..system.errors import ConfigError
from .distributions import SampleCache, UnvalidatedDistribution
from .latent_networks import LatentMLP, MaskedLinear, concat_features

BISECTIONS = 40  # halvings of an interval, to less than float32 resolves
MAX_GATE_LOGIT = 7.0  # gate logits are limited to [-7, 7], so that the inverse stays finite


class Flow(nn.Module, abc.ABC):
    """An invertible map of latents."""

    @abc.abstractmethod
    def forward(self, z: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """`y` and `log |det dy/dz|`."""

    @abc.abstractmethod
    def inverse(self, y: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """`z` and `log |det dy/dz|`, the determinant of `forward`."""


class FlowDistribution(UnvalidatedDistribution):
    """The distribution of `flow(z)`, where z is drawn from a base distribution.

    Args:
        base: Distribution of z, event shape `(D,)`.
        flow: Maps `(z, h)` to y.
        h: Features that the flow reads, shape `(*batch, H)`; None for none.
    """

    def __init__(self, base: Distribution, flow: Flow, h: Tensor | None = None) -> None:
        super().__init__(base.batch_shape, base.event_shape)
        self.base = base
        self.flow = flow
        self.h = h
        self._samples: SampleCache[tuple[Tensor, Tensor]] = SampleCache()

    @property
    def mean(self) -> Tensor:
        """The base's mean, mapped by the flow: a typical value, not the expectation."""
        mean: Tensor = self.flow(self.base.mean, self.h)[0]
        return mean

    @property
    def variance(self) -> Tensor:
        """The variance to first order, which is exact for an affine flow.

        For each dimension of the base, y is computed one standard deviation above and below the
        mean. Half of the difference is squared and summed over the dimensions of the base.
        """
        steps = self.base.stddev.unsqueeze(-2) * torch.eye(*2 * self.event_shape).to(self.base.mean)
        steps = steps.movedim(-2, 0)
        up, _ = self.flow(self.base.mean + steps, self.h)
        down, _ = self.flow(self.base.mean - steps, self.h)
        variance: Tensor = ((up - down) / 2).square().sum(0)
        return variance

    def expand(self, batch_shape: Any, _instance: None = None) -> "FlowDistribution":
        h = None if self.h is None else self.h.expand(*batch_shape, -1)
        return FlowDistribution(self.base.expand(batch_shape), self.flow, h)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        z = self.base.rsample(sample_shape)
        y: Tensor
        y, log_det = self.flow(z, self.h)
        self._samples.store(y, (z, log_det))
        return y

    def log_prob(self, y: Tensor) -> Tensor:
        """The log-density; for the last sample it needs no inversion."""
        origin = self._samples.find(y)
        if origin is None:
            origin = self.flow.inverse(y, self.h)
        z, log_det = origin
        return self.base.log_prob(z) - log_det


class ComposedFlow(Flow):
    """Flows applied one after another."""

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


class CouplingFlow(Flow):
    """Affine coupling: scales and shifts half of the dimensions given the other half.

    Args:
        dim: Dimensions D, at least 2.
        features: Length of h; 0 for none.
        width: Hidden units.
        parity: Which dimensions it transforms: the even (0) or the odd (1).

    References:
        Density estimation using Real NVP (Dinh et al., 2017), https://arxiv.org/abs/1605.08803
    """

    mask: Tensor

    def __init__(self, dim: int, features: int, width: int, parity: int) -> None:
        super().__init__()
        if dim < 2:
            raise ConfigError(f"Coupling flows need latent_dim=2 or more, not {dim}.")
        # small initial outputs: the initial flow is close to the identity
        self.net = LatentMLP(dim, features, width, 2 * dim, output_scale=0.1)
        mask = (torch.arange(dim) % 2 == parity).float()  # 1 where a dimension is transformed
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, z: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        log_scale, shift = self._scale_and_shift(z, h)
        return z * log_scale.exp() + shift, log_scale.sum(-1)

    def inverse(self, y: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        log_scale, shift = self._scale_and_shift(y, h)  # reads only dimensions in which y equals z
        return (y - shift) * (-log_scale).exp(), log_scale.sum(-1)

    def _scale_and_shift(self, z: Tensor, h: Tensor | None) -> tuple[Tensor, Tensor]:
        """Logarithm of the scale, and shift; both 0 in the dimensions that do not change."""
        log_scale, shift = self.net(z * (1 - self.mask), h).chunk(2, dim=-1)
        return log_scale.tanh() * self.mask, shift * self.mask


class PlanarFlow(Flow):
    """`y = z + u tanh(w . z + b)`, with u, w and b from h; a constraint on u makes it invertible.

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
        u, w, b, w_dot_u = self._coefficients(h)
        pre_activation = (z * w).sum(-1, keepdim=True) + b
        return z + u * pre_activation.tanh(), _planar_log_det(pre_activation, w_dot_u)

    def inverse(self, y: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Solves `a + (w . u) tanh(a) = w . y + b` for the pre-activation a, by bisection.

        The left side increases with a. A final step of Newton's method makes the solution
        differentiable.
        """
        u, w, b, w_dot_u = self._coefficients(h)
        target = (y * w).sum(-1, keepdim=True) + b
        with torch.no_grad():
            low = target - w_dot_u.abs()
            high = target + w_dot_u.abs()
            for _ in range(BISECTIONS):
                middle = (low + high) / 2
                below = middle + w_dot_u * middle.tanh() < target
                low = torch.where(below, middle, low)
                high = torch.where(below, high, middle)
            solution = (low + high) / 2
            derivative = _planar_log_det(solution, w_dot_u).exp().unsqueeze(-1)
        error = solution + w_dot_u * solution.tanh() - target
        pre_activation = solution - error / derivative
        return y - u * pre_activation.tanh(), _planar_log_det(pre_activation, w_dot_u)

    def _coefficients(self, h: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """`u, w, b` and `w . u`, which is above -1."""
        parameters = self.head(h).to(self.head.weight.dtype)  # bf16 is too coarse for a density
        u, w, b = parameters.split([self.dim, self.dim, 1], dim=-1)
        product = (w * u).sum(-1, keepdim=True)
        w_dot_u = F.softplus(product) - 1 + 1e-4  # a margin, since softplus rounds to 0
        squared_norm = w.square().sum(-1, keepdim=True).clamp(min=1e-12)
        return u + (w_dot_u - product) * w / squared_norm, w, b, w_dot_u


def _planar_log_det(pre_activation: Tensor, w_dot_u: Tensor) -> Tensor:
    """`log(1 + (w . u) tanh'(a))` at the pre-activation a, without its last dimension."""
    square = pre_activation.tanh().square()
    return (square + (1 + w_dot_u) * (1 - square)).log().squeeze(-1)


class AutoregressiveFlow(Flow):
    """Inverse autoregressive step with gates and MADE masks.

    `y_d = gate_d z_d + (1 - gate_d) m_d`, with gates between 0 and 1; then the order of the
    dimensions is reversed. Masks in the one hidden layer make `gate_d` and `m_d` depend on h and
    `z_1 ... z_(d-1)` only.

    Args:
        dim: Dimensions D.
        features: Length of h; 0 for none.
        width: Hidden units.

    References:
        Improved Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016),
            https://arxiv.org/abs/1606.04934
        MADE: Masked Autoencoder for Distribution Estimation (Germain et al., 2015),
            https://arxiv.org/abs/1502.03509
    """

    def __init__(self, dim: int, features: int, width: int) -> None:
        super().__init__()
        order = torch.arange(1, dim + 1)
        # MADE degree: a hidden unit reads the first `degree` dimensions
        degree = torch.arange(width) * dim // width
        reads_z = order <= degree.unsqueeze(1)
        reads_h = torch.ones(width, features, dtype=torch.bool)
        self.hidden = MaskedLinear(torch.cat([reads_z, reads_h], dim=1))
        self.out = MaskedLinear((degree < order.unsqueeze(1)).repeat(2, 1))
        nn.init.constant_(self.out.bias[:dim], 1.0)  # the paper advises to start with open gates

    def forward(self, z: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        gate_logit, m = self._gate_logit_and_mean(z, h)
        y = gate_logit.sigmoid() * z + (-gate_logit).sigmoid() * m
        return y.flip(-1), F.logsigmoid(gate_logit).sum(-1)

    def inverse(self, y: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Solves one dimension after another, in D passes of the network."""
        y = concat_features(y.flip(-1), h)[..., : y.shape[-1]]  # broadcast to the batch shape of h
        z = y[..., :0]
        for d in range(y.shape[-1]):
            unknown = torch.zeros_like(y[..., d:])
            gate_logit, m = self._gate_logit_and_mean(torch.cat([z, unknown], dim=-1), h)
            solved = (y - (-gate_logit).sigmoid() * m) * (-F.logsigmoid(gate_logit)).exp()
            z = torch.cat([z, solved[..., d : d + 1]], dim=-1)
        gate_logit, _ = self._gate_logit_and_mean(z, h)
        return z, F.logsigmoid(gate_logit).sum(-1)

    def _gate_logit_and_mean(self, z: Tensor, h: Tensor | None) -> tuple[Tensor, Tensor]:
        """Logits of the gates, between -7 and 7, and m; each of shape `(*batch, D)`."""
        output = self.out(self.hidden(concat_features(z, h)).relu())
        raw_logit, m = output.to(z.dtype).chunk(2, dim=-1)
        return MAX_GATE_LOGIT * (raw_logit / MAX_GATE_LOGIT).tanh(), m


def real_nvp(dim: int, features: int, depth: int, width: int) -> ComposedFlow:
    """`depth` couplings that alternately transform the even and the odd dimensions."""
    return ComposedFlow(
        CouplingFlow(dim, features, width, parity=step % 2) for step in range(depth)
    )

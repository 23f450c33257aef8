"""Mixtures of normals with full covariances."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from .distributions import UnvalidatedDistribution

CHUNK = 2**22  # numbers in the largest temporary tensor


def inverse_of(scale_tril: Tensor) -> Tensor:
    """The inverses of lower triangular matrices, shape `(K, D, D)`."""
    identity = torch.eye(scale_tril.shape[-1], dtype=scale_tril.dtype, device=scale_tril.device)
    inverse: Tensor = torch.linalg.solve_triangular(scale_tril, identity, upper=False)
    return inverse


class NormalMixture(UnvalidatedDistribution):
    """A mixture of K normals with full covariances.

    torch's `MixtureSameFamily` solves K triangular systems for every latent. Here a density is one
    matrix product, of a limited number of latents at a time.

    Args:
        logits: Logarithms of the weights, shape `(K,)`, or `(B, K)` with weights for every image;
            -inf for a component that an image cannot have.
        loc: Means, shape `(K, D)`.
        scale_tril: Cholesky factors of the covariances, shape `(K, D, D)`.
        batch_shape: That of the distribution: any if the weights are the same for all images, else
            one that ends with B.
        inverse: Inverses of the factors, shape `(K, D, D)`; None to compute them for a density.
    """

    def __init__(
        self,
        logits: Tensor,
        loc: Tensor,
        scale_tril: Tensor,
        batch_shape: Any = None,
        inverse: Tensor | None = None,
    ) -> None:
        shape = logits.shape[:-1] if batch_shape is None else batch_shape
        super().__init__(shape, loc.shape[-1:])
        self.logits = logits.log_softmax(-1)
        self.loc = loc
        self.scale_tril = scale_tril
        self.inverse = inverse

    def expand(self, batch_shape: Any, _instance: None = None) -> "NormalMixture":
        return NormalMixture(self.logits, self.loc, self.scale_tril, batch_shape, self.inverse)

    @torch.no_grad()
    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape = torch.Size((*sample_shape, *self.batch_shape))
        weights = self.logits.exp().reshape(-1, len(self.loc))
        draws = math.prod(shape) // max(weights.shape[0], 1)
        # row i of the result has the weights of row i modulo B, as in `log_prob`
        chosen = torch.multinomial(weights, max(draws, 1), replacement=True).T[:draws].flatten()
        noise = self.loc.new_empty(chosen.shape[0], *self.event_shape).normal_()
        z = [
            self.loc[k] + (self.scale_tril[k] @ part.unsqueeze(-1)).squeeze(-1)
            for k, part in self._chunks(self.scale_tril[0].numel(), chosen, noise)
        ]
        return torch.cat(z).reshape(*shape, *self.event_shape)

    def log_prob(self, z: Tensor) -> Tensor:
        shape = torch.broadcast_shapes(z.shape[:-1], self.batch_shape)
        components, dim = self.loc.shape
        inverse = inverse_of(self.scale_tril) if self.inverse is None else self.inverse
        whitened_loc = inverse @ self.loc.unsqueeze(-1)
        log_scale = self.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        log_weights = (self.logits - log_scale - dim / 2 * math.log(2 * math.pi)).reshape(
            -1, components
        )
        stacked = inverse.reshape(components * dim, dim).T
        latents = z.expand(*shape, dim).reshape(-1, dim)
        images = log_weights.shape[0]
        rows = torch.arange(images, device=z.device).repeat(latents.shape[0] // max(images, 1))
        log_probs = []
        for part, row in self._chunks(components * dim, latents, rows):
            whitened = torch.addmm(-whitened_loc.flatten(), part, stacked)
            squared = whitened.unflatten(-1, (components, dim)).square().sum(-1)
            weights = log_weights if images == 1 else log_weights[row]
            log_probs.append((weights - squared / 2).logsumexp(-1))
        return torch.cat(log_probs).reshape(shape)

    @staticmethod
    def _chunks(size: int, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """Rows of tensors of equal length, as many at a time as there is memory for `size` each.

        An exported program takes all rows at once: their number is not known when it is traced.
        """
        if torch.compiler.is_exporting():
            yield tensors
            return
        yield from zip(*(t.split(max(CHUNK // size, 1)) for t in tensors), strict=True)

"""Vector quantization with learned codebooks, and the uniform distribution of their codes."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from ..system import processes
from ..system.errors import ConfigError
from .distributions import UnvalidatedDistribution

USAGE_DECAY = 0.9  # decay per batch of the average usage of the codes
RESET_THRESHOLD = 0.1  # codes below 10 % of uniform usage are reset: after 22 unused batches


class UniformCodes(UnvalidatedDistribution):
    """Latents of codes: at every position, the sum of one uniformly random code per codebook.

    Args:
        codebooks: Codes, shape `(levels, codes, dim)`.
        positions: Number of vectors of length dim in a latent.
        batch_shape: Batch shape of the distribution.
    """

    def __init__(self, codebooks: Tensor, positions: int, batch_shape: Any = ()) -> None:
        super().__init__(batch_shape, [positions * codebooks.shape[-1]])
        self.codebooks = codebooks
        self.positions = positions

    def expand(self, batch_shape: Any, _instance: None = None) -> "UniformCodes":
        return UniformCodes(self.codebooks, self.positions, batch_shape)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        levels, codes, _ = self.codebooks.shape
        shape = (*sample_shape, *self.batch_shape, self.positions, levels)
        index = torch.randint(codes, shape, device=self.codebooks.device)
        level = torch.arange(levels, device=self.codebooks.device)
        return self.codebooks.detach()[level, index].sum(-2).flatten(-2)

    def log_prob(self, z: Tensor) -> Tensor:
        """The log-probability of z; whether z consists of codes is not checked."""
        levels, codes, _ = self.codebooks.shape
        shape = torch.broadcast_shapes(z.shape[:-1], self.batch_shape)
        return z.new_full(shape, -self.positions * levels * math.log(codes))


class VectorQuantizer(nn.Module):
    """Replaces vectors by the sum of the nearest codes of one or more codebooks.

    Each codebook after the first quantizes the residual of those before it. In training, a code
    that is no longer used is reset to a random vector of the batch. The first batch resets all
    codes, so that they start near the vectors. Usage and resets are those of the whole batch, also
    if several processes share it.

    Args:
        latent_dim: Number of latent dimensions D.
        levels: Number of codebooks.
        codes: Codes in a codebook.
        dim: Length of a code; it divides D.
    """

    usage: Tensor

    def __init__(self, latent_dim: int, levels: int, codes: int, dim: int) -> None:
        super().__init__()
        if latent_dim % dim:
            raise ConfigError(
                f"latent_dim={latent_dim} is not divisible by the code length {dim}: use a "
                f"multiple of {dim}, or posterior='quantized:dim=1'."
            )
        self.positions = latent_dim // dim
        self.codebooks = nn.Parameter(torch.randn(levels, codes, dim))
        # Fraction of the vectors that took each code, averaged over batches; saved for resuming.
        self.register_buffer("usage", torch.zeros(levels, codes))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Quantize latents, shape `(B, D)`.

        Returns:
            The quantized latents, shape `(B, D)`, without gradient; the codebook loss and the
            commitment loss, both the squared distance from latents to codes, shape `(B,)`; the
            index of every code, shape `(B, positions, levels)`. The codebook loss has a gradient
            only for the codes, the commitment loss only for the latents.
        """
        residual = z.unflatten(-1, (self.positions, -1)).flatten(0, 1)
        quantized = torch.zeros_like(residual)
        codebook_loss = z.new_zeros(())
        commitment_loss = z.new_zeros(())
        chosen = []
        learning = self.training and torch.is_grad_enabled()
        for level in range(len(self.codebooks)):
            if learning:
                self._reset_dead_codes(level, residual)
            index = nearest_code(residual, self.codebooks[level])
            code = self.codebooks[level][index]
            codebook_loss = codebook_loss + (code - residual.detach()).square()
            commitment_loss = commitment_loss + (code.detach() - residual).square()
            residual = residual - code.detach()
            quantized = quantized + code.detach()
            chosen.append(index)
            if learning:
                self._update_usage(level, index)
        return (
            quantized.view_as(z),
            codebook_loss.view_as(z).sum(-1),
            commitment_loss.view_as(z).sum(-1),
            torch.stack(chosen, dim=-1).view(z.shape[0], self.positions, -1),
        )

    @torch.no_grad()
    def _reset_dead_codes(self, level: int, vectors: Tensor) -> None:
        """Reset codes that are no longer used to random vectors."""
        usage = self.usage[level]
        codebook = self.codebooks[level]
        dead = usage < RESET_THRESHOLD / len(usage)
        count = processes.batch_rows(len(vectors))
        index = torch.randint(count, (len(usage),), device=usage.device)
        drawn = processes.rows_at(vectors, index)
        codebook.copy_(torch.where(dead.unsqueeze(-1), drawn, codebook))
        usage.copy_(torch.where(dead, 1 / len(usage), usage))

    @torch.no_grad()
    def _update_usage(self, level: int, index: Tensor) -> None:
        """Update the average usage of the codes by that in this batch."""
        ones = torch.ones_like(index, dtype=self.usage.dtype)
        taken = torch.zeros_like(self.usage[level]).index_add(0, index, ones)
        taken = processes.sum_rows(taken.unsqueeze(0))
        self.usage[level].lerp_(taken / processes.batch_rows(len(index)), 1 - USAGE_DECAY)


@torch.no_grad()
def nearest_code(vectors: Tensor, codebook: Tensor) -> Tensor:
    """The index of the code that is nearest to each vector, shape `(N,)`."""
    return (codebook.square().sum(-1) - 2 * vectors @ codebook.T).argmin(-1)

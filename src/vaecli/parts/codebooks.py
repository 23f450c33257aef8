"""Codebooks: vectors that are learned, and latents that are made of them."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ConfigError
from .distributions import UnvalidatedDistribution

MEMORY = 0.9  # of the average use of a code, for each batch
DEAD = 0.1  # a code used less than this part of an equal share is dead: in 22 batches without use


class Codewords(UnvalidatedDistribution):
    """Every position takes one code of each book, independently and uniformly, and adds them.

    Args:
        books: Codes, shape `(levels, codes, dim)`.
        positions: Vectors of length dim in a latent.
        batch_shape: Of the distribution.
    """

    def __init__(self, books: Tensor, positions: int, batch_shape: Any = ()) -> None:
        event_shape = [positions * books.shape[-1]]
        super().__init__(batch_shape, event_shape)
        self.books, self.positions = books, positions

    def expand(self, batch_shape: Any, _instance: None = None) -> "Codewords":
        return Codewords(self.books, self.positions, batch_shape)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        levels, codes, _ = self.books.shape
        shape = (*sample_shape, *self.batch_shape, self.positions, levels)
        index = torch.randint(codes, shape, device=self.books.device)
        level = torch.arange(levels, device=self.books.device)
        return self.books.detach()[level, index].sum(-2).flatten(-2)

    def log_prob(self, z: Tensor) -> Tensor:
        """The logarithm of the mass of z, which is taken to be made of codes."""
        levels, codes, _ = self.books.shape
        shape = torch.broadcast_shapes(z.shape[:-1], self.batch_shape)
        return z.new_full(shape, -self.positions * levels * math.log(codes))


class Quantizer(nn.Module):
    """The nearest code, and the nearest to what it leaves, for as many levels as there are books.

    In training a code that fell out of use moves to a vector drawn from the batch. At the first
    batch all of them do, so that codes begin where the vectors are.

    Args:
        latent_dim: The number of latent dimensions D.
        levels: Books.
        codes: Codes in a book.
        dim: Length of a code; it divides D.
    """

    use: Tensor

    def __init__(self, latent_dim: int, levels: int, codes: int, dim: int) -> None:
        super().__init__()
        if latent_dim % dim:
            raise ConfigError(
                f"A codebook cuts latents into vectors of length {dim}: use a --latent-dim that "
                f"{dim} divides, not {latent_dim}, or --posterior quantized:dim=1."
            )
        self.positions = latent_dim // dim
        self.books = nn.Parameter(torch.randn(levels, codes, dim))
        # The part of all vectors that took each code, averaged over batches; saved, for resume.
        self.register_buffer("use", torch.zeros(levels, codes))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Quantize latents, shape `(B, D)`.

        Returns:
            What they become, shape `(B, D)`, without gradient; what pulls the codes to the latents,
            and the latents to the codes: squared distances, shape `(B,)`, with a gradient to one
            side each.
        """
        rest = z.unflatten(-1, (self.positions, -1)).flatten(0, 1)
        total, on_codes, on_latents = torch.zeros_like(rest), z.new_zeros(()), z.new_zeros(())
        learning = self.training and torch.is_grad_enabled()
        for level in range(len(self.books)):
            if learning:
                self._revive(level, rest)
            index = nearest(rest, self.books[level])
            code = self.books[level][index]
            on_codes = on_codes + (code - rest.detach()).square()
            on_latents = on_latents + (code.detach() - rest).square()
            rest, total = rest - code.detach(), total + code.detach()
            if learning:
                self._count(level, index)
        return total.view_as(z), on_codes.view_as(z).sum(-1), on_latents.view_as(z).sum(-1)

    @torch.no_grad()
    def _revive(self, level: int, vectors: Tensor) -> None:
        """Move dead codes to vectors drawn at random."""
        use, book = self.use[level], self.books[level]
        dead = use < DEAD / len(use)
        drawn = vectors[torch.randint(len(vectors), (len(use),), device=use.device)]
        book.copy_(torch.where(dead.unsqueeze(-1), drawn, book))
        use.copy_(torch.where(dead, 1 / len(use), use))

    @torch.no_grad()
    def _count(self, level: int, index: Tensor) -> None:
        """Bring the average use of the codes up to date."""
        ones = torch.ones_like(index, dtype=self.use.dtype)
        share = torch.zeros_like(self.use[level]).index_add(0, index, ones) / len(index)
        self.use[level].lerp_(share, 1 - MEMORY)


@torch.no_grad()
def nearest(vectors: Tensor, book: Tensor) -> Tensor:
    """The index of the code that is nearest to each vector, shape `(N,)`."""
    return (book.square().sum(-1) - 2 * vectors @ book.T).argmin(-1)

"""Autoregressive distributions over sequences of codes, and the masked network of their logits."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import register_kl

from ..system.errors import ConfigError
from .distributions import QuantizedPointMass, UnvalidatedDistribution
from .latent_networks import MaskedLinear, concat_features

EMBEDDING = 16  # length of the learned vector that stands for a code in the input
READOUT = 32  # length of the learned vector whose product with the last layer is a code's logit
FREQUENCY = 1.2  # of the first such vectors, per standard deviation of the codes
DRAWN_AT_ONCE = 4096  # sequences; the hidden layers of more may not fit in memory
MAX_SUMS = 2**16  # sums of a code of each level with which the search compares every vector
DISTANCES_AT_ONCE = 2**24
BY_DIFFERENCES = "donot_use_mm_for_euclid_dist"


class CodeNetwork(nn.Module):
    """A masked MLP: the logits of every code, given the context and the codes before it.

    Hidden layers after the first are residual. At the input as at the output a learned vector
    stands for each code.

    References:
        MADE: Masked Autoencoder for Distribution Estimation (Germain et al., 2015),
            https://arxiv.org/abs/1502.03509
        Random Features for Large-Scale Kernel Machines (Rahimi & Recht, 2007),
            https://people.eecs.berkeley.edu/~brecht/papers/07.rah.rec.nips.pdf, for `place_codes`

    Args:
        length: Number S of codes in a sequence.
        codes: Number K of codes to choose from at every place.
        context_dim: Length E of the context; 0 for none.
        width: Hidden units in a layer.
        depth: Number of hidden layers.
    """

    def __init__(self, length: int, codes: int, context_dim: int, width: int, depth: int) -> None:
        super().__init__()
        # On the meta device a division would import torch's compiler, which takes a second; so
        # would the arithmetic of the masks, which are therefore made on the CPU.
        self.embedding = nn.Parameter(torch.randn(length, codes, EMBEDDING).mul_(0.5))
        self.readout = nn.Parameter(torch.randn(length, codes, READOUT).mul_(0.5))
        self.bias = nn.Parameter(torch.zeros(length, codes))
        place = torch.arange(1, length + 1, device="cpu")
        # MADE degree: a hidden unit reads the context and the first `degree` codes
        degree = torch.arange(width, device="cpu") * length // width
        inputs = torch.cat([place.repeat_interleave(EMBEDDING), place.new_zeros(context_dim)])
        self.first = MaskedLinear(inputs <= degree.unsqueeze(1))
        self.blocks = nn.ModuleList(
            MaskedLinear(degree <= degree.unsqueeze(1)) for _ in range(depth - 1)
        )
        self.out = MaskedLinear(degree < place.repeat_interleave(READOUT).unsqueeze(1))
        self.length = length

    @torch.no_grad()
    def place_codes(self, codebooks: Tensor, generator: torch.Generator) -> None:
        """Let the vectors of two codes be the more alike the nearer the codes are.

        Their products approximate a Gaussian kernel of the codes.

        Args:
            codebooks: Codes, shape `(levels, codes, dim)`.
            generator: Of the CPU.
        """
        spread = codebooks.std(1, keepdim=True, unbiased=False).clamp(min=1e-12)
        points = (codebooks - codebooks.mean(1, keepdim=True)) / spread
        for vectors in (self.embedding, self.readout):
            count = vectors.shape[-1]
            waves = torch.randn(points.shape[-1], count, generator=generator).to(points)
            waves *= FREQUENCY * math.sqrt(2 / points.shape[-1])
            phases = 2 * math.pi * torch.rand(count, generator=generator).to(points)
            features = (points @ waves + phases).cos() / math.sqrt(2)
            vectors.copy_(features.repeat(self.length // len(codebooks), 1, 1))

    def forward(
        self, codes: Tensor, c: Tensor | None = None, known: Tensor | None = None
    ) -> Tensor:
        """The logits, shape `(*batch, S, K)`.

        Args:
            codes: Index of every code, shape `(*batch, S)`.
            c: Context, shape `(*batch, E)`; batch shapes broadcast.
            known: 0 for every code that the network may not read, else 1, in the shape of codes.
        """
        embedded = self.embedding[torch.arange(self.length, device=codes.device), codes]
        if known is not None:
            embedded = embedded * known.unsqueeze(-1)
        h = F.silu(self.first(concat_features(embedded.flatten(-2), c)))
        for block in self.blocks:
            h = h + F.silu(block(h))
        read = self.out(h).view(*h.shape[:-1], self.length, READOUT)
        logits = torch.einsum("...sr,skr->...sk", read, self.readout) + self.bias
        return logits.float()  # bf16 is too coarse for a density

    def log_prob(
        self,
        codes: Tensor,
        c: Tensor | None = None,
        known: Tensor | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """The log-probability of whole sequences, shape `batch`.

        Args:
            codes: As for `forward`, like `c` and `known`.
            c: Context.
            known: Which codes the network may read.
            temperature: Divides the logits of every code.
        """
        log_probs: Tensor = (self(codes, c, known) / temperature).log_softmax(-1)
        codes = codes.expand(log_probs.shape[:-1])
        return log_probs.gather(-1, codes.unsqueeze(-1)).squeeze(-1).sum(-1)

    def sample(self, n: int, c: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        """`n` sequences, shape `(n, S)`; c has shape `(n, E)`."""
        device = self.embedding.device
        codes = torch.zeros(n, self.length, dtype=torch.long, device=device)
        for place in range(self.length):
            probs = (self(codes, c)[:, place] / temperature).softmax(-1)
            codes[:, place] = torch.multinomial(probs, 1).squeeze(-1)
        return codes


class AutoregressiveCodes(UnvalidatedDistribution):
    """Latents of codes: at every position, the sum of one code per codebook.

    A sequence of codes has the levels of the first position first, then those of the second.

    Args:
        network: Of sequences of `positions * levels` codes.
        codebooks: Codes, shape `(levels, codes, dim)`.
        c: Context, shape `(*batch, E)`; None for none.
        batch_shape: Batch shape of the distribution; None for that of c.
        temperature: Of every code given those before it. Below 1 the likely codes are likelier; the
            distribution stays normalized.
    """

    def __init__(
        self,
        network: CodeNetwork,
        codebooks: Tensor,
        c: Tensor | None = None,
        batch_shape: torch.Size | None = None,
        temperature: float = 1.0,
    ) -> None:
        if batch_shape is None:
            batch_shape = torch.Size() if c is None else c.shape[:-1]
        self.positions = network.length // len(codebooks)
        super().__init__(batch_shape, [self.positions * codebooks.shape[-1]])
        self.network = network
        self.codebooks = codebooks.detach()
        self.c = c
        self.temperature = temperature

    def expand(self, batch_shape: Any, _instance: None = None) -> "AutoregressiveCodes":
        c = None if self.c is None else self.c.expand(*batch_shape, -1)
        shape = torch.Size(batch_shape)
        return AutoregressiveCodes(self.network, self.codebooks, c, shape, self.temperature)

    @torch.no_grad()
    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape = torch.Size([*sample_shape, *self.batch_shape])
        count = math.prod(shape)  # not numel, which a trace would take for a constant
        rows = (torch.arange(count, device=self.codebooks.device),)
        if not torch.compiler.is_exporting():  # it would take the number of parts for one too
            rows = rows[0].split(DRAWN_AT_ONCE)
        if self.c is None:
            parts = [self.network.sample(part.shape[0], None, self.temperature) for part in rows]
        else:
            c = self.c.expand(*shape, -1).reshape(count, -1)
            parts = [self.network.sample(len(part), c[part], self.temperature) for part in rows]
        return self._sums(torch.cat(parts).view(*shape, self.positions, -1)).flatten(-2)

    def log_prob_of_codes(self, codes: Tensor) -> Tensor:
        """The log-probability of codes, shape `(*batch, positions, levels)`."""
        return self.network.log_prob(codes.flatten(-2), self.c, temperature=self.temperature)

    def log_prob(self, z: Tensor) -> Tensor:
        """The log-probability of the codes whose sum is nearest to z at every position.

        With several levels the search tries all sums: to subtract the nearest code of one level
        after another finds the codes of an encoded latent, but not those of every sample.

        Raises:
            ConfigError: There are too many sums to try. `KL(q || p)` needs no search.
        """
        return self.log_prob_of_codes(self._nearest(z))

    def _sums(self, codes: Tensor) -> Tensor:
        """The sum over levels, shape `(..., dim)`, of codes, shape `(..., levels)`."""
        level = torch.arange(len(self.codebooks), device=codes.device)
        return self.codebooks[level, codes].sum(-2)

    def _nearest(self, z: Tensor) -> Tensor:
        """The codes whose sums are nearest to z, shape `(*batch, positions, levels)`."""
        levels, count, dim = self.codebooks.shape
        if count**levels > MAX_SUMS:
            raise ConfigError(
                f"{levels} levels of {count} codes have {count**levels:,} sums, too many to find "
                f"the codes of a latent: use at most {MAX_SUMS:,}, by fewer levels or codes."
            )
        index = torch.arange(count, device=z.device)
        choices = torch.cartesian_prod(*[index] * levels).view(-1, levels)
        sums = self._sums(choices)
        vectors = z.reshape(-1, dim).split(max(1, DISTANCES_AT_ONCE // len(sums)))
        # by differences: sums may lie closer together than a matrix product resolves
        distances = (torch.cdist(v, sums, compute_mode=BY_DIFFERENCES) for v in vectors)
        nearest = torch.cat([distance.argmin(-1) for distance in distances])
        return choices[nearest].view(*z.shape[:-1], self.positions, levels)


@register_kl(QuantizedPointMass, AutoregressiveCodes)  # type: ignore[untyped-decorator]
def kl_quantized(q: QuantizedPointMass, p: AutoregressiveCodes) -> Tensor:
    """`KL(q || p)` in nats, which is `-log p` of the codes of q."""
    return -p.log_prob_of_codes(q.codes)

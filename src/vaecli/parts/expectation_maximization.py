"""The fit of a mixture of normals to latents, by expectation maximization (EM)."""

from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor

Covariance = Literal["full", "diagonal"]

KMEANS_ITERATIONS = 10
RIDGE = 1e-6  # added to variances, in units of the mean variance: latents may lie in a plane
MIN_UNIT = 1e-12  # of the latents
CHUNK = 2**22  # numbers in the largest temporary tensor
MAX_PRECISION = 1e4  # in the same units: the densities of narrower normals need float64


class MixtureFit:
    """A mixture of normals that is fitted by expectation maximization, as matrix products.

    The logarithm of a normal density is linear in the products `1, z_i, z_i z_j`. Those of all
    latents times the coefficients of all components are one matrix product (E-step); their sums,
    weighted by the responsibilities, are another (M-step). The first responsibilities are those of
    k-means. Each covariance is shrunk towards the mean covariance within components, which counts
    as D latents. A component with less than one latent restarts at a random one.

    References:
        Maximum Likelihood from Incomplete Data via the EM Algorithm (Dempster et al., 1977),
            https://doi.org/10.1111/j.2517-6161.1977.tb01600.x

    Args:
        draw: Returns latents, shape `(N, D)` with N at least K. Every iteration draws anew.
        components: Number of normals K.
        covariance: Whether normals have full covariances, or independent dimensions.
        generator: Chooses the first centers, and where components restart. On the CPU.

    Attributes:
        weights: Shape `(K,)`, float64 like the other two.
        loc: Means, shape `(K, D)`, in units of the latents.
        scale_tril: Cholesky factors of the covariances, shape `(K, D, D)`, in the same units.
    """

    weights: Tensor
    loc: Tensor
    scale_tril: Tensor

    def __init__(
        self,
        draw: Callable[[], Tensor],
        components: int,
        covariance: Covariance,
        generator: torch.Generator,
    ) -> None:
        self._draw = draw
        self._generator = generator
        z = _in_double(draw())
        variance, self._center = torch.var_mean(z, dim=0, correction=0)
        # not smaller, so that scales of equal latents have inverses in float32
        self._unit = variance.mean().sqrt().clamp(min=MIN_UNIT)
        dim = z.shape[1]
        self._pairs = torch.triu_indices(dim, dim, device=z.device)
        if covariance == "diagonal":
            self._pairs = torch.arange(dim, device=z.device).expand(2, dim)
        self._loc = self._random_latents(self._standardized(z), components)

    def run(self, iterations: int) -> Iterator[float]:
        """Fit; yields the finished fraction of the work.

        Args:
            iterations: Number of iterations after those of k-means.
        """
        total = KMEANS_ITERATIONS + iterations
        for step in range(total):
            z = self._standardized(_in_double(self._draw()))
            for fraction in self._step(z, step):
                yield (step + fraction) / total
        self.scale_tril = torch.linalg.cholesky(self._covariances) * self._unit
        self.loc = self._loc * self._unit + self._center
        yield 1.0

    def _standardized(self, z: Tensor) -> Tensor:
        """The latents in units in which their mean is 0 and their mean variance 1."""
        return (z - self._center) / self._unit

    def _random_latents(self, z: Tensor, count: int) -> Tensor:
        """Some of the latents, all different, shape `(count, D)`."""
        return z[torch.randperm(len(z), generator=self._generator)[:count].to(z.device)]

    def _step(self, z: Tensor, step: int) -> Iterator[float]:
        """An iteration; yields the finished fraction of it."""
        is_kmeans = step < KMEANS_ITERATIONS
        # k-means compares distances, for which 1 and z are enough; its last iteration has to sum
        # the products for the first covariances
        pairs = self._pairs if step >= KMEANS_ITERATIONS - 1 else self._pairs[:, :0]
        coefficients = self._distances() if is_kmeans else self._log_densities()
        narrow = coefficients[:, 1 + z.shape[1] :].abs() > MAX_PRECISION
        if not narrow.any() and step != KMEANS_ITERATIONS - 1:
            z = z.float()
        used = coefficients.to(z.dtype)
        components, columns = len(used), 1 + z.shape[1] + pairs.shape[1]
        sums = torch.zeros(components, columns, dtype=torch.double, device=z.device)
        chunks = z.split(max(CHUNK // max(components, columns), 1))
        for number, part in enumerate(chunks):
            products = _products(part.T, pairs)
            log_joint = used @ products[: used.shape[1]]
            if is_kmeans:
                nearest = log_joint.argmax(0, keepdim=True)
                responsibilities = torch.zeros_like(log_joint).scatter_(0, nearest, 1.0)
            else:
                responsibilities = log_joint.softmax(0)
            sums += responsibilities @ products.T
            yield (number + 1) / len(chunks)
        self._maximize(sums, z)

    def _distances(self) -> Tensor:
        """Coefficients of minus half the squared distance to each center, up to `z^2`."""
        return torch.cat([-self._loc.square().sum(1, keepdim=True) / 2, self._loc], dim=1)

    def _log_densities(self) -> Tensor:
        """Coefficients of the logarithms of the weighted densities, shape `(K, products)`."""
        scale_tril = torch.linalg.cholesky(self._covariances)
        precision = torch.cholesky_inverse(scale_tril)
        linear = (precision @ self._loc.unsqueeze(-1)).squeeze(-1)
        constant = self.weights.log() - (linear * self._loc).sum(1) / 2
        constant = constant - scale_tril.diagonal(dim1=1, dim2=2).log().sum(1)
        first, second = self._pairs
        # a pair of different dimensions stands for two elements of the precision
        factor = torch.where(first == second, -0.5, -1.0)
        quadratic = factor * precision[:, first, second]
        return torch.cat([constant.unsqueeze(1), linear, quadratic], dim=1)

    def _maximize(self, sums: Tensor, z: Tensor) -> None:
        """The M-step, from the sums of the products, shape `(K, products)`."""
        dim = z.shape[1]
        counts = sums[:, 0]
        empty = counts < 1
        self._loc = sums[:, 1 : 1 + dim] / counts.clamp(min=1).unsqueeze(1)
        products = sums[:, 1 + dim :]
        if products.shape[1]:
            self._set_covariances(products, counts.masked_fill(empty, 0.0))
        restarts = int(empty.sum())
        self._loc[empty] = self._random_latents(z, restarts).double()
        self.weights = counts.clamp(min=1) / counts.clamp(min=1).sum()

    def _set_covariances(self, products: Tensor, counts: Tensor) -> None:
        first, second = self._pairs
        components, dim = self._loc.shape
        scatter = products.new_zeros(components, dim, dim)
        n = counts.reshape(-1, 1)
        within = products - n * self._loc[:, first] * self._loc[:, second]
        scatter[:, first, second] = within.masked_fill(n == 0, 0.0)
        scatter[:, second, first] = scatter[:, first, second]
        pooled = scatter.sum(0) / counts.sum()
        ridge = RIDGE * torch.eye(dim, dtype=pooled.dtype, device=pooled.device)
        self._covariances = (scatter + dim * pooled) / (n.unsqueeze(-1) + dim) + ridge


def _in_double(z: Tensor) -> Tensor:
    """The latents in float64; on the CPU if they are on a device (mps) that has none."""
    return (z.cpu() if z.device.type == "mps" else z).double()


def _products(z: Tensor, pairs: Tensor) -> Tensor:
    """1, all `z_i`, and the `z_i z_j` of the pairs, shape `(products, n)`; z has shape `(D, n)`."""
    first, second = pairs
    return torch.cat([torch.ones_like(z[:1]), z, z[first] * z[second]])

"""A data set as latents: computed, written to files, and drawn from."""

import csv
import io
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.distributions import Categorical, Distribution, MixtureSameFamily, MultivariateNormal
from torch.nn.functional import one_hot

from .data import Images
from .evaluation import chunks, evaluating
from .model import VAE
from .seeds import seeded

ENDINGS = (".npz", ".csv", ".npy")
FITS = {"gaussian": 1, "mixture": 10}  # how many normals; ten as in the paper
ROUNDS = 50  # of expectation and maximisation
ENOUGH = 10_000  # latents that are fitted to
RIDGE = 1e-4  # added to variances, as a fraction of the mean one: latents may lie in a plane


@dataclass(frozen=True)
class Embeddings:
    """The posterior of every image of a split.

    Attributes:
        label: Classes from 0, shape `(N,)`.
        mean: Posterior means, shape `(N, D)`.
        log_var: Logarithms of the posterior variances, shape `(N, D)`; -inf of a point mass.
    """

    label: NDArray[np.uint8]
    mean: NDArray[np.float32]
    log_var: NDArray[np.float32]

    def encode(self, ending: str) -> bytes:
        """The bytes of a file with one of the `ENDINGS`.

        `.npz` holds the arrays index, label, mean and log_var; `.csv` has the columns index, label
        and z1 to zD, the means; `.npy` is the array of the means.
        """
        buffer, index = io.BytesIO(), np.arange(len(self.label))
        if ending == ".npz":
            np.savez(buffer, index=index, label=self.label, mean=self.mean, log_var=self.log_var)
        elif ending == ".npy":
            np.save(buffer, self.mean)
        else:
            text = io.TextIOWrapper(buffer, "utf-8", write_through=True)
            writer = csv.writer(text, lineterminator="\n")
            names = [f"z{d + 1}" for d in range(self.mean.shape[1])]
            writer.writerow(["index", "label", *names])
            for i, label, mean in zip(index, self.label, self.mean, strict=True):
                writer.writerow([i, label, *mean])
        return buffer.getvalue()


def embed(model: VAE, images: Images) -> Embeddings:
    """Encode all images, given their labels if the model is conditional."""
    means, log_vars = [], []
    with seeded(model.device, "embeddings"), evaluating(model):
        for x, c in chunks(images, model.device):
            q = model.encode(x, c)
            means.append(q.mean.cpu())
            log_vars.append(q.variance.log().cpu())
    mean, log_var = torch.cat(means).numpy(), torch.cat(log_vars).numpy()
    return Embeddings(images.labels.cpu().numpy(), mean, log_var)


def fitted(latents: NDArray[np.float32], components: int) -> Distribution:
    """A mixture of normals fitted to latents, shape `(N, D)`, by expectation and maximisation.

    References:
        From Variational to Deterministic Autoencoders (Ghosh et al., 2020),
            https://arxiv.org/abs/1903.12436
        Maximum Likelihood from Incomplete Data via the EM Algorithm (Dempster et al., 1977),
            https://doi.org/10.1111/j.2517-6161.1977.tb01600.x
    """
    z = torch.as_tensor(latents, dtype=torch.float64)
    z = z[torch.randperm(len(z))[:ENOUGH]]
    ridge = RIDGE * z.var(0, correction=0).mean() + torch.finfo(torch.float32).tiny
    centers = z[:components]
    shares = one_hot(torch.cdist(z, centers).argmin(1), len(centers)).double()  # (N, K)
    for _ in range(ROUNDS if components > 1 else 1):
        weight = shares / shares.sum(0).clamp(min=1e-9)  # a component may have no latent left
        mean, chance = weight.T @ z, shares.mean(0)
        apart = z.unsqueeze(0) - mean.unsqueeze(1)
        covariance = torch.einsum("nk,kni,knj->kij", weight, apart, apart)
        covariance = covariance + ridge * torch.eye(z.shape[1], dtype=z.dtype)
        normals = MultivariateNormal(mean, covariance, validate_args=False)
        shares = (normals.log_prob(z.unsqueeze(1)) + chance.log()).softmax(1)
    parts = MultivariateNormal(mean.float(), scale_tril=normals.scale_tril.float())
    return MixtureSameFamily(Categorical(chance.float()), parts)

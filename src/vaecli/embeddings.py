"""A data set as latents: computed, and written to files."""

import csv
import io
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from .data import Images
from .evaluation import chunks, evaluating
from .model import VAE
from .seeds import seeded

ENDINGS = (".npz", ".csv", ".npy")


@dataclass(frozen=True)
class Embeddings:
    """The posterior of every image of a split.

    Attributes:
        label: Classes from 0, shape `(N,)`.
        mean: Posterior means, shape `(N, D)`.
        log_var: Logarithms of the posterior variances, shape `(N, D)`.
    """

    label: NDArray[np.uint8]
    mean: NDArray[np.float32]
    log_var: NDArray[np.float32]

    def encode(self, ending: str) -> bytes:
        """The bytes of a file with one of the `ENDINGS`.

        `.npz` holds the arrays index, label, mean and log_var; `.csv` has the columns index, label
        and z1 to zD, the means; `.npy` is the array of the means.
        """
        return {".npz": self._npz, ".csv": self._csv, ".npy": self._npy}[ending]()

    def _npz(self) -> bytes:
        buffer, index = io.BytesIO(), np.arange(len(self.label))
        np.savez(buffer, index=index, label=self.label, mean=self.mean, log_var=self.log_var)
        return buffer.getvalue()

    def _npy(self) -> bytes:
        buffer = io.BytesIO()
        np.save(buffer, self.mean)
        return buffer.getvalue()

    def _csv(self) -> bytes:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["index", "label", *(f"z{d + 1}" for d in range(self.mean.shape[1]))])
        for index, (label, mean) in enumerate(zip(self.label, self.mean, strict=True)):
            writer.writerow([index, label, *mean])
        return text.getvalue().encode()


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

"""Posteriors of all images of a data set, and their file formats."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..data.images import Images
from ..model import VAE
from ..parts.posteriors import Posterior
from ..system.seeds import random_stream
from .batches import evaluation_mode, gather_turns, require_finite, turns

ENDINGS = (".npz", ".csv", ".npy")
MIN_LOG_VAR = -1e9  # a deterministic code has -inf


@dataclass(frozen=True)
class Embeddings:
    """Labels and posteriors of N images.

    Attributes:
        label: Classes from 0, shape `(N,)`; -1 for a hidden label.
        mean: Posterior means, shape `(N, D)`.
        log_var: Logarithms of the posterior variances, shape `(N, D)`; -inf for a deterministic
            code.
        map_shape: Shape (h, w, C) of the map that a latent is, if it is one: then `mean` can be
            reshaped to `(N, h, w, C)`.
        class_names: Names of the classes; empty if they have none but their numbers.
        names: The name of each image; empty without names.
    """

    label: NDArray[np.integer]
    mean: NDArray[np.float32]
    log_var: NDArray[np.float32]
    map_shape: tuple[int, ...] | None = None
    class_names: tuple[str, ...] = ()
    names: Sequence[str] = ()

    def to_bytes(self, ending: str) -> bytes:
        """The content of a file with one of the `ENDINGS`.

        `.npz` holds the arrays index, label, mean, log_var and, of maps, map_shape; `.csv` has the
        columns index, label and z1 to zD, the means; `.npy` is the array of the means. If the
        classes have names, `.npz` also holds class_names, in the order of the labels, and `.csv`
        has a column class. If the images have names, both have them as name. The cell of a hidden
        label is empty.
        """
        buffer = io.BytesIO()
        if ending == ".npz":
            np.savez(buffer, **self._arrays())
        elif ending == ".npy":
            np.save(buffer, self.mean)
        else:
            text = io.TextIOWrapper(buffer, "utf-8", "backslashreplace", write_through=True)
            writer = csv.writer(text, lineterminator="\n")
            columns = self._columns()
            writer.writerow([*columns, *(f"z{d + 1}" for d in range(self.mean.shape[1]))])
            for *cells, mean in zip(*columns.values(), self.mean, strict=True):
                writer.writerow([*cells, *mean])
        return buffer.getvalue()

    def _arrays(self) -> dict[str, Any]:
        """The arrays of a `.npz` file, by name."""
        arrays: dict[str, Any] = {
            "index": np.arange(len(self.label)),
            "label": self.label,
            "mean": self.mean,
            "log_var": self.log_var,
        }
        if self.map_shape is not None:
            arrays["map_shape"] = np.array(self.map_shape)
        if self.class_names:
            arrays["class_names"] = np.array(self.class_names)
        if self.names:
            arrays["name"] = np.array(self.names)
        return arrays

    def _columns(self) -> dict[str, Sequence[Any]]:
        """The columns of a `.csv` file before the means, by name."""
        columns: dict[str, Sequence[Any]] = {"index": range(len(self.label))}
        if self.names:
            columns["name"] = self.names
        labels = self.label.tolist()
        columns["label"] = ["" if label < 0 else label for label in labels]
        if self.class_names:
            text = dict(enumerate(self.class_names))
            columns["class"] = [text.get(label, "") for label in labels]
        return columns


def embed(model: VAE, images: Images, names: Sequence[str] = ()) -> Embeddings:
    """The posteriors of all images; a conditional model reads their labels.

    Args:
        model: The trained model.
        images: Images to encode.
        names: The name of each of them, to be written with their latents; empty without names.

    Raises:
        NotFiniteError: The model overflows.
    """
    means = {}
    log_vars = {}
    device = model.device
    with random_stream(device, "embeddings"), evaluation_mode(model):
        for index, is_own in turns(images):
            if not is_own and images.binarize != "dynamic":  # which draws noise at every read
                continue
            x = images.pixels(index).to(device)
            if is_own:
                q = model.encode(x, images.one_hot_labels(index).to(device))
                means[index.start] = q.mean
                log_vars[index.start] = q.variance.log()
        mean = gather_turns(means, len(images), device)
        log_var = gather_turns(log_vars, len(images), device)
        require_finite(mean, "latents")
        require_finite(log_var.clamp(min=MIN_LOG_VAR), "variances of latents")
    return Embeddings(
        label=_labels(images),
        mean=mean.cpu().numpy(),
        log_var=log_var.cpu().numpy(),
        map_shape=_map_shape(model),
        class_names=images.class_names,
        names=names,
    )


def _labels(images: Images) -> NDArray[np.integer]:
    """Their labels, shape `(N,)`, with -1 for those that are hidden."""
    labels = images.labels.cpu()
    hidden = labels >= images.classes
    if hidden.any():
        labels = labels.long().masked_fill(hidden, -1)
    return labels.numpy()


def _map_shape(model: VAE) -> tuple[int, ...] | None:
    """Shape (h, w, C) of the map of latents, in the order of a vector; None without a map."""
    posterior = cast(Posterior, model.posterior)
    if posterior.encoder.map_size is None:
        return None
    channels, height, width = posterior.latent_shape
    return height, width, channels

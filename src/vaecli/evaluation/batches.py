"""Passes over images without gradients."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..data.images import Images
from ..objectives.objective import EVALUATION_BATCH_SIZE
from ..system.errors import NotFiniteError
from ..system.processes import Share, share_batch


def batches(
    images: Images, device: torch.device, size: int = EVALUATION_BATCH_SIZE
) -> Iterator[tuple[Tensor, Tensor]]:
    """All images in order, in batches on a device.

    Yields:
        Pixels in [0, 1], shape `(B, C, H, W)`, and one-hot labels, shape `(B, classes)`; B is
        `size`, or less for the last batch.
    """
    for start in range(0, len(images), size):
        index = slice(start, start + size)
        yield images.pixels(index).to(device), images.one_hot_labels(index).to(device)


def shared_batches(
    images: Images, device: torch.device, size: int = EVALUATION_BATCH_SIZE
) -> Iterator[tuple[Tensor, Tensor, Share]]:
    """As `batches`, of which every process has its rows.

    Yields:
        Pixels and labels of the rows of this process, and its share of the batch.
    """
    for start in range(0, len(images), size):
        with share_batch(min(size, len(images) - start)) as share:
            index = slice(start + share.start, start + share.stop)
            yield images.pixels(index).to(device), images.one_hot_labels(index).to(device), share


@contextmanager
def evaluation_mode(*modules: nn.Module) -> Iterator[None]:
    """Disable gradients and training behaviour (dropout, batch statistics); then restore both.

    Args:
        modules: Everything that computes: the model, and an objective that has networks.
    """
    were_training = [module.training for module in modules]
    for module in modules:
        module.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, was_training in zip(modules, were_training, strict=True):
            module.train(was_training)


def require_finite(values: Tensor, what: str) -> Tensor:
    """The same values; a `NotFiniteError` if one of them is NaN or infinite.

    Args:
        values: A result of a model; finite weights may be so large that it overflows.
        what: Names them in the message, such as "samples".
    """
    if not values.isfinite().all():
        raise NotFiniteError(f"The {what} are NaN or infinite: the weights are too large.")
    return values

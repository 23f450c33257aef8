"""Passes over images without gradients."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..data.images import Images
from ..objectives.objective import EVALUATION_BATCH_SIZE
from ..system import processes
from ..system.errors import NotFiniteError


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
) -> Iterator[tuple[Tensor, Tensor, processes.Share]]:
    """As `batches`, of which every process has its rows.

    Yields:
        Pixels and labels of the rows of this process, and its share of the batch.
    """
    for start in range(0, len(images), size):
        with processes.share_batch(min(size, len(images) - start)) as share:
            index = slice(start + share.start, start + share.stop)
            yield images.pixels(index).to(device), images.one_hot_labels(index).to(device), share


def turns(images: Images, size: int = EVALUATION_BATCH_SIZE) -> Iterator[tuple[slice, bool]]:
    """The places of all batches, and whether this process computes them: they take turns.

    A batch that is computed whole gives the same numbers to the last bit, however many processes
    there are. `gather_turns` brings the results together.
    """
    for number, start in enumerate(range(0, len(images), size)):
        stop = min(start + size, len(images))
        yield slice(start, stop), number % processes.count() == processes.rank()


def gather_turns(found: dict[int, Tensor], count: int, device: torch.device) -> Tensor:
    """The results for all images, of which every process has those of its turns.

    Args:
        found: Results of this process, shape `(B, ...)`, by the position of their first image.
        count: Number of images.
        device: Where the results are.

    Returns:
        All results, shape `(count, ...)`, on every process.
    """
    if processes.count() == 1:
        return torch.cat([*found.values()])
    kinds = [(rows.shape[1:], rows.dtype) for rows in found.values()]
    shape, dtype = processes.broadcast(kinds[:1])[0]  # process 0 has the first turn
    whole = torch.zeros(count, *shape, dtype=dtype, device=device)
    for start, rows in found.items():
        whole[start : start + len(rows)] = rows
    # as bytes, because the sum of 0.0 and -0.0 would lose its sign
    processes.sum_tensors([whole.view(torch.uint8)])
    return whole


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

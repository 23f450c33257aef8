"""Several processes that train one model: which rows of a batch are this one's, and sums over all.

Every process has the whole model, and a part of each batch. So that all together compute what one
process would, noise is drawn for the whole batch, of which each takes its rows, and what couples
the images of a batch reads the rows of all processes, by `gather` or `sum_rows`. A process that is
alone has all rows: then every function here returns what it was given.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist


@dataclass(frozen=True)
class Share:
    """This process's part of a batch.

    Attributes:
        start: Its first row.
        stop: The row after its last one.
        total: Rows of the whole batch.
        is_spare: Whether the batch has no row for this process. It then computes the first row
            again, with weight 0, so that all processes take part in every sum.
    """

    start: int
    stop: int
    total: int
    is_spare: bool = False

    @property
    def rows(self) -> slice:
        """The rows of this process."""
        return slice(self.start, self.stop)

    @property
    def is_whole(self) -> bool:
        """Whether this process has the whole batch to itself."""
        return count() == 1

    @property
    def weight(self) -> float:
        """The weight of a mean over its rows, in a mean over the batch."""
        return 0.0 if self.is_spare else (self.stop - self.start) / self.total


_share: Share | None = None  # that of the batch in progress


def count() -> int:
    """The number of processes."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if count() > 1 else 0


def is_first() -> bool:
    """Whether this is process 0, which alone writes and prints."""
    return rank() == 0


def _cut(rows: Sequence[int]) -> Share:
    """The share of this process, if process n has `rows[n]` rows."""
    start = sum(rows[: rank()])
    own = rows[rank()]
    total = sum(rows)
    return Share(start, start + own, total) if own else Share(0, 1, total, is_spare=True)


@contextmanager
def _use(share: Share | None) -> Iterator[None]:
    global _share
    before, _share = _share, share
    try:
        yield
    finally:
        _share = before


@contextmanager
def share_batch(total: int) -> Iterator[Share]:
    """Inside the `with` block the processes compute a batch together.

    Each has a run of neighbouring rows; their numbers differ by one at most. The backward pass
    belongs into the block.

    Args:
        total: Rows of the batch.
    """
    small, more = divmod(total, count())
    share = _cut([small + (n < more) for n in range(count())])
    with _use(share):
        yield share


@contextmanager
def other_rows(local: int) -> Iterator[None]:
    """Inside the `with` block the batch has other rows, such as pairs of an image and a label.

    All processes have to enter it at the same place.

    Args:
        local: Rows of this process.
    """
    if _share is None or count() == 1:
        yield
        return
    rows = torch.zeros(count(), dtype=torch.int64, device=_exchange_device())
    rows[rank()] = 0 if _share.is_spare else local
    dist.all_reduce(rows)
    share = _cut(rows.tolist())
    if _share.is_spare:
        share = Share(0, local, share.total, is_spare=True)
    with _use(share):
        yield


def compute_alike() -> AbstractContextManager[None]:
    """Inside the `with` block all processes compute the same: nothing is cut, gathered or summed.

    For what does not belong to the images of a batch, such as the density of a learned prior.
    """
    return nullcontext() if count() == 1 else _use(None)


def batch_rows(local: int) -> int:
    """Rows of the whole batch; `local` if this process has them all.

    Args:
        local: Rows of this process, or a multiple of them, such as its rows times its pixels: then
            the result is the same multiple of the whole batch.
    """
    share = _shared()
    return local if share is None else share.total * (local // (share.stop - share.start))


def draw(sample: Callable[[list[int]], Tensor], shape: Sequence[int], dim: int) -> Tensor:
    """Noise of this shape, of which each process has its rows.

    Where several processes share a batch, the noise of the whole batch is drawn, as one process
    would, and the rows of the others are left out.

    Args:
        sample: Draws noise of a shape.
        shape: Shape for the rows of this process; with another number of rows it is no noise of the
            batch, and all processes draw the same.
        dim: Dimension of the rows.
    """
    shape = [*shape]
    share = _shared()
    if share is None or shape[dim] != share.stop - share.start:
        return sample(shape)
    shape[dim] = share.total
    return sample(shape).narrow(dim, share.start, share.stop - share.start)


def own_rows(x: Tensor) -> Tensor:
    """The rows of this process, of a tensor with all rows of the batch."""
    share = _shared()
    return x if share is None else x[share.rows]


def gather(x: Tensor) -> Tensor:
    """The rows of all processes, in the order of the batch; gradients flow back to each.

    Args:
        x: The rows of this process, shape `(rows, ...)`.
    """
    share = _shared()
    if share is None:
        return x
    before = x.new_zeros(share.start, *x.shape[1:])
    after = x.new_zeros(share.total - share.stop, *x.shape[1:])
    return _sum_over_processes(torch.cat([before, x, after]), share)


@torch.no_grad()
def rows_at(x: Tensor, index: Tensor) -> Tensor:
    """Some rows of the whole batch, without gradient: less to exchange than by `gather`.

    Args:
        x: The rows of this process, shape `(rows, ...)`, or a multiple of them, as in `batch_rows`.
        index: Positions in the whole batch, the same on all processes, shape `(N,)`.
    """
    share = _shared()
    if share is None:
        return x[index]
    first = share.start * (len(x) // (share.stop - share.start))
    local = index - first
    is_own = (local >= 0) & (local < len(x))
    rows = x[local.clamp(0, len(x) - 1)]
    rows = torch.where(is_own.view(-1, *[1] * (x.dim() - 1)), rows, 0)
    return _sum_over_processes(rows, share)


def sum_rows(x: Tensor) -> Tensor:
    """The sum over the rows of the whole batch; gradients flow back to each process.

    Args:
        x: The rows of this process, shape `(rows, ...)`.
    """
    share = _shared()
    total = x.sum(0)
    return total if share is None else _sum_over_processes(total, share)


def _shared() -> Share | None:
    """The share of the batch in progress; None if this process computes alone."""
    return None if count() == 1 else _share


def _sum_over_processes(x: Tensor, share: Share) -> Tensor:
    total: Tensor = _Sum.apply(x, share.is_spare)
    return total


class _Sum(torch.autograd.Function):
    """The sum over processes. Each has its own loss, so that their gradients are summed as well.

    A process with a spare row adds nothing in both directions.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, is_spare: bool) -> Tensor:
        ctx.is_spare = is_spare
        total = torch.zeros_like(x) if is_spare else x.clone()
        total = total.contiguous()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        total = _Sum.apply(gradient, ctx.is_spare)
        # Not zeros of its own: a second backward pass would then not take part in the sums.
        return total * 0 if ctx.is_spare else total, None


@torch.no_grad()
def sum_tensors(tensors: Sequence[Tensor]) -> None:
    """Replace every tensor by its sum over the processes, in one exchange for each type."""
    if count() == 1:
        return
    for dtype in sorted({tensor.dtype for tensor in tensors}, key=str):
        group = [tensor for tensor in tensors if tensor.dtype == dtype]
        flat = torch.cat([tensor.reshape(-1) for tensor in group])
        dist.all_reduce(flat)
        parts = flat.split([tensor.numel() for tensor in group])
        for tensor, part in zip(group, parts, strict=True):
            tensor.copy_(part.view_as(tensor))


def agree(flag: bool) -> bool:
    """Whether any process says so. All of them have to ask at the same place."""
    return bool(largest(int(flag)))


def largest(number: int) -> int:
    """The largest number that a process gives. All of them have to ask at the same place."""
    if count() == 1:
        return number
    numbers = torch.tensor(number, device=_exchange_device())
    dist.all_reduce(numbers, dist.ReduceOp.MAX)
    return int(numbers)


def collect(value: Any) -> list[Any]:
    """What each process gives, in their order, on all processes."""
    values = [value] * count()
    if count() > 1:
        dist.all_gather_object(values, value)
    return values


def broadcast(value: Any = None) -> Any:
    """The value that process 0 gives, on all processes. It has to be one that can be pickled."""
    if count() == 1:
        return value
    values = [value]
    dist.broadcast_object_list(values, src=0, device=_exchange_device())
    return values[0]


def _exchange_device() -> torch.device:
    """Where tensors are that the processes exchange."""
    if dist.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")

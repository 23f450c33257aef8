"""Random numbers as the input of a graph."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

Rows = tuple[int, ...]


class NoiseInput(TorchFunctionMode):
    """Inside the `with` block, torch draws its random numbers from a given noise.

    A graph that draws random numbers itself would differ from one program to the next. The code of
    the model stays as it is: each of its calls takes the next columns of the noise. Uniform numbers
    and choices come from normal ones by the inverse of the cumulative distribution.

    Args:
        noise: Standard normal numbers, shape `(B, N)`; None to count how many there must be.
        batch_dim: The dimension of what is drawn that counts the B images.

    Attributes:
        used: Columns taken so far.
    """

    def __init__(self, noise: Tensor | None, batch_dim: int) -> None:
        super().__init__()
        self.noise = noise
        self.batch_dim = batch_dim
        self.used = 0

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if function is torch.randn:
            return self._normal(args[0])
        if function is Tensor.normal_ or function is torch.normal:
            return self._normal(args[0].shape)
        if function is torch.rand:
            return self._uniform(args[0])
        if function is torch.randint:
            high, shape = args
            return (self._uniform(shape) * high).long().clamp(max=high - 1)
        if function is torch.multinomial:
            return self._choice(*args[:2])
        return function(*args, **kwargs)

    def _columns(self, count: int) -> Tensor:
        """The next columns, shape `(B, count)`."""
        start = self.used
        self.used += count
        if self.noise is None:
            return torch.zeros(1, count)
        return self.noise[:, start : self.used]

    def _normal(self, shape: Rows) -> Tensor:
        """Normal numbers of this shape; components of a mixture, of which one counts, share them.

        The last dimension takes columns of its own.
        """
        between = (1,) * (len(shape) - self.batch_dim - 2)
        columns = self._columns(shape[-1])
        rows = columns.view(columns.shape[0], *between, shape[-1])
        return rows.expand(shape)

    def _uniform(self, shape: Rows) -> Tensor:
        """Numbers from 0 to 1 of this shape, each from a column of its own."""
        each = shape[self.batch_dim + 1 :]
        columns = self._columns(math.prod(each))
        return _to_uniform(columns.view(columns.shape[0], *each)).expand(shape)

    def _choice(self, weights: Tensor, count: int) -> Tensor:
        """One choice for each image, in the shape that `torch.multinomial` returns."""
        cumulative = weights.cumsum(-1)
        u = _to_uniform(self._columns(1))
        chosen = (cumulative < u * cumulative[..., -1:]).sum(-1)
        return chosen.reshape(weights.shape[0], count)


def _to_uniform(normal: Tensor) -> Tensor:
    """The cumulative distribution function of N(0, 1)."""
    return 0.5 * (1 + torch.erf(normal / math.sqrt(2)))

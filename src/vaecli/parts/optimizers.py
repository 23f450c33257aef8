"""Optimizers that update all parameters in one call, by torch's fused kernels.

They compute what `torch.optim.Adam`, `AdamW` and `SGD` compute; a test compares them. torch's
classes import its compiler when the first one is made (1.4 s, 150 MB), and their steps take longer,
which matters for a small network. Where torch has no fused kernel for a device, its functional
optimizers are called instead, one parameter after another.

`step` sets the gradients to None, which is faster than setting them to zero. As in `torch.optim`, a
parameter without a gradient does not change: frozen parts of a model need no special treatment.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Any

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn

from .ranges import Weight


class Kernel:
    """A fused kernel of torch or, where torch has none for the device, a loop.

    Args:
        name: Name of the kernel in `torch`: it is private and may be missing.
        loop: Computes the same for one parameter after another, from the same arguments.
    """

    def __init__(self, name: str, loop: Callable[..., None]) -> None:
        self.fused: Callable[..., None] | None = getattr(torch, name, None)
        self.loop = loop

    def __call__(self, *tensors: list[Tensor], **options: Any) -> None:
        if self.fused is not None:
            try:
                self.fused(*tensors, **options)
                return
            except NotImplementedError:  # for this device
                self.fused = None
        self.loop(*tensors, **options)


def adamw_loop(
    parameters: list[Tensor],
    gradients: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    max_exp_avg_sqs: list[Tensor],
    steps: list[Tensor],
    **options: Any,
) -> None:
    """What `torch._fused_adamw_` computes, by torch's functional AdamW."""
    from torch.optim.adamw import adamw

    before = [step - 1 for step in steps]  # `adamw` adds 1 itself
    averages = (exp_avgs, exp_avg_sqs, max_exp_avg_sqs)
    adamw(parameters, gradients, *averages, before, foreach=False, **options)


def sgd_loop(
    parameters: list[Tensor],
    gradients: list[Tensor],
    buffers: list[Tensor],
    is_first_step: bool,
    **options: Any,
) -> None:
    """What `torch._fused_sgd_` computes, by torch's functional SGD; buffers start at zero."""
    from torch.optim.sgd import sgd

    sgd(parameters, gradients, [*buffers], foreach=False, **options)


class Adam:
    """Adam, with torch's defaults.

    References:
        Adam: A Method for Stochastic Optimization (Kingma & Ba, 2015),
            https://arxiv.org/abs/1412.6980

    Args:
        beta2: Decay of the average of squared gradients, over about 1 / (1 - beta2) steps.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        beta2: Annotated[float, Ge(0), Lt(1)] = 0.999,
    ) -> None:
        self.parameters: list[Tensor] = list(parameters)
        self.lr = lr
        self.beta2 = beta2
        self.weight_decay = 0.0
        self.exp_avg = [torch.zeros_like(p) for p in self.parameters]
        self.exp_avg_sq = [torch.zeros_like(p) for p in self.parameters]
        # one count for all parameters; torch has one for each
        self.step_count = torch.zeros((), device=self.parameters[0].device)
        self._update = Kernel("_fused_adamw_", adamw_loop)

    def state(self) -> dict[str, Tensor]:
        """All tensors that a step changes, except the parameters, by name; not copied."""
        return {
            "step": self.step_count,
            **numbered("exp_avg", self.exp_avg),
            **numbered("exp_avg_sq", self.exp_avg_sq),
        }

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient."""
        gradients = pop_gradients(self.parameters)
        if not gradients:
            return
        self.step_count += 1
        self._update(
            [self.parameters[i] for i in gradients],
            list(gradients.values()),
            [self.exp_avg[i] for i in gradients],
            [self.exp_avg_sq[i] for i in gradients],
            [],
            [self.step_count] * len(gradients),
            lr=self.lr,
            beta1=0.9,
            beta2=self.beta2,
            weight_decay=self.weight_decay,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )


class AdamW(Adam):
    """Adam with decoupled weight decay.

    References:
        Decoupled Weight Decay Regularization (Loshchilov & Hutter, 2019),
            https://arxiv.org/abs/1711.05101

    Args:
        weight_decay: A step subtracts learning rate * weight_decay * parameter from every
            parameter.
        beta2: Decay of the average of squared gradients, as for adam.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        weight_decay: Weight = 0.01,
        beta2: Annotated[float, Ge(0), Lt(1)] = 0.999,
    ) -> None:
        super().__init__(parameters, lr, beta2)
        self.weight_decay = weight_decay


class SGD:
    """Stochastic gradient descent with momentum 0.9.

    References:
        Some methods of speeding up the convergence of iteration methods (Polyak, 1964),
            https://doi.org/10.1016/0041-5553(64)90137-5
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float) -> None:
        self.parameters: list[Tensor] = list(parameters)
        self.lr = lr
        self.momentum = [torch.zeros_like(p) for p in self.parameters]
        self._update = Kernel("_fused_sgd_", sgd_loop)

    def state(self) -> dict[str, Tensor]:
        """All tensors that a step changes, except the parameters, by name; not copied."""
        return numbered("momentum", self.momentum)

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient."""
        gradients = pop_gradients(self.parameters)
        if not gradients:
            return
        self._update(
            [self.parameters[i] for i in gradients],
            list(gradients.values()),
            [self.momentum[i] for i in gradients],
            weight_decay=0.0,
            momentum=0.9,
            lr=self.lr,
            dampening=0.0,
            nesterov=False,
            maximize=False,
            is_first_step=False,
        )


def gradients_of(parameters: list[Tensor]) -> list[Tensor]:
    """The gradients of those parameters that have one."""
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def pop_gradients(parameters: list[Tensor]) -> dict[int, Tensor]:
    """Remove the gradients from the parameters and return them, by position in the list."""
    gradients = {}
    for i, parameter in enumerate(parameters):
        if parameter.grad is not None:
            gradients[i] = parameter.grad
            parameter.grad = None
    return gradients


def numbered(name: str, tensors: list[Tensor]) -> dict[str, Tensor]:
    """The tensors by name and position: `name.0`, `name.1`, ..."""
    return {f"{name}.{i}": tensor for i, tensor in enumerate(tensors)}


Optimizer = Adam | SGD
OPTIMIZERS: dict[str, type[Optimizer]] = {"adam": Adam, "adamw": AdamW, "sgd": SGD}

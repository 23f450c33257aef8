from collections.abc import Iterable
from typing import Annotated

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn

from .ranges import Weight


class Adam:
    """Adam, with torch's defaults.

    References:
        Adam: A Method for Stochastic Optimization (Kingma & Ba, 2015),
            https://arxiv.org/abs/1412.6980

    Args:
        beta2: Memory of the average of squared gradients: of about 1 / (1 - beta2) steps.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        beta2: Annotated[float, Ge(0), Lt(1)] = 0.999,
    ) -> None:
        self.parameters: list[Tensor] = list(parameters)
        self.lr, self.beta2, self.weight_decay = lr, beta2, 0.0
        self.mean = [torch.zeros_like(p) for p in self.parameters]
        self.square = [torch.zeros_like(p) for p in self.parameters]
        self.count = torch.zeros((), device=self.parameters[0].device)  # steps taken

    def state(self) -> dict[str, Tensor]:
        """What a step changes beside the parameters, by name; not copied."""
        return {"count": self.count, **named("mean", self.mean), **named("square", self.square)}

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter against its averaged gradient."""
        self.count += 1
        torch._fused_adamw_(
            self.parameters,
            take_gradients(self.parameters),
            self.mean,
            self.square,
            [],
            [self.count] * len(self.parameters),
            lr=self.lr,
            beta1=0.9,
            beta2=self.beta2,
            weight_decay=self.weight_decay,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )


class AdamW(Adam):
    """Adam that lets every parameter decay.

    References:
        Decoupled Weight Decay Regularization (Loshchilov & Hutter, 2019),
            https://arxiv.org/abs/1711.05101

    Args:
        weight_decay: Fraction of every parameter taken off a step, times the learning rate.
        beta2: As of adam.
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

    def state(self) -> dict[str, Tensor]:
        """What a step changes beside the parameters, by name; not copied."""
        return named("momentum", self.momentum)

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter along its averaged gradient."""
        torch._fused_sgd_(
            self.parameters,
            take_gradients(self.parameters),
            self.momentum,
            weight_decay=0.0,
            momentum=0.9,
            lr=self.lr,
            dampening=0.0,
            nesterov=False,
            maximize=False,
            is_first_step=False,
        )


def take_gradients(parameters: list[Tensor]) -> list[Tensor]:
    """The gradients of the parameters, which keep none."""
    gradients = []
    for parameter in parameters:
        assert parameter.grad is not None  # every part is used in every step
        gradients.append(parameter.grad)
        parameter.grad = None
    return gradients


def named(name: str, tensors: list[Tensor]) -> dict[str, Tensor]:
    return {f"{name}.{i}": tensor for i, tensor in enumerate(tensors)}


Optimizer = Adam | SGD


OPTIMIZERS: dict[str, type[Optimizer]] = {"adam": Adam, "adamw": AdamW, "sgd": SGD}

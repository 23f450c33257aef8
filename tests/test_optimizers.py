"""The fused kernels against torch's own optimizers."""

from functools import partial

import pytest
import torch

from vaecli.parts.optimizers import OPTIMIZERS

REFERENCE = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": partial(torch.optim.SGD, momentum=0.9),
}


def walk(make):
    """Parameters after twenty steps down a bumpy slope."""
    torch.manual_seed(0)
    parameters = [torch.nn.Parameter(torch.randn(4, 3)), torch.nn.Parameter(torch.randn(3))]
    optimizer = make(parameters)
    for _ in range(20):
        for p in parameters:
            p.grad = None
        (parameters[0] @ parameters[1] + parameters[0].sin().sum()).square().sum().backward()
        optimizer.step()
    return parameters


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_torch(name):
    ours = walk(lambda p: OPTIMIZERS[name](p, 1e-2))
    theirs = walk(lambda p: REFERENCE[name](p, lr=1e-2))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kernel", ["missing", "not for this device"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_without_a_fused_kernel_steps_are_those_of_torch_too(name, kernel, monkeypatch):
    theirs = walk(lambda p: REFERENCE[name](p, lr=1e-2))
    made = []

    def make(parameters):
        made.append(OPTIMIZERS[name](parameters, 1e-2))
        return made[-1]

    walk(make)
    asked = []

    def refuse(*tensors, **options):
        asked.append(kernel)
        raise NotImplementedError

    for private in ("_fused_adamw_", "_fused_sgd_"):
        if kernel == "missing":
            monkeypatch.delattr(torch, private)
        else:
            monkeypatch.setattr(torch, private, refuse)
    ours = walk(make)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    with_kernel, without = (optimizer.state() for optimizer in made)
    torch.testing.assert_close(without, with_kernel, rtol=1e-4, atol=1e-6)  # each reads the other's
    assert len(asked) == (0 if kernel == "missing" else 1)  # not at every step


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_drops_the_gradients(name):
    p = torch.nn.Parameter(torch.ones(2))
    p.square().sum().backward()
    OPTIMIZERS[name]([p], 0.1).step()
    assert p.grad is None
    assert (p < 1).all()


@pytest.mark.parametrize(
    ("name", "decay"), [("adam", {}), ("adamw", {}), ("adamw", {"weight_decay": 0.3})]
)
def test_options_are_those_of_torch(name, decay):
    ours = walk(lambda p: OPTIMIZERS[name](p, 1e-2, beta2=0.9, **decay))
    theirs = walk(lambda p: REFERENCE[name](p, lr=1e-2, betas=(0.9, 0.9), **decay))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)

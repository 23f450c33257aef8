"""The fused kernels against torch's own optimizers."""

from functools import partial

import pytest
import torch

from vaecli.parts.optimizers import OPTIMIZERS
from vaecli.training.schedules import factor

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


PARTS = [i / 100 for i in range(101)]


def test_schedules_fall_from_one_to_nothing():
    assert {factor("constant", 0, part) for part in PARTS} == {1}
    for schedule in ("linear", "cosine"):
        factors = [factor(schedule, 0, part) for part in PARTS]
        assert (factors[0], factors[50], factors[100]) == pytest.approx((1, 0.5, 0))
        assert factors == sorted(factors, reverse=True)
    linear = torch.optim.lr_scheduler.LinearLR(plain(), 1.0, 0.0, 100)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(plain(), 100)
    assert [factor("linear", 0, part) for part in PARTS] == pytest.approx(rates(linear), abs=1e-9)
    assert [factor("cosine", 0, part) for part in PARTS] == pytest.approx(rates(cosine), abs=1e-9)


def test_warm_up_grows_in_a_straight_line_and_then_leaves_the_schedule_alone():
    for schedule in ("constant", "linear", "cosine"):
        for part in PARTS:
            wanted = factor(schedule, 0, part) * min(1, part / 0.25)
            assert factor(schedule, 0.25, part) == pytest.approx(wanted)


def plain():
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)


def rates(scheduler):
    found = []
    for _ in PARTS:
        found.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    return found

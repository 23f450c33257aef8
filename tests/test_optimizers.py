"""Our optimizers against those of torch, with and without fused kernels."""

from functools import partial

import pytest
import torch

from vaecli.parts.optimizers import OPTIMIZERS
from vaecli.training.schedules import lr_multiplier

REFERENCE = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": partial(torch.optim.SGD, momentum=0.9),
}
FUSED = ("_fused_adamw_", "_fused_sgd_")


def refuse(*_, **__):
    raise NotImplementedError("Could not run 'aten::_fused' with arguments from this backend.")


@pytest.fixture(params=["fused", "missing kernel", "unsupported device"])
def kernel(request, monkeypatch):
    """The three cases in which an optimizer may find itself."""
    for name in FUSED:
        if request.param == "missing kernel":
            monkeypatch.delattr(torch, name)
        elif request.param == "unsupported device":
            monkeypatch.setattr(torch, name, refuse)
    return request.param


def walk(make):
    """Parameters after twenty steps down a bumpy slope, and the optimizer."""
    torch.manual_seed(0)
    parameters = [torch.nn.Parameter(torch.randn(4, 3)), torch.nn.Parameter(torch.randn(3))]
    optimizer = make(parameters)
    for _ in range(20):
        for p in parameters:
            p.grad = None
        (parameters[0] @ parameters[1] + parameters[0].sin().sum()).square().sum().backward()
        optimizer.step()
    return parameters, optimizer


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_equal_those_of_torch(name, kernel):
    ours, optimizer = walk(lambda p: OPTIMIZERS[name](p, 1e-2))
    theirs, reference = walk(lambda p: REFERENCE[name](p, lr=1e-2))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    for i, parameter in enumerate(theirs):
        for key, value in reference.state[parameter].items():
            name_of_ours = {"step": "step", "momentum_buffer": f"momentum.{i}"}.get(
                key, f"{key}.{i}"
            )
            torch.testing.assert_close(optimizer.state()[name_of_ours], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "decay"), [("adam", {}), ("adamw", {}), ("adamw", {"weight_decay": 0.3})]
)
def test_options_work_as_those_of_torch(name, decay, kernel):
    ours, _ = walk(lambda p: OPTIMIZERS[name](p, 1e-2, beta2=0.9, **decay))
    theirs, _ = walk(lambda p: REFERENCE[name](p, lr=1e-2, betas=(0.9, 0.9), **decay))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_with_and_without_a_fused_kernel_the_state_is_the_same(name, monkeypatch):
    _, fused = walk(lambda p: OPTIMIZERS[name](p, 1e-2))
    for kernel_name in FUSED:
        monkeypatch.delattr(torch, kernel_name)
    _, loop = walk(lambda p: OPTIMIZERS[name](p, 1e-2))
    assert fused.state().keys() == loop.state().keys()
    for key, tensor in fused.state().items():
        torch.testing.assert_close(loop.state()[key], tensor, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_drops_the_gradients(name, kernel):
    p = torch.nn.Parameter(torch.ones(2))
    p.square().sum().backward()
    OPTIMIZERS[name]([p], 0.1).step()
    assert p.grad is None
    assert (p < 1).all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_parameter_without_a_gradient_stays_as_it_is(name, kernel):
    frozen = torch.nn.Parameter(torch.ones(3), requires_grad=False)

    def make(optimizer, **options):
        return walk(lambda p: optimizer([frozen, *p], **options))

    ours, optimizer = make(OPTIMIZERS[name], lr=1e-2)
    theirs, _ = make(REFERENCE[name], lr=1e-2)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    assert (frozen == 1).all()
    assert not any(t.any() for key, t in optimizer.state().items() if key.endswith(".0"))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_without_any_gradient_changes_nothing(name, kernel):
    p = torch.nn.Parameter(torch.ones(3))
    optimizer = OPTIMIZERS[name]([p], 0.1)
    optimizer.step()
    assert (p == 1).all()
    assert not any(tensor.any() for tensor in optimizer.state().values())


PARTS = [i / 100 for i in range(101)]


def test_schedules_fall_from_one_to_nothing():
    assert {lr_multiplier("constant", 0, part) for part in PARTS} == {1}
    for schedule in ("linear", "cosine"):
        factors = [lr_multiplier(schedule, 0, part) for part in PARTS]
        assert (factors[0], factors[50], factors[100]) == pytest.approx((1, 0.5, 0))
        assert factors == sorted(factors, reverse=True)
    linear = torch.optim.lr_scheduler.LinearLR(plain(), 1.0, 0.0, 100)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(plain(), 100)
    assert [lr_multiplier("linear", 0, part) for part in PARTS] == pytest.approx(
        rates(linear), abs=1e-9
    )
    assert [lr_multiplier("cosine", 0, part) for part in PARTS] == pytest.approx(
        rates(cosine), abs=1e-9
    )


def test_warm_up_grows_in_a_straight_line_and_then_leaves_the_schedule_alone():
    for schedule in ("constant", "linear", "cosine"):
        for part in PARTS:
            wanted = lr_multiplier(schedule, 0, part) * min(1, part / 0.25)
            assert lr_multiplier(schedule, 0.25, part) == pytest.approx(wanted)


def plain():
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)


def rates(scheduler):
    found = []
    for _ in PARTS:
        found.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    return found

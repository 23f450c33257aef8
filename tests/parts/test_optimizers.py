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


LR = 0.1
GRADIENTS = [[0.5, -2.0], [1.5, 0.25], [-1.0, 1.0]]


def by_hand(name, weight_decay=0.0, beta2=0.999):
    """Three steps from (1, -1), from the formulas of the papers, in plain numbers."""
    points = []
    for d in range(2):
        p, first, second = [1.0, -1.0][d], 0.0, 0.0
        for step, gradient in enumerate(GRADIENTS, 1):
            g = gradient[d]
            if name == "sgd":
                first = 0.9 * first + g
                p -= LR * first
                continue
            first = 0.9 * first + 0.1 * g
            second = beta2 * second + (1 - beta2) * g**2
            p -= LR * weight_decay * p
            root = (second / (1 - beta2**step)) ** 0.5
            p -= LR * first / (1 - 0.9**step) / (root + 1e-8)
        points.append(p)
    return points


def three_steps(name, before=0, after=0, **options):
    """The parameter after three steps; parameters beside it never get a gradient."""
    moved = torch.nn.Parameter(torch.tensor([1.0, -1.0], dtype=torch.float64))
    others = [torch.nn.Parameter(torch.ones(3).double()) for _ in range(before + after)]
    optimizer = OPTIMIZERS[name]([*others[:before], moved, *others[before:]], LR, **options)
    for gradient in GRADIENTS:
        moved.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
    for other in others:
        assert torch.equal(other, torch.ones(3).double())
    return moved.detach(), optimizer


CASES = [
    ("adam", {}, {}),
    ("adam", {"beta2": 0.5}, {"beta2": 0.5}),
    ("adamw", {}, {"weight_decay": 0.01}),
    ("adamw", {"weight_decay": 0.3, "beta2": 0.9}, {"weight_decay": 0.3, "beta2": 0.9}),
    ("sgd", {}, {}),
]


@pytest.mark.parametrize(("name", "options", "formula"), CASES)
@pytest.mark.parametrize(("before", "after"), [(0, 0), (2, 0), (0, 1)])
def test_steps_are_the_formulas_also_beside_frozen_parameters(
    name, options, formula, before, after
):
    moved, optimizer = three_steps(name, before, after, **options)
    wanted = torch.tensor(by_hand(name, **formula), dtype=torch.float64)
    torch.testing.assert_close(moved, wanted, rtol=1e-9, atol=0)
    averages = [t for key, t in optimizer.state().items() if key.endswith(f".{before}")]
    assert len(averages) == (1 if name == "sgd" else 2)
    assert all((average != 0).all() for average in averages)  # kept beside their own parameter
    for key, tensor in optimizer.state().items():
        assert key == "step" or key.endswith(f".{before}") or (tensor == 0).all(), key


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_step_takes_the_learning_rate_of_the_moment(name):
    """A schedule sets it between steps; a rate of 0 leaves the parameters where they are."""
    p = torch.nn.Parameter(torch.tensor([1.0, -1.0], dtype=torch.float64))
    optimizer = OPTIMIZERS[name]([p], LR)
    moves = []
    for lr in (0.1, 0.0, 0.2):
        before = p.detach().clone()
        optimizer.lr = lr
        p.grad = torch.ones(2).double()
        optimizer.step()
        moves.append((before - p.detach())[1].item())
    first, second, third = moves
    assert first == pytest.approx(0.1, rel=0.02)
    assert second == 0
    # the gradient is constant: so are Adam's averages, and momentum is 1 + 0.9 + 0.81
    wanted = 0.2 * 2.71 if name == "sgd" else 0.2
    assert third == pytest.approx(wanted, rel=0.02)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_state_of_all_tensors_goes_on_as_if_never_stopped(name):
    whole, _ = three_steps(name)
    p = torch.nn.Parameter(torch.tensor([1.0, -1.0], dtype=torch.float64))
    state = None
    for gradient in GRADIENTS:
        optimizer = OPTIMIZERS[name]([p], LR)  # a new process at every step
        if state is not None:
            assert optimizer.state().keys() == state.keys()
            for key, tensor in optimizer.state().items():
                tensor.copy_(state[key])
        p.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        state = {key: tensor.clone() for key, tensor in optimizer.state().items()}
    assert torch.equal(p.detach(), whole)


def test_a_step_without_any_gradient_changes_nothing():
    for make in OPTIMIZERS.values():
        p = torch.nn.Parameter(torch.ones(2))
        optimizer = make([p], 0.1)
        optimizer.step()
        assert all((tensor == 0).all() for tensor in optimizer.state().values())
        assert torch.equal(p.detach(), torch.ones(2))

"""Learning-rate schedules, compared with those of torch."""

import pytest
import torch

from vaecli.training.schedules import lr_multiplier

PROGRESS = [i / 100 for i in range(101)]


def torch_rates(make):
    """The learning rate of a scheduler of torch at each of 101 points."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in PROGRESS:
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return rates


def test_a_constant_schedule_is_one():
    assert {lr_multiplier("constant", 0, progress) for progress in PROGRESS} == {1}


@pytest.mark.parametrize(
    ("schedule", "make"),
    [
        ("linear", lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.0, 100)),
        ("cosine", lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 100)),
    ],
)
def test_schedules_fall_from_one_to_zero_as_those_of_torch(schedule, make):
    found = [lr_multiplier(schedule, 0, progress) for progress in PROGRESS]
    assert (found[0], found[50], found[100]) == pytest.approx((1, 0.5, 0))
    assert found == sorted(found, reverse=True)
    assert found == pytest.approx(torch_rates(make), abs=1e-9)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_warm_up_is_linear_and_then_leaves_the_schedule_as_it_is(schedule):
    for progress in PROGRESS:
        expected = lr_multiplier(schedule, 0, progress) * min(1, progress / 0.25)
        assert lr_multiplier(schedule, 0.25, progress) == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
@pytest.mark.parametrize("warmup", [0.01, 0.3, 0.999])
def test_warm_up_begins_at_zero_and_ends_where_it_says(schedule, warmup):
    assert lr_multiplier(schedule, warmup, 0.0) == 0
    assert lr_multiplier(schedule, warmup, warmup) == lr_multiplier(schedule, 0.0, warmup)
    before = lr_multiplier(schedule, warmup, warmup / 2)
    assert before == pytest.approx(lr_multiplier(schedule, 0.0, warmup / 2) / 2)
    after = (1 + warmup) / 2
    assert lr_multiplier(schedule, warmup, after) == lr_multiplier(schedule, 0.0, after)


def test_a_quarter_of_each_schedule_is_where_it_belongs():
    found = {name: lr_multiplier(name, 0.0, 0.25) for name in ("constant", "linear", "cosine")}
    assert found == pytest.approx({"constant": 1, "linear": 0.75, "cosine": 0.8535533906})
    for name, end in (("constant", 1), ("linear", 0), ("cosine", 0)):
        assert lr_multiplier(name, 0.5, 1.0) == end


def test_an_unknown_schedule_is_an_error():
    with pytest.raises(KeyError):
        lr_multiplier("exponential", 0.0, 0.5)

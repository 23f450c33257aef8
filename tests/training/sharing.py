"""Training by one process, and by several that share every batch: how far apart they end."""

import traceback
from collections.abc import Callable

import torch
from torch import Tensor
from torch import distributed as dist

from tests.training.sharing_cases import Case
from vaecli.config.presets import config_from_layers
from vaecli.data.images import Images
from vaecli.training.loop import Step, fit
from vaecli.training.state import start

STEPS = 20
TRAIN = 78  # seven batches of 11, which no number of processes divides, and one of one image
TEST = 23
SMALL: Case = {
    "epochs": 4,
    "batch_size": 11,
    "latent_dim": 4,
    "lr": 2e-3,
    "network": "mlp:width=12,depth=1",
    "fitted_prior": "none",
    "device": "cpu",
}


def images(count: int, seed: int, channels: int, binarize: str) -> Images:
    """Random images of three classes, 8x8 pixels."""
    random = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 256, (count, channels, 8, 8), dtype=torch.uint8, generator=random)
    return Images(x, torch.arange(count) % 3, 3, binarize)


def train(case: Case) -> dict[str, Tensor]:
    """All tensors of the state after some steps, and the metrics of the epochs before, by name."""
    options = {**SMALL, **case}
    channels = options.pop("image_channels", 1)
    steps = options.pop("steps", STEPS)
    config = config_from_layers(options)
    training = images(TRAIN, 1, channels, config.binarize)
    test = images(TEST, 2, channels, config.binarize)
    if config.labels is not None:
        training = training.hide_labels(config.labels, seed=0)
    state = start(config, training)
    found: dict[str, Tensor] = {}
    for event in fit(state, training, test):
        if not isinstance(event, Step):
            metrics = {**event.train, **{f"test {name}": v for name, v in event.test.items()}}
            for name, value in metrics.items():
                found[f"{name} of epoch {event.number}"] = torch.tensor(value)
        elif state.steps == steps:
            break
    return found | {name: tensor.detach().clone() for name, tensor in state.tensors().items()}


def differences(expected: dict[str, Tensor], found: dict[str, Tensor]) -> dict[str, float]:
    """The largest difference of every result, relative to the largest number in it."""
    assert list(expected) == list(found)
    return {
        name: float((found[name] - e).abs().max() / e.abs().max().clamp(min=1e-3))
        for name, e in expected.items()
        if e.numel()
    }


def compare(
    cases: dict[str, Case], rank: int, connect: Callable[[], None]
) -> dict[str, tuple[float, str]]:
    """By case, in process 0, the largest difference from one process and the result that has it.

    An error, and a result that is not the same in every process, is an infinite difference.
    """
    alone = {name: train(case) for name, case in cases.items() if rank == 0}
    connect()
    worst: dict[str, tuple[float, str]] = {}
    for name, case in cases.items():
        try:
            together = train(case)
        except Exception:
            worst[name] = (1e999, traceback.format_exc())
            continue
        everywhere: list[dict[str, Tensor]] = [{}] * dist.get_world_size()
        dist.all_gather_object(everywhere, together)
        if rank > 0:
            continue
        found = differences(alone[name], together)
        for n, other in enumerate(everywhere):
            if not all(torch.equal(other[key], tensor) for key, tensor in together.items()):
                found[f"not the same in process {n}"] = 1e999
        key = max(found, key=lambda key: (found[key] != found[key], found[key]))
        worst[name] = (found[key], key)
    return worst

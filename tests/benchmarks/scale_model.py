"""A model of the time of a training step by many processes: what they compute, and what they send.

    python -m tests.benchmarks.scale_model [--measure]

Prints the tables of `.github/docs/scale.md`, which says where the figures come from. A step of N
processes that share a batch takes

    overhead + ceil(batch / N) * FLOPs per image / speed + all-reduce

where the overhead holds what every process does whatever its rows are: starting the operations, and
reading and writing the parameters, their gradients and the optimizer's averages. The all-reduce of
the gradients begins when the backward pass has ended, so that the times add up:

    hops * latency + 2 (N - 1) / N * bytes / bandwidth

with 2 (N - 1) hops in a ring (gloo) and 2 log2(N) in a tree (NCCL).

References:
    Bandwidth optimal all-reduce algorithms for clusters of workstations (Patarasu & Yuan, 2009),
        https://doi.org/10.1016/j.jpdc.2008.09.002
    Massively Scale Your Deep Learning Training with NCCL 2.4 (Jeaugey, 2019),
        https://developer.nvidia.com/blog/massively-scale-deep-learning-training-nccl-2-4/
"""

import argparse
import math
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from vaecli.config.build import build, resolve
from vaecli.config.presets import config_from_layers

FLOAT = 4  # bytes
# Of a parameter, in a step: Adam reads four numbers and writes three, and the gradients are copied
# into one buffer and back.
BYTES_TOUCHED = 11 * FLOAT
COUNTS = (8, 64)  # processes


@dataclass(frozen=True)
class Model:
    """What a step of training computes.

    Attributes:
        name: Its options, and the images.
        parameters: Their number; each has a gradient.
        flops: Floating-point operations per image, forward and backward.
        core_speed: Of one core, in FLOP/s.
        options: Those of `Config`.
        shape: Shape of an image, (C, H, W).
    """

    name: str
    parameters: int
    flops: float
    core_speed: float
    options: dict[str, Any] = field(default_factory=dict)
    shape: tuple[int, int, int] = (1, 28, 28)

    @property
    def megabytes(self) -> float:
        """What the processes exchange in a step, in MB."""
        return self.parameters * FLOAT / 1e6


@dataclass(frozen=True)
class Device:
    """What one process computes with.

    Attributes:
        name: Its name.
        speed: Of the products of a step, in FLOP/s; None for that of a core, which differs from
            model to model.
        memory: Bandwidth of its memory, in bytes/s.
        overhead: Seconds that a step takes to start its operations.
    """

    name: str
    speed: float | None
    memory: float
    overhead: float


@dataclass(frozen=True)
class Network:
    """What the processes exchange gradients over.

    Attributes:
        name: Its name.
        bandwidth: Of each process, in bytes/s.
        latency: Seconds of a hop.
        is_tree: Whether hops grow with the logarithm of the processes; else they are in a ring.
        most: Processes that it connects.
    """

    name: str
    bandwidth: float
    latency: float
    is_tree: bool = False
    most: int = 1000


# From --measure, on one core of an AMD EPYC with AVX-512.
MODELS = (
    Model("default, MNIST", 973_624, 5.2e6, 89e9),
    Model("`conv`, MNIST", 106_040, 8.128512e6, 25e9, {"network": "conv"}),
    Model(
        "preset `conv-map`, 64x64 in colour",
        111_881,
        170.655744e6,
        119e9,
        {"preset": "conv-map", "latent_dim": 1024},
        (3, 64, 64),
    ),
    Model("`mlp:width=4600`, MNIST", 49_828_024, 291.64e6, 117e9, {"network": "mlp:width=4600"}),
)
CORE = Device("CPU core", speed=None, memory=10e9, overhead=0.9e-3)
GPU = Device("H100 GPU", speed=30e12, memory=2.5e12, overhead=1.5e-3)
PLATFORMS = (
    (CORE, Network("gloo, 1 Gb/s Ethernet", 0.117e9, 50e-6)),
    (CORE, Network("gloo, 10 Gb/s Ethernet", 1.17e9, 50e-6)),
    (CORE, Network("gloo, 25 Gb/s Ethernet", 2.9e9, 50e-6)),
    (GPU, Network("NCCL, NVLink 4", 360e9, 4e-6, is_tree=True, most=8)),
    (GPU, Network("NCCL, InfiniBand NDR 400 Gb/s", 45e9, 10e-6, is_tree=True)),
)


def all_reduce_seconds(size: float, network: Network, count: int) -> float:
    """Seconds in which `count` processes add up `size` bytes."""
    hops = 2 * math.log2(count) if network.is_tree else 2 * (count - 1)
    return hops * network.latency + 2 * (count - 1) / count * size / network.bandwidth


def fixed_seconds(model: Model, device: Device) -> float:
    """Seconds of a step that do not depend on the batch."""
    return device.overhead + model.parameters * BYTES_TOUCHED / device.memory


def image_seconds(model: Model, device: Device) -> float:
    """Seconds that each image adds to a step."""
    return model.flops / (device.speed or model.core_speed)


def step_seconds(model: Model, device: Device, network: Network, batch: int, count: int) -> float:
    """Seconds of a step of `count` processes that share a batch."""
    rows = math.ceil(batch / count)
    computing = fixed_seconds(model, device) + rows * image_seconds(model, device)
    return computing + all_reduce_seconds(model.parameters * FLOAT, network, count)


def speed_up(model: Model, device: Device, network: Network, batch: int, count: int) -> float:
    """The time of a step of one process, divided by that of `count`."""
    alone = step_seconds(model, device, network, batch, 1)
    return alone / step_seconds(model, device, network, batch, count)


def batch_for(model: Model, device: Device, network: Network, count: int, efficiency: float) -> int:
    """The smallest global batch with which `count` processes are so efficient.

    Args:
        efficiency: Speed-up divided by `count`: 1 / count is as fast as one process.
    """
    fixed = fixed_seconds(model, device)
    sending = all_reduce_seconds(model.parameters * FLOAT, network, count)
    # fixed + b t = efficiency * count * (fixed + sending + b t / count), solved for b
    gained = (1 - efficiency) * image_seconds(model, device)
    lost = efficiency * count * (fixed + sending) - fixed
    return max(count, math.ceil(lost / gained))


def models_table() -> list[str]:
    """A line for each model: what it exchanges and what it computes."""
    lines = ["| model | parameters | gradients | FLOPs per image |", "|---|---|---|---|"]
    lines += [
        f"| {m.name} | {m.parameters:,} | {m.megabytes:.1f} MB | {m.flops / 1e6:.1f} million |"
        for m in MODELS
    ]
    return lines


def scaling_table() -> list[str]:
    """A line for each model, device and network."""
    heads = ["model", "each process", "network"]
    for count in COUNTS:
        heads += [f"all-reduce, {count}", f"speed-up at 128, {count}", f"half, {count}"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for model in MODELS:
        for device, network in PLATFORMS:
            cells = [model.name, device.name, network.name]
            for count in COUNTS:
                cells += _cells(model, device, network, count)
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def _cells(model: Model, device: Device, network: Network, count: int) -> list[str]:
    if count > network.most:
        return ["-", "-", "-"]
    sending = all_reduce_seconds(model.parameters * FLOAT, network, count)
    gain = speed_up(model, device, network, 128, count)
    half = batch_for(model, device, network, count, 0.5)
    return [f"{sending * 1000:.3g} ms", f"{gain:.2g}", f"{half:,}"]


def measure(model: Model) -> str:
    """What this machine says of a model: parameters, FLOPs, and the speed of one core."""
    torch.manual_seed(0)
    config = resolve(config_from_layers(model.options))
    vae, objective = build(config, model.shape, 0)

    def step(images: int) -> None:
        x = torch.rand(images, *model.shape)
        objective(vae, x, None, 1.0).loss.backward()

    with FlopCounterMode(display=False) as counter:
        step(1)
    seconds = {}
    for images in (8, 40):
        step(images)
        began = time.perf_counter()
        for _ in range(5):
            step(images)
        seconds[images] = (time.perf_counter() - began) / 5
    speed = counter.get_total_flops() * 32 / (seconds[40] - seconds[8])
    parameters = sum(parameter.numel() for parameter in vae.parameters())
    return (
        f"{model.name}: {parameters:,} parameters, {counter.get_total_flops() / 1e6:.6f} million "
        f"FLOPs per image, {speed / 1e9:.0f} GFLOP/s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", action="store_true", help="measure the models instead")
    if parser.parse_args().measure:
        torch.set_num_threads(1)
        for model in MODELS:
            print(measure(model))
    else:
        print("\n".join([*models_table(), "", *scaling_table()]))


if __name__ == "__main__":
    main()

"""Where random numbers come from: independent streams, each named by what it is for.

Training noise depends on (seed, epoch, batch) alone. Drawing a picture or computing the test loss
between two batches therefore changes nothing in training.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def stream(*key: int | str) -> int:
    """A 32-bit seed for the stream of this name, such as `stream(seed, "noise", epoch, batch)`.

    Torch's generator on a CPU reads 32 bits of its seed, so that 0 and 2^32 would be the same;
    hashed, they are not.
    """
    digest = hashlib.sha256(repr(key).encode()).digest()
    return int.from_bytes(digest[:4], "little")


def generator(*key: int | str) -> torch.Generator:
    """A generator of its own (CPU) for the stream of this name."""
    return torch.Generator().manual_seed(stream(*key))


def reseed(device: torch.device, *key: int | str) -> None:
    """Let everything that `device` draws from now on come from the stream of this name."""
    seed = stream(*key)
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        module = torch.get_device_module(device)
        getattr(module, "manual_seed_all", module.manual_seed)(seed)  # mps is one device only


@contextmanager
def seeded(device: torch.device, *key: int | str) -> Iterator[None]:
    """Draw from the stream of this name inside, and leave the generators as they were."""
    module, where = torch.get_device_module(device), (device,) if device.type == "cuda" else ()
    host = torch.get_rng_state()
    accelerator = None if device.type == "cpu" else module.get_rng_state(*where)
    reseed(device, *key)
    try:
        yield
    finally:
        torch.set_rng_state(host)
        if accelerator is not None:
            module.set_rng_state(accelerator, *where)

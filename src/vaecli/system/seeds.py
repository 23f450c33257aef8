"""Independent random streams, each with the name of its use.

Training noise depends only on seed, epoch and batch. Saving a picture or evaluating between two
batches therefore does not change training.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive_seed(*key: int | str) -> int:
    """The 32-bit seed of the stream with this name, as in `derive_seed(seed, "noise", 1, 2)`.

    torch's CPU generator uses only 32 bits of a seed: without the hash, the seeds 0 and 2^32 would
    give the same numbers.
    """
    digest = hashlib.sha256(repr(key).encode()).digest()
    return int.from_bytes(digest[:4], "little")


def stream_generator(*key: int | str) -> torch.Generator:
    """A new CPU generator that produces the stream with this name."""
    return torch.Generator().manual_seed(derive_seed(*key))


def seed_device(device: torch.device, *key: int | str) -> None:
    """Seed the global generators of the CPU and of `device` with the stream of this name."""
    seed = derive_seed(*key)
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        module = torch.get_device_module(device)
        # mps is a single device and has no manual_seed_all.
        seed_all = getattr(module, "manual_seed_all", module.manual_seed)
        seed_all(seed)


@contextmanager
def random_stream(device: torch.device, *key: int | str) -> Iterator[None]:
    """Inside the `with` block, torch's generators follow the stream of this name.

    Afterwards their states are restored.
    """
    module = torch.get_device_module(device)
    index = (device,) if device.type == "cuda" else ()
    cpu_state = torch.get_rng_state()
    device_state = None if device.type == "cpu" else module.get_rng_state(*index)
    seed_device(device, *key)
    try:
        yield
    finally:
        torch.set_rng_state(cpu_state)
        if device_state is not None:
            module.set_rng_state(device_state, *index)

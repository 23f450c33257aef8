"""Choice of the torch device, and a check of torch.compile."""

import torch

from .errors import ConfigError


def select_device(name: str) -> torch.device:
    """The device with this name.

    Args:
        name: cpu, mps, cuda (the first GPU), cuda:N, or auto: cuda if available, else mps, else
            cpu.

    Raises:
        ConfigError: This machine has no such device.
    """
    available = [f"cuda:{n}" for n in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        available.append("mps")
    available.append("cpu")
    if name == "auto":
        return torch.device(available[0])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in available:
        raise ConfigError(f"device={name!r}: this machine has {', '.join(available)}.")
    return torch.device(wanted)


def can_compile() -> bool:
    """Whether `torch.compile` works on this machine, tested with one small function."""
    try:
        torch.compile(torch.neg)(torch.zeros(1))
    except Exception:  # of many types: no compiler, no headers, an unsupported Python version
        return False
    return True

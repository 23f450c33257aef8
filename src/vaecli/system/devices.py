"""Devices by name."""

import torch

from .errors import ConfigError


def device(name: str) -> torch.device:
    """The device of this name; `auto` is cuda, then mps, then cpu, whichever there is first."""
    there = [f"cuda:{n}" for n in range(torch.cuda.device_count())]
    there += ["mps"] * torch.backends.mps.is_available() + ["cpu"]
    if name == "auto":
        return torch.device(there[0])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in there:
        raise ConfigError(f"--device {name}: this machine has {', '.join(there)}.")
    return torch.device(wanted)

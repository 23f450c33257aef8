"""Choice of the torch device, and a check of torch.compile."""

import torch

from .errors import ConfigError
from .process_variables import local_count, local_rank
from .processes import count


def select_device(name: str) -> torch.device:
    """The device with this name.

    Args:
        name: cpu, mps, cuda (the first GPU), cuda:N, or auto: cuda if available, else mps, else
            cpu. Of several processes each has a GPU of its own, or all are on the CPU.

    Raises:
        ConfigError: This machine has no such device.
    """
    if count() > 1 and not (name.startswith("cuda") and not torch.cuda.device_count()):
        return _select_own_device(name)
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


def _select_own_device(name: str) -> torch.device:
    """The device of this process, one of several."""
    gpus = torch.cuda.device_count()
    if name == "cpu" or (name == "auto" and not gpus):
        return torch.device("cpu")
    if name not in ("auto", "cuda"):
        raise ConfigError(
            f"device={name!r}: several processes need device='cuda', a GPU each, or device='cpu'."
        )
    if local_count() > gpus:
        raise ConfigError(
            f"devices={local_count()}: this machine has GPUs for {gpus} processes; start no more, "
            "or add device='cpu'."
        )
    torch.cuda.set_device(local_rank())
    return torch.device("cuda", local_rank())


def can_compile() -> bool:
    """Whether `torch.compile` works on this machine, tested with one small function."""
    try:
        torch.compile(torch.neg)(torch.zeros(1))
    except Exception:  # of many types: no compiler, no headers, an unsupported Python version
        return False
    return True

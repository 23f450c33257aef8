"""Train, sample and inspect variational autoencoders from the command line.

The names below are resolved when first used, so that `import vaecli` does not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .system.version import __version__ as __version__

if TYPE_CHECKING:
    from .config.config import Config as Config
    from .data.images import Images as Images
    from .data.splits import load as load
    from .model import VAE as VAE
    from .model import Draw as Draw
    from .run import Run as Run
    from .run import open as open
    from .training.epoch import Epoch as Epoch
    from .training.loop import Step as Step
    from .training.loop import fit as fit
    from .training.state import start as start

_HOMES = {
    "Config": "config.config",
    "Images": "data.images",
    "load": "data.splits",
    "VAE": "model",
    "Draw": "model",
    "Run": "run",
    "open": "run",
    "Epoch": "training.epoch",
    "Step": "training.loop",
    "fit": "training.loop",
    "start": "training.state",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vaecli' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*_HOMES, "__version__"])

"""Train, sample and inspect variational autoencoders from the command line.

The names below are resolved when first used, so that `import vaecli` does not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import Config as Config
    from .data import Images as Images
    from .data import load as load
    from .epoch import Epoch as Epoch
    from .model import VAE as VAE
    from .model import Draw as Draw
    from .run import Run as Run
    from .run import open as open
    from .training import Step as Step
    from .training import fit as fit
    from .training import start as start

__version__ = "0.1.0"

_NAMES = {
    "config": ["Config"],
    "data": ["Images", "load"],
    "model": ["VAE", "Draw"],
    "run": ["Run", "open"],
    "epoch": ["Epoch"],
    "training": ["Step", "fit", "start"],
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vaecli' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*_HOMES, "__version__"])

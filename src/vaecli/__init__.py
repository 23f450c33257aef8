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
    from .run.find import open_run as open
    from .run.run import Run as Run
    from .training.epoch import Epoch as Epoch
    from .training.loop import Step as Step
    from .training.loop import fit as fit
    from .training.runtime import setup_runtime as setup_runtime
    from .training.state import start as start

__all__ = [
    "VAE",
    "Config",
    "Draw",
    "Epoch",
    "Images",
    "Run",
    "Step",
    "__version__",
    "fit",
    "load",
    "open",
    "setup_runtime",
    "start",
]

# Public name: the module that has it, and its name there.
_HOMES = {
    "Config": ("config.config", "Config"),
    "Images": ("data.images", "Images"),
    "load": ("data.splits", "load"),
    "VAE": ("model", "VAE"),
    "Draw": ("model", "Draw"),
    "Run": ("run.run", "Run"),
    "open": ("run.find", "open_run"),
    "Epoch": ("training.epoch", "Epoch"),
    "Step": ("training.loop", "Step"),
    "fit": ("training.loop", "fit"),
    "start": ("training.state", "start"),
    "setup_runtime": ("training.runtime", "setup_runtime"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vaecli' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(f".{module}", __name__), attribute)


def __dir__() -> list[str]:
    return __all__

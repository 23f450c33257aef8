"""The pictures that `vaecli train` makes without being asked."""

from collections.abc import Callable
from typing import TYPE_CHECKING, final

from .. import defaults
from ..errors import VaecliError

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from ..data import Images
    from ..run import Run
    from ..training import State


@final
class Pictures:
    """Draws into a run directory. A picture that cannot be written warns and stops nothing.

    Args:
        run: Takes the pictures.
        state: Holds the model, which goes on learning.
        warn: Called with one line when a picture cannot be written.
    """

    def __init__(self, run: "Run", state: "State", warn: Callable[[str], None]) -> None:
        self.run, self.state, self.warn = run, state, warn

    def before(self, train: "Images") -> None:
        """The first training images."""
        from .. import images, run

        self._image(run.DATA_PICTURE, images.grid(_first(train, defaults.SAMPLES)))

    def epoch(self, number: int) -> None:
        """Samples from the same latents as in every epoch, so that pictures compare."""
        from .. import images, run

        x = self._samples(defaults.SAMPLES)
        self._image(run.EPOCH_SAMPLES.format(number), images.grid(x))

    def after(self, test: "Images") -> None:
        """Samples, samples beside real images, reconstructions and the loss curve."""
        from .. import images, plots, run
        from ..evaluation import evaluating

        model, half = self.state.model, defaults.SAMPLES // 2
        self._image(run.SAMPLES, images.grid(self._samples(defaults.SAMPLES)))
        real, generated = _first(test, half), self._samples(half)
        both = {"real": images.grid(real, 4), "generated": images.grid(generated, 4)}
        self._image(run.REAL_AND_GENERATED, images.beside(both))
        x = _first(test, defaults.RECONSTRUCTIONS).to(model.device)
        with evaluating(model):
            self._image(run.RECONSTRUCTIONS, images.pairs(x, model.reconstruct(x)))
        self._write(run.LOSS_PLOT, plots.losses({str(self.run.folder): self.run.losses()}))

    def _samples(self, count: int) -> "Tensor":
        from ..evaluation import evaluating
        from ..seeds import seeded

        model, seed = self.state.model, self.state.config.seed
        with seeded(model.device, seed, "samples"), evaluating(model):
            return model.sample(count)

    def _image(self, name: str, picture: "Image") -> None:
        from .. import images

        self._write(name, images.encode(picture))

    def _write(self, name: str, content: bytes) -> None:
        from .. import files

        try:
            files.write(self.run.folder / name, content)
        except VaecliError as error:
            self.warn(f"{error} Training goes on.")


def _first(images: "Images", count: int) -> "Tensor":
    return images.first(min(count, len(images))).pixels(slice(None))

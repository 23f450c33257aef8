"""The pictures that `vaecli train` makes without being asked."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..config import defaults

if TYPE_CHECKING:
    from torch import Tensor

    from ..data.images import Images
    from ..model import VAE
    from ..run import Run


HALF = defaults.SAMPLES // 2  # images real, and as many generated


class Pictures:
    """Draws into a run directory. A picture that cannot be written warns and stops nothing.

    Args:
        run: Takes the pictures.
        model: May go on learning.
        seed: Of the samples.
        warn: Called with one line when a picture cannot be written.
    """

    def __init__(self, run: "Run", model: "VAE", seed: int, warn: Callable[[str], None]) -> None:
        self.run, self.model, self.seed, self.warn = run, model, seed, warn

    def before(self, train: "Images") -> None:
        """The first training images."""
        from ..run import names

        self._draw(names.DATA_PICTURE, lambda: _grid(_first(train, defaults.SAMPLES)))

    def epoch(self, number: int) -> None:
        """Samples from the same latents as in every epoch, so that pictures compare."""
        from ..run import names

        name = names.EPOCH_SAMPLES.format(number)
        self._draw(name, lambda: _grid(self._samples(defaults.SAMPLES)))

    def after(self, test: "Images") -> None:
        """Samples, samples beside real images, reconstructions and the loss curve."""
        from ..run import names

        self._draw(names.SAMPLES, lambda: _grid(self._samples(defaults.SAMPLES)))
        self._draw(names.REAL_AND_GENERATED, lambda: self._beside(_first(test, HALF)))
        first = test.subset(slice(defaults.RECONSTRUCTIONS))
        self._draw(names.RECONSTRUCTIONS, lambda: self._reconstructed(first))
        self._draw(names.LOSS_PLOT, self._losses)

    def _samples(self, count: int) -> "Tensor":
        from ..evaluation.batches import evaluating
        from ..system.seeds import random_stream

        with random_stream(self.model.device, self.seed, "samples"), evaluating(self.model):
            return self.model.sample(count)

    def _beside(self, real: "Tensor") -> bytes:
        from ..pictures import grids as images

        both = {"real": images.grid(real, 4), "generated": images.grid(self._samples(HALF), 4)}
        return images.encode(images.beside(both))

    def _reconstructed(self, first: "Images") -> bytes:
        from ..evaluation import decoding
        from ..pictures import grids as images

        return images.encode(images.pairs(*decoding.reconstruct(self.model, first)))

    def _losses(self) -> bytes:
        from ..pictures import loss_curves

        return loss_curves.losses({str(self.run.folder): self.run.losses()})

    def _draw(self, name: str, make: Callable[[], bytes]) -> None:
        from ..system import files

        try:
            files.write_atomic(self.run.folder / name, make())
        except Exception as error:  # whatever it is: no picture is worth a training
            self.warn(f"{name} is not drawn: {error} Training goes on.")


def _grid(x: "Tensor") -> bytes:
    from ..pictures import grids as images

    return images.encode(images.grid(x))


def _first(images: "Images", count: int) -> "Tensor":
    from ..system.seeds import random_stream

    with random_stream(images.x.device, "pictures"):
        return images.subset(slice(count)).pixels(slice(None))

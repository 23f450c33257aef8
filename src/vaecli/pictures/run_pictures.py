"""The pictures that training saves in the run directory."""

from collections.abc import Callable, Mapping

from torch import Tensor

from ..config import defaults
from ..data.images import Images
from ..evaluation import decoding
from ..model import VAE
from ..run import names
from ..run.run import Run
from ..system import files
from ..system.seeds import random_stream
from . import grids, loss_curves

COMPARED = defaults.SAMPLES // 2  # number of real images; the generated ones are as many
COMPARED_COLUMNS = 4


class RunPictures:
    """Saves pictures into a run directory.

    A picture that cannot be saved must not stop training: every method returns a list of warnings,
    one for each picture that failed.

    Args:
        run: The run to save the pictures in.
        model: May be in training: its mode and the random state are left unchanged.
        seed: Seed of the samples. All pictures show the same latents, so that they can be compared.
    """

    def __init__(self, run: Run, model: VAE, seed: int) -> None:
        self.run = run
        self.model = model
        self.seed = seed

    def draw_data(self, train: Images) -> list[str]:
        """Save the first training images."""
        return self._save({names.DATA_PICTURE: lambda: _grid(_first(train, defaults.SAMPLES))})

    def draw_epoch(self, number: int) -> list[str]:
        """Save samples of the model after epoch `number`."""
        return self._save({names.EPOCH_SAMPLES.format(number): self._draw_samples})

    def draw_results(self, test: Images) -> list[str]:
        """Save samples, samples beside test images, reconstructions and the loss curves."""
        return self._save(
            {
                names.SAMPLES: self._draw_samples,
                names.REAL_AND_GENERATED: lambda: self._compare(test),
                names.RECONSTRUCTIONS: lambda: self._reconstruct(test),
                names.LOSS_PLOT: self._plot_losses,
            }
        )

    def _save(self, pictures: Mapping[str, Callable[[], bytes]]) -> list[str]:
        """Make and write each picture; the warnings for those that failed."""
        warnings = []
        for name, make in pictures.items():
            try:
                files.write_atomic(self.run.folder / name, make())
            except Exception as error:  # of any kind: training must continue
                reason = str(error).removesuffix(".")
                warnings.append(f"Could not save {name}: {reason}.")
        return warnings

    def _draw_samples(self) -> bytes:
        return _grid(self._sample(defaults.SAMPLES))

    def _sample(self, count: int) -> Tensor:
        labels, _ = decoding.choose_labels(self.model, None, count)
        return decoding.sample_prior(self.model, labels, self.seed)

    def _compare(self, test: Images) -> bytes:
        real = grids.grid(_first(test, COMPARED), COMPARED_COLUMNS)
        generated = grids.grid(self._sample(COMPARED), COMPARED_COLUMNS)
        return grids.encode_image(grids.side_by_side({"real": real, "generated": generated}))

    def _reconstruct(self, test: Images) -> bytes:
        first = test.subset(slice(defaults.RECONSTRUCTIONS))
        return grids.encode_image(
            grids.reconstruction_grid(*decoding.reconstruct(self.model, first))
        )

    def _plot_losses(self) -> bytes:
        return loss_curves.plot_losses({str(self.run.folder): self.run.losses()})


def _grid(x: Tensor) -> bytes:
    return grids.encode_image(grids.enlarge(grids.grid(x)))


def _first(images: Images, count: int) -> Tensor:
    """The first images, at most `count`, shape `(n, C, H, W)`; always binarized with one seed."""
    with random_stream(images.x.device, "pictures"):
        return images.subset(slice(count)).pixels(slice(None))

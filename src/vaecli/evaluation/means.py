"""Running means of metrics, kept on the device."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..objectives import LossTerms
from ..system.errors import RunError
from ..system.processes import Share, sum_tensors


class RunningMeans:
    """Running means of metrics, weighted by images, kept on the device until they are read.

    Attributes:
        names: Names of the metrics; empty before the first batch.
        sums: Sums of the metrics over images, shape `(names,)`.
        images: Number of images added.
        batches: Number of batches added.
        finite: Number of batches before the first with a NaN or infinite metric, shape `()`.
        last: Metrics of that batch, or of the last batch if all are finite, shape `(names,)`.
    """

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.sums = torch.zeros(())
        self.finite = torch.zeros(())
        self.last = torch.zeros(())
        self.images = 0
        self.batches = 0

    def add(self, terms: LossTerms, images: int) -> None:
        """Add the metrics of a batch with this number of images. Does not wait for the device.

        Raises:
            RunError: They are not the metrics of the batches before, which a checkpoint gave.
        """
        values = torch.stack(tuple(terms.metrics.values()))
        if not self.batches:
            self.names = tuple(terms.metrics)
            self.finite = values.new_zeros(())
            self.last = torch.zeros_like(values)
            self.sums = torch.zeros_like(values)
        elif tuple(terms.metrics) != self.names:
            raise RunError(
                f"The checkpoint is of an epoch with the metrics {', '.join(self.names)}, but the "
                f"objective gives {', '.join(terms.metrics)}: train anew."
            )
        self.last = torch.where(self.finite == self.batches, values, self.last)
        self.sums = self.sums.add(values, alpha=images)
        self.finite = self.finite + self.sums.isfinite().all()  # a NaN or infinite sum stays so
        self.images += images
        self.batches += 1

    def read(self) -> dict[str, float]:
        """The means by name; empty before the first batch. Waits for the device."""
        if not self.batches:
            return {}
        return dict(zip(self.names, (self.sums / self.images).tolist(), strict=True))


def terms_of_batch(terms: LossTerms, share: Share, gradients: Sequence[Tensor] = ()) -> LossTerms:
    """The terms of a batch that several processes share, from those of this process's rows.

    Args:
        terms: Means over the rows of this process.
        share: Its part of the batch.
        gradients: Replaced by their sums over the processes, in the same exchange.
    """
    if share.is_whole:
        return terms
    values = torch.stack(tuple(terms.metrics.values())) * share.weight
    if share.is_spare:
        values.zero_()  # a value that is not finite would stay so
    sum_tensors([values, *gradients])
    metrics = dict(zip(terms.metrics, values, strict=True))
    return LossTerms(metrics["loss"], metrics)

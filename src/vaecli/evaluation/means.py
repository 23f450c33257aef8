"""Running means of the metrics, kept on the device."""

import torch

from ..objectives import LossTerms


class Means:
    """Running means of what is logged, weighted by images, kept on the device until asked for.

    Attributes:
        names: What is logged, once a batch was added.
        sums: Their sums over images, shape `(names,)`.
        images: Images added.
        batches: Batches added.
        finite: How many batches from the first on were finite in every term, shape `()`.
        last: The terms of the last of these, or of the first that was not, shape `(names,)`.
    """

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.sums, self.finite, self.last = torch.zeros(()), torch.zeros(()), torch.zeros(())
        self.images = self.batches = 0

    def add(self, terms: LossTerms, images: int) -> None:
        values = torch.stack(tuple(terms.metrics.values()))
        if not self.batches:
            self.names, self.finite = tuple(terms.metrics), values.new_zeros(())
            self.sums = self.last = torch.zeros_like(values)
        self.last = torch.where(self.finite == self.batches, values, self.last)
        self.sums = self.sums.add(values, alpha=images)
        self.finite = self.finite + self.sums.isfinite().all()  # they never are again
        self.images += images
        self.batches += 1

    def read(self) -> dict[str, float]:
        """The means by name. Waits for the device: not for every batch."""
        if not self.batches:
            return {}
        return dict(zip(self.names, (self.sums / self.images).tolist(), strict=True))

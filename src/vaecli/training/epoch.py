"""Metrics of one epoch. Imports no torch, so that a plot of the losses need not wait for it."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from annotated_types import Ge


@dataclass(frozen=True)
class Epoch:
    """Metrics of one pass over the training images, in the units of `objectives.METRIC_UNITS`.

    Attributes:
        number: Number of the epoch, from 1.
        train: Means over the training images during the pass, while the weights changed.
        test: Means over the test images after the pass.
        train_seconds: Wall time of the training batches, in seconds.
        test_seconds: Wall time of the evaluation on test and validation images, in seconds.
        valid: Means over the validation images after the pass; empty without a validation set.
    """

    # used when an epoch is read from a checkpoint
    __pydantic_config__: ClassVar = {"extra": "forbid", "allow_inf_nan": False}

    number: Annotated[int, Ge(1)]
    train: dict[str, float]
    test: dict[str, float]
    train_seconds: Annotated[float, Ge(0)]
    test_seconds: Annotated[float, Ge(0)]
    valid: dict[str, float] = field(default_factory=dict)

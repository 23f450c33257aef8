"""Metrics of one epoch. It imports no torch, so that plotting a table of losses need not wait."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from annotated_types import Ge


@dataclass(frozen=True)
class Epoch:
    """Metrics of one pass over the training images.

    Attributes:
        number: From 1.
        train: Means over the pass, while the weights changed, in nats per image.
        test: Means over the test images after the pass, in nats per image.
        train_seconds: Wall time from the first batch to the last step.
        test_seconds: Wall time of the evaluation.
        valid: Means over the validation images; empty without a validation set.
    """

    # Checked where an epoch is read from a file.
    __pydantic_config__: ClassVar = {"extra": "forbid", "allow_inf_nan": False}

    number: Annotated[int, Ge(1)]
    train: dict[str, float]
    test: dict[str, float]
    train_seconds: Annotated[float, Ge(0)]
    test_seconds: Annotated[float, Ge(0)]
    valid: dict[str, float] = field(default_factory=dict)

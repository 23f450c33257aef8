"""Allowed ranges of the options of parts."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le, Lt


@dataclass(frozen=True)
class Unit:
    """In an annotation: the unit of a value."""

    name: str


Count = Annotated[int, Ge(1), Lt(2**31)]  # what torch can index


Units = Annotated[int, Ge(1), Le(1_000_000)]  # in a hidden layer


Layers = Annotated[int, Ge(1), Le(1000)]


Components = Annotated[int, Ge(1), Le(100_000)]  # of a mixture


Weight = Annotated[float, Ge(0)]  # of a term in a loss
Epochs = Annotated[float, Ge(0), Unit("epochs")]  # of a schedule, with fractions
Nats = Annotated[float, Ge(0), Unit("nats")]

"""Priors `p(z | c)`: modules that return a distribution over `(D,)` vectors, by name."""

from .fixed import (
    FIXED_PRIORS,
    CodesPrior,
    RingPrior,
    SpherePrior,
    StandardNormalPrior,
    SwissRollPrior,
)
from .learned import (
    LEARNED_PRIORS,
    ConditionalPrior,
    FlowPrior,
    HierarchicalPrior,
    MixturePrior,
    VampPrior,
)
from .prior import Prior

__all__ = [
    "PRIORS",
    "CodesPrior",
    "ConditionalPrior",
    "FlowPrior",
    "HierarchicalPrior",
    "MixturePrior",
    "Prior",
    "RingPrior",
    "SpherePrior",
    "StandardNormalPrior",
    "SwissRollPrior",
    "VampPrior",
]

PRIORS: dict[str, type[Prior]] = {**FIXED_PRIORS, **LEARNED_PRIORS}

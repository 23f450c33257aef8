"""Priors `p(z | c)`: modules that return a distribution over `(D,)` vectors, by name."""

from .autoregressive import AutoregressivePrior
from .fitted import FittedPrior, FixedLatents
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
    "FITTED_PRIORS",
    "PRIORS",
    "AutoregressivePrior",
    "CodesPrior",
    "ConditionalPrior",
    "FittedPrior",
    "FixedLatents",
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
# Fitted to the latents of the training images once the model is trained.
FITTED_PRIORS: dict[str, type[FittedPrior]] = {"autoregressive": AutoregressivePrior}

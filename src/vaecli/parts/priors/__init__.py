"""Priors `p(z | c)`: modules that return a distribution over `(D,)` vectors, by name."""

from collections.abc import Callable

from .autoregressive import AutoregressivePrior
from .fitted import FittedPrior, FixedLatents, no_fitted_prior
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
from .mixture import FittedMixture
from .prior import Prior

__all__ = [
    "FITTED_PRIORS",
    "PRIORS",
    "AutoregressivePrior",
    "CodesPrior",
    "ConditionalPrior",
    "FittedMixture",
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

# Fitted to the latents of a trained model, which they leave as it is.
FITTED_PRIORS: dict[str, Callable[..., FittedPrior | None]] = {
    "none": no_fitted_prior,
    "mixture": FittedMixture,
    "autoregressive": AutoregressivePrior,
}

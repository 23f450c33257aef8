"""Priors `p(z | c)`: modules that return a distribution over `(D,)` vectors, by name."""

from .fixed import CodesPrior, RingPrior, SpherePrior, StandardNormalPrior, SwissRollPrior
from .learned import ConditionalPrior, FlowPrior, HierarchicalPrior, MixturePrior, VampPrior
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

PRIORS: dict[str, type[Prior]] = {
    "normal": StandardNormalPrior,
    "mixture": MixturePrior,
    "vamp": VampPrior,
    "flow": FlowPrior,
    "conditional": ConditionalPrior,
    "hierarchical": HierarchicalPrior,
    "codes": CodesPrior,
    "sphere": SpherePrior,
    "ring": RingPrior,
    "swiss-roll": SwissRollPrior,
}

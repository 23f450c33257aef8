"""Priors `p(z | c)`: modules that return a distribution over `(D,)` vectors, and their names."""

from .fixed import Codes, Ring, Sphere, StandardNormal, SwissRoll
from .learned import Conditional, Flow, Hierarchical, Mixture, Vamp
from .prior import Prior

__all__ = ["PRIORS", "Prior"]

PRIORS: dict[str, type[Prior]] = {
    "normal": StandardNormal,
    "mixture": Mixture,
    "vamp": Vamp,
    "flow": Flow,
    "conditional": Conditional,
    "hierarchical": Hierarchical,
    "codes": Codes,
    "sphere": Sphere,
    "ring": Ring,
    "swiss-roll": SwissRoll,
}

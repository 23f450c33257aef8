"""Posteriors `q(z | x, c)`: modules that return a distribution over `(D,)` vectors, by name."""

from .flow import FlowPosterior, IAFPosterior, PlanarPosterior, RealNVPPosterior
from .gaussian import DiracPosterior, GaussianPosterior
from .hierarchical import HierarchicalPosterior, LadderPosterior, MultiLevelPosterior
from .posterior import Posterior, Space
from .quantized import QuantizedPosterior
from .spherical import VonMisesFisherPosterior

__all__ = [
    "POSTERIORS",
    "DiracPosterior",
    "FlowPosterior",
    "GaussianPosterior",
    "HierarchicalPosterior",
    "IAFPosterior",
    "LadderPosterior",
    "MultiLevelPosterior",
    "PlanarPosterior",
    "Posterior",
    "QuantizedPosterior",
    "RealNVPPosterior",
    "Space",
    "VonMisesFisherPosterior",
]

POSTERIORS: dict[str, type[Posterior]] = {
    "gaussian": GaussianPosterior,
    "dirac": DiracPosterior,
    "flow": RealNVPPosterior,
    "planar": PlanarPosterior,
    "iaf": IAFPosterior,
    "quantized": QuantizedPosterior,
    "hierarchical": HierarchicalPosterior,
    "ladder": LadderPosterior,
    "vmf": VonMisesFisherPosterior,
}

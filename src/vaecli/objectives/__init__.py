"""Objectives: the losses that train a model, and the table of their names."""

from .adversarial import Adversarial
from .disentangling import DIPVAE, BetaTCVAE, FactorVAE
from .elbo import ELBO
from .importance import IWAE, PIWAE, DReG, Renyi
from .metrics import METRIC_UNITS, METRICS
from .objective import LossTerms, Objective
from .regularized import RAE
from .semisupervised import M2
from .vaegan import VAEGAN
from .wasserstein import SWAE, WAE

__all__ = ["METRICS", "METRIC_UNITS", "OBJECTIVES", "LossTerms", "Objective"]

OBJECTIVES: dict[str, type[Objective]] = {
    "elbo": ELBO,
    "iwae": IWAE,
    "piwae": PIWAE,
    "renyi": Renyi,
    "dreg": DReG,
    "wae": WAE,
    "swae": SWAE,
    "beta-tc": BetaTCVAE,
    "factor": FactorVAE,
    "dip": DIPVAE,
    "rae": RAE,
    "m2": M2,
    "adversarial": Adversarial,
    "vae-gan": VAEGAN,
}

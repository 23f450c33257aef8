"""Objectives: a draw to a loss. One module for each idea, and the table of their names."""

from .adversarial import Adversarial
from .disentangling import DIP, BetaTC, Factor
from .elbo import ELBO
from .importance import IWAE, PIWAE, DReG, Renyi
from .mmd import SWAE, WAE
from .objective import Objective, Terms
from .regularized import RAE
from .semisupervised import M2
from .vaegan import VAEGAN

__all__ = ["OBJECTIVES", "Objective", "Terms"]

OBJECTIVES: dict[str, type[Objective]] = {
    "elbo": ELBO,
    "iwae": IWAE,
    "piwae": PIWAE,
    "renyi": Renyi,
    "dreg": DReG,
    "wae": WAE,
    "swae": SWAE,
    "betatc": BetaTC,
    "factor": Factor,
    "dip": DIP,
    "rae": RAE,
    "m2": M2,
    "adversarial": Adversarial,
    "vae-gan": VAEGAN,
}

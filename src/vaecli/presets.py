"""A paper is a row: what a preset changes against the defaults, and where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import defaults
from .config import Config, lookup


@dataclass(frozen=True)
class Preset:
    """A published model.

    Attributes:
        paper: Title (authors, year), URL.
        changes: The options it sets otherwise than `defaults`.
    """

    paper: str
    changes: dict[str, Any]


def preset(paper: str, **changes: Any) -> Preset:
    return Preset(paper, changes)


def arxiv(title: str, number: str) -> str:
    return f"{title}, https://arxiv.org/abs/{number}"


KINGMA_2014 = arxiv("Auto-Encoding Variational Bayes (Kingma & Welling, 2014)", "1312.6114")
HIGGINS_2017 = "beta-VAE (Higgins et al., 2017), https://openreview.net/forum?id=Sy2fzU9gl"
SONDERBY_2016 = arxiv("Ladder Variational Autoencoders (Sønderby et al., 2016)", "1602.02282")
FU_2019 = arxiv("Cyclical Annealing Schedule (Fu et al., 2019)", "1903.10145")
BURGESS_2018 = arxiv("Understanding disentangling in beta-VAE (Burgess et al., 2018)", "1804.03599")
KINGMA_2016 = arxiv(
    "Improved Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016)",
    "1606.04934",
)
BURDA_2016 = arxiv("Importance Weighted Autoencoders (Burda et al., 2016)", "1509.00519")
RAINFORTH_2018 = arxiv(
    "Tighter Variational Bounds are Not Necessarily Better (Rainforth et al., 2018)", "1802.04537"
)
LI_2016 = arxiv("Rényi Divergence Variational Inference (Li & Turner, 2016)", "1602.02311")
TUCKER_2019 = arxiv(
    "Doubly Reparameterized Gradient Estimators (Tucker et al., 2019)", "1810.04152"
)
TOMCZAK_2018 = arxiv("VAE with a VampPrior (Tomczak & Welling, 2018)", "1705.07120")
DILOKTHANAKUL_2016 = arxiv(
    "Deep Unsupervised Clustering with Gaussian Mixture VAEs (Dilokthanakul et al., 2016)",
    "1611.02648",
)
CHEN_2017 = arxiv("Variational Lossy Autoencoder (Chen et al., 2017)", "1611.02731")
DINH_2017 = arxiv("Density Estimation using Real NVP (Dinh et al., 2017)", "1605.08803")
REZENDE_2015 = arxiv(
    "Variational Inference with Normalizing Flows (Rezende & Mohamed, 2015)", "1505.05770"
)
SOHN_2015 = (
    "Learning Structured Output Representation using Deep Conditional Generative Models "
    "(Sohn et al., 2015), https://papers.nips.cc/paper/5775"
)
HINTON_2006 = (
    "Reducing the Dimensionality of Data with Neural Networks (Hinton & Salakhutdinov, 2006), "
    "https://doi.org/10.1126/science.1127647"
)
GHOSH_2020 = arxiv(
    "From Variational to Deterministic Autoencoders (Ghosh et al., 2020)", "1903.12436"
)
MAKHZANI_2016 = arxiv("Adversarial Autoencoders (Makhzani et al., 2016)", "1511.05644")
TOLSTIKHIN_2018 = arxiv("Wasserstein Auto-Encoders (Tolstikhin et al., 2018)", "1711.01558")
ZHAO_2019 = arxiv("InfoVAE (Zhao et al., 2019)", "1706.02262")
KOLOURI_2019 = arxiv("Sliced-Wasserstein Autoencoder (Kolouri et al., 2019)", "1804.01947")
CHEN_2018 = arxiv("Isolating Sources of Disentanglement in VAEs (Chen et al., 2018)", "1802.04942")
KIM_2018 = arxiv("Disentangling by Factorising (Kim & Mnih, 2018)", "1802.05983")
KUMAR_2018 = arxiv(
    "Variational Inference of Disentangled Latent Concepts (Kumar et al., 2018)", "1711.00848"
)
OORD_2017 = arxiv(
    "Neural Discrete Representation Learning (van den Oord et al., 2017)", "1711.00937"
)
ZEGHIDOUR_2021 = arxiv("SoundStream (Zeghidour et al., 2021)", "2107.03312")
RYBKIN_2021 = arxiv(
    "Simple and Effective VAE Training with Calibrated Decoders (Rybkin et al., 2021)", "2006.13202"
)
LOAIZA_2019 = arxiv("The Continuous Bernoulli (Loaiza-Ganem & Cunningham, 2019)", "1907.06845")
DAVIDSON_2018 = arxiv(
    "Hyperspherical Variational Auto-Encoders (Davidson et al., 2018)", "1804.00891"
)
KINGMA_2014B = arxiv(
    "Semi-Supervised Learning with Deep Generative Models (Kingma et al., 2014)", "1406.5298"
)
LARSEN_2016 = arxiv(
    "Autoencoding beyond pixels using a learned similarity metric (Larsen et al., 2016)",
    "1512.09300",
)

PRESETS = {
    "vae": preset(KINGMA_2014),
    "beta-vae": preset(HIGGINS_2017, objective="elbo:beta=4"),
    "warmup": preset(SONDERBY_2016, objective="elbo:warmup=10"),
    "cyclical": preset(FU_2019, objective="elbo:cycle=5"),
    "capacity": preset(BURGESS_2018, objective="elbo:capacity=25,over=25,gamma=10"),
    "free-bits": preset(KINGMA_2016, objective="elbo:free_bits=8"),
    "iwae": preset(BURDA_2016, objective="iwae:samples=8"),
    "miwae": preset(RAINFORTH_2018, objective="iwae:samples=4,outer=4"),
    "ciwae": preset(RAINFORTH_2018, objective="iwae:samples=8,beta=0.05"),
    "piwae": preset(RAINFORTH_2018, objective="piwae:samples=4,outer=4"),
    "renyi": preset(LI_2016, objective="renyi"),
    "dreg": preset(TUCKER_2019, objective="dreg:samples=8"),
    "vamp": preset(TOMCZAK_2018, prior="vamp:components=100"),
    "gmm": preset(DILOKTHANAKUL_2016, prior="mixture:components=10"),
    "flow-prior": preset(CHEN_2017, prior="flow"),
    "flow-posterior": preset(DINH_2017, posterior="flow"),
    "planar-flow": preset(REZENDE_2015, posterior="planar"),
    "iaf": preset(KINGMA_2016, posterior="iaf"),
    "cvae": preset(SOHN_2015, conditional=True),
    "cvae-prior": preset(SOHN_2015, conditional=True, prior="conditional"),
    "ae": preset(HINTON_2006, posterior="dirac", objective="elbo:beta=0"),
    "rae-l2": preset(GHOSH_2020, posterior="dirac", objective="rae:penalty=l2"),
    "rae-gp": preset(GHOSH_2020, posterior="dirac", objective="rae:penalty=gp"),
    "aae": preset(MAKHZANI_2016, posterior="dirac", objective="adversarial"),
    "aae-ring": preset(
        MAKHZANI_2016,
        posterior="dirac",
        prior="ring",
        objective="adversarial:weight=100",
        latent_dim=2,
    ),
    "aae-swiss-roll": preset(
        MAKHZANI_2016,
        posterior="dirac",
        prior="swiss-roll",
        objective="adversarial:weight=100",
        latent_dim=2,
    ),
    "aae-labels": preset(
        MAKHZANI_2016,
        posterior="dirac",
        prior="ring",
        objective="adversarial:labels=true,weight=100",
        latent_dim=2,
    ),
    "wae-mmd": preset(
        TOLSTIKHIN_2018, posterior="dirac", likelihood="gaussian", objective="wae:weight=500"
    ),
    "info-vae": preset(ZHAO_2019, objective="wae:rate=0.5"),
    "swae": preset(KOLOURI_2019, posterior="dirac", objective="swae"),
    "beta-tc-vae": preset(CHEN_2018, objective="betatc"),
    "factor-vae": preset(KIM_2018, objective="factor"),
    "dip-vae": preset(KUMAR_2018, objective="dip"),
    "vq-vae": preset(OORD_2017, posterior="quantized", prior="codes"),
    "residual-vq": preset(ZEGHIDOUR_2021, posterior="quantized:levels=2", prior="codes"),
    "hvae": preset(TOMCZAK_2018, posterior="hierarchical", prior="hierarchical"),
    "ladder": preset(SONDERBY_2016, posterior="ladder", prior="hierarchical"),
    "sigma-vae": preset(RYBKIN_2021, likelihood="gaussian"),
    "continuous-bernoulli": preset(LOAIZA_2019, likelihood="continuous-bernoulli"),
    "logistic": preset(KINGMA_2016, likelihood="logistic"),
    "laplace": preset(KINGMA_2014, likelihood="laplace"),
    "svae": preset(DAVIDSON_2018, posterior="vmf", prior="sphere"),
    "m2": preset(
        KINGMA_2014B,
        conditional=True,
        objective="m2",
        labels=100,
        latent_dim=5,
        batch_size=64,
        binarize="dynamic",
    ),
    "vae-gan": preset(LARSEN_2016, objective="vae-gan"),
}


def resolve(*layers: Mapping[str, Any]) -> Config:
    """One configuration from layers of options, later ones first, over the preset they name."""
    given: dict[str, Any] = {}
    for layer in layers:
        given |= layer
    preset = lookup(PRESETS, str(given.get("preset", defaults.PRESET)), "preset")
    chosen = {**preset.changes, **given}
    return Config.checked(spell_beta(chosen, str(chosen.get("objective", defaults.OBJECTIVE))))


def spell_beta(chosen: Mapping[str, Any], objective: str) -> dict[str, Any]:
    """The chosen options with `beta`, if it is one, written into the objective's spec."""
    rest = {name: value for name, value in chosen.items() if name != "beta"}
    if chosen.get("beta") is not None:
        spec, given = rest.get("objective", objective), f"beta={chosen['beta']}"
        name, _, options = spec.partition(":")
        kept = [o for o in options.split(",") if o and not o.startswith("beta=")]
        rest["objective"] = f"{name}:{','.join([*kept, given])}"
    return rest

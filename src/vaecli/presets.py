"""A paper is a row: what a preset changes against the defaults, and where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    changes: dict[str, Any] = field(default_factory=dict)


PRESETS = {
    "vae": Preset(
        "Auto-Encoding Variational Bayes (Kingma & Welling, 2014), https://arxiv.org/abs/1312.6114",
    ),
    "beta-vae": Preset(
        "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational "
        "Framework (Higgins et al., 2017), https://openreview.net/forum?id=Sy2fzU9gl",
        {"objective": "elbo:beta=4"},
    ),
    "warmup": Preset(
        "Ladder Variational Autoencoders (Sønderby et al., 2016), https://arxiv.org/abs/1602.02282",
        {"objective": "elbo:warmup=10"},
    ),
    "cyclical": Preset(
        "Cyclical Annealing Schedule (Fu et al., 2019), https://arxiv.org/abs/1903.10145",
        {"objective": "elbo:cycle=5"},
    ),
    "capacity": Preset(
        "Understanding disentangling in beta-VAE (Burgess et al., 2018), "
        "https://arxiv.org/abs/1804.03599",
        {"objective": "elbo:capacity=25,over=25,gamma=10"},
    ),
    "free-bits": Preset(
        "Improved Variational Inference with Inverse Autoregressive Flow (Kingma et al., "
        "2016), https://arxiv.org/abs/1606.04934",
        {"objective": "elbo:free_bits=8"},
    ),
    "iwae": Preset(
        "Importance Weighted Autoencoders (Burda et al., 2016), https://arxiv.org/abs/1509.00519",
        {"objective": "iwae:samples=8"},
    ),
    "miwae": Preset(
        "Tighter Variational Bounds are Not Necessarily Better (Rainforth et al., 2018), "
        "https://arxiv.org/abs/1802.04537",
        {"objective": "iwae:samples=4,outer=4"},
    ),
    "ciwae": Preset(
        "Tighter Variational Bounds are Not Necessarily Better (Rainforth et al., 2018), "
        "https://arxiv.org/abs/1802.04537",
        {"objective": "iwae:samples=8,beta=0.05"},
    ),
    "piwae": Preset(
        "Tighter Variational Bounds are Not Necessarily Better (Rainforth et al., 2018), "
        "https://arxiv.org/abs/1802.04537",
        {"objective": "piwae:samples=4,outer=4"},
    ),
    "renyi": Preset(
        "Rényi Divergence Variational Inference (Li & Turner, 2016), "
        "https://arxiv.org/abs/1602.02311",
        {"objective": "renyi"},
    ),
    "dreg": Preset(
        "Doubly Reparameterized Gradient Estimators (Tucker et al., 2019), "
        "https://arxiv.org/abs/1810.04152",
        {"objective": "dreg:samples=8"},
    ),
    "vamp": Preset(
        "VAE with a VampPrior (Tomczak & Welling, 2018), https://arxiv.org/abs/1705.07120",
        {"prior": "vamp:components=100"},
    ),
    "gmm": Preset(
        "Deep Unsupervised Clustering with Gaussian Mixture VAEs (Dilokthanakul et al., "
        "2016), https://arxiv.org/abs/1611.02648",
        {"prior": "mixture:components=10"},
    ),
    "flow-prior": Preset(
        "Variational Lossy Autoencoder (Chen et al., 2017), https://arxiv.org/abs/1611.02731",
        {"prior": "flow"},
    ),
    "flow-posterior": Preset(
        "Density Estimation using Real NVP (Dinh et al., 2017), https://arxiv.org/abs/1605.08803",
        {"posterior": "flow"},
    ),
    "planar-flow": Preset(
        "Variational Inference with Normalizing Flows (Rezende & Mohamed, 2015), "
        "https://arxiv.org/abs/1505.05770",
        {"posterior": "planar"},
    ),
    "iaf": Preset(
        "Improved Variational Inference with Inverse Autoregressive Flow (Kingma et al., "
        "2016), https://arxiv.org/abs/1606.04934",
        {"posterior": "iaf"},
    ),
    "cvae": Preset(
        "Learning Structured Output Representation using Deep Conditional Generative "
        "Models (Sohn et al., 2015), https://papers.nips.cc/paper/5775",
        {"conditional": True},
    ),
    "cvae-prior": Preset(
        "Learning Structured Output Representation using Deep Conditional Generative "
        "Models (Sohn et al., 2015), https://papers.nips.cc/paper/5775",
        {"conditional": True, "prior": "conditional"},
    ),
    "ae": Preset(
        "Reducing the Dimensionality of Data with Neural Networks (Hinton & "
        "Salakhutdinov, 2006), https://doi.org/10.1126/science.1127647",
        {"posterior": "dirac", "objective": "elbo:beta=0"},
    ),
    "rae-l2": Preset(
        "From Variational to Deterministic Autoencoders (Ghosh et al., 2020), "
        "https://arxiv.org/abs/1903.12436",
        {"posterior": "dirac", "objective": "rae:penalty=l2"},
    ),
    "rae-gp": Preset(
        "From Variational to Deterministic Autoencoders (Ghosh et al., 2020), "
        "https://arxiv.org/abs/1903.12436",
        {"posterior": "dirac", "objective": "rae:penalty=gp"},
    ),
    "aae": Preset(
        "Adversarial Autoencoders (Makhzani et al., 2016), https://arxiv.org/abs/1511.05644",
        {"posterior": "dirac", "objective": "adversarial"},
    ),
    "aae-ring": Preset(
        "Adversarial Autoencoders (Makhzani et al., 2016), https://arxiv.org/abs/1511.05644",
        {
            "posterior": "dirac",
            "prior": "ring",
            "objective": "adversarial:weight=100",
            "latent_dim": 2,
        },
    ),
    "aae-swiss-roll": Preset(
        "Adversarial Autoencoders (Makhzani et al., 2016), https://arxiv.org/abs/1511.05644",
        {
            "posterior": "dirac",
            "prior": "swiss-roll",
            "objective": "adversarial:weight=100",
            "latent_dim": 2,
        },
    ),
    "aae-labels": Preset(
        "Adversarial Autoencoders (Makhzani et al., 2016), https://arxiv.org/abs/1511.05644",
        {
            "posterior": "dirac",
            "prior": "ring",
            "objective": "adversarial:labels=true,weight=100",
            "latent_dim": 2,
        },
    ),
    "wae-mmd": Preset(
        "Wasserstein Auto-Encoders (Tolstikhin et al., 2018), https://arxiv.org/abs/1711.01558",
        {"posterior": "dirac", "likelihood": "gaussian", "objective": "wae"},
    ),
    "info-vae": Preset(
        "InfoVAE: Balancing Learning and Inference in Variational Autoencoders (Zhao et "
        "al., 2019), https://arxiv.org/abs/1706.02262",
        {"objective": "wae:rate=0.5"},
    ),
    "swae": Preset(
        "Sliced-Wasserstein Autoencoder (Kolouri et al., 2019), https://arxiv.org/abs/1804.01947",
        {"posterior": "dirac", "objective": "swae"},
    ),
    "beta-tc-vae": Preset(
        "Isolating Sources of Disentanglement in Variational Autoencoders (Chen et al., "
        "2018), https://arxiv.org/abs/1802.04942",
        {"objective": "betatc"},
    ),
    "factor-vae": Preset(
        "Disentangling by Factorising (Kim & Mnih, 2018), https://arxiv.org/abs/1802.05983",
        {"objective": "factor"},
    ),
    "dip-vae": Preset(
        "Variational Inference of Disentangled Latent Concepts from Unlabeled "
        "Observations (Kumar et al., 2018), https://arxiv.org/abs/1711.00848",
        {"objective": "dip"},
    ),
    "vq-vae": Preset(
        "Neural Discrete Representation Learning (van den Oord et al., 2017), "
        "https://arxiv.org/abs/1711.00937",
        {"posterior": "quantized", "prior": "codes"},
    ),
    "residual-vq": Preset(
        "SoundStream: An End-to-End Neural Audio Codec (Zeghidour et al., 2021), "
        "https://arxiv.org/abs/2107.03312",
        {"posterior": "quantized:levels=2", "prior": "codes"},
    ),
    "hvae": Preset(
        "VAE with a VampPrior (Tomczak & Welling, 2018), https://arxiv.org/abs/1705.07120",
        {"posterior": "hierarchical", "prior": "hierarchical"},
    ),
    "ladder": Preset(
        "Ladder Variational Autoencoders (Sønderby et al., 2016), https://arxiv.org/abs/1602.02282",
        {"posterior": "ladder", "prior": "hierarchical"},
    ),
    "sigma-vae": Preset(
        "Simple and Effective VAE Training with Calibrated Decoders (Rybkin et al., "
        "2021), https://arxiv.org/abs/2006.13202",
        {"likelihood": "gaussian"},
    ),
    "continuous-bernoulli": Preset(
        "The Continuous Bernoulli: Fixing a Pervasive Error in Variational Autoencoders "
        "(Loaiza-Ganem & Cunningham, 2019), https://arxiv.org/abs/1907.06845",
        {"likelihood": "continuous-bernoulli"},
    ),
    "logistic": Preset(
        "Improved Variational Inference with Inverse Autoregressive Flow (Kingma et al., "
        "2016), https://arxiv.org/abs/1606.04934",
        {"likelihood": "logistic"},
    ),
    "laplace": Preset(
        "Auto-Encoding Variational Bayes (Kingma & Welling, 2014), https://arxiv.org/abs/1312.6114",
        {"likelihood": "laplace"},
    ),
    "svae": Preset(
        "Hyperspherical Variational Auto-Encoders (Davidson et al., 2018), "
        "https://arxiv.org/abs/1804.00891",
        {"posterior": "vmf", "prior": "sphere"},
    ),
    "m2": Preset(
        "Semi-Supervised Learning with Deep Generative Models (Kingma et al., 2014), "
        "https://arxiv.org/abs/1406.5298",
        {
            "conditional": True,
            "objective": "m2",
            "labels": 100,
            "latent_dim": 5,
            "batch_size": 64,
            "binarize": "dynamic",
        },
    ),
    "vae-gan": Preset(
        "Autoencoding beyond pixels using a learned similarity metric (Larsen et al., "
        "2016), https://arxiv.org/abs/1512.09300",
        {"objective": "vae-gan"},
    ),
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

"""The papers of the presets, as data: docstrings are gone under `python -OO`."""

from typing import NamedTuple


class Paper(NamedTuple):
    """A publication.

    Attributes:
        title: As printed.
        authors: Surnames: one, two with `&`, or the first with `et al.`.
        year: Of publication.
        url: Where it can be read.
    """

    title: str
    authors: str
    year: int
    url: str

    def __str__(self) -> str:
        """`Auto-Encoding Variational Bayes (Kingma & Welling, 2014)`."""
        return f"{self.title} ({self.short})"

    @property
    def short(self) -> str:
        """`Kingma & Welling, 2014`."""
        return f"{self.authors}, {self.year}"


PAPERS = {
    "kingma-2014": Paper(
        "Auto-Encoding Variational Bayes",
        "Kingma & Welling",
        2014,
        "https://arxiv.org/abs/1312.6114",
    ),
    "higgins-2017": Paper(
        "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework",
        "Higgins et al.",
        2017,
        "https://openreview.net/forum?id=Sy2fzU9gl",
    ),
    "sonderby-2016": Paper(
        "Ladder Variational Autoencoders",
        "Sønderby et al.",
        2016,
        "https://arxiv.org/abs/1602.02282",
    ),
    "fu-2019": Paper(
        "Cyclical Annealing Schedule: A Simple Approach to Mitigating KL Vanishing",
        "Fu et al.",
        2019,
        "https://arxiv.org/abs/1903.10145",
    ),
    "burgess-2018": Paper(
        "Understanding disentangling in β-VAE",
        "Burgess et al.",
        2018,
        "https://arxiv.org/abs/1804.03599",
    ),
    "kingma-2016": Paper(
        "Improved Variational Inference with Inverse Autoregressive Flow",
        "Kingma et al.",
        2016,
        "https://arxiv.org/abs/1606.04934",
    ),
    "burda-2016": Paper(
        "Importance Weighted Autoencoders",
        "Burda et al.",
        2016,
        "https://arxiv.org/abs/1509.00519",
    ),
    "rainforth-2018": Paper(
        "Tighter Variational Bounds are Not Necessarily Better",
        "Rainforth et al.",
        2018,
        "https://arxiv.org/abs/1802.04537",
    ),
    "li-2016": Paper(
        "Rényi Divergence Variational Inference",
        "Li & Turner",
        2016,
        "https://arxiv.org/abs/1602.02311",
    ),
    "tucker-2019": Paper(
        "Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives",
        "Tucker et al.",
        2019,
        "https://arxiv.org/abs/1810.04152",
    ),
    "tomczak-2018": Paper(
        "VAE with a VampPrior",
        "Tomczak & Welling",
        2018,
        "https://arxiv.org/abs/1705.07120",
    ),
    "jiang-2017": Paper(
        "Variational Deep Embedding: An Unsupervised and Generative Approach to Clustering",
        "Jiang et al.",
        2017,
        "https://arxiv.org/abs/1611.05148",
    ),
    "xu-2019": Paper(
        "On the Necessity and Effectiveness of Learning the Prior of Variational Auto-Encoder",
        "Xu et al.",
        2019,
        "https://arxiv.org/abs/1905.13452",
    ),
    "rezende-2015": Paper(
        "Variational Inference with Normalizing Flows",
        "Rezende & Mohamed",
        2015,
        "https://arxiv.org/abs/1505.05770",
    ),
    "sohn-2015": Paper(
        "Learning Structured Output Representation using Deep Conditional Generative Models",
        "Sohn et al.",
        2015,
        "https://papers.nips.cc/paper/2015/hash/8d55a249e6baa5c06772297520da2051-Abstract.html",
    ),
    "hinton-2006": Paper(
        "Reducing the Dimensionality of Data with Neural Networks",
        "Hinton & Salakhutdinov",
        2006,
        "https://doi.org/10.1126/science.1127647",
    ),
    "ghosh-2020": Paper(
        "From Variational to Deterministic Autoencoders",
        "Ghosh et al.",
        2020,
        "https://arxiv.org/abs/1903.12436",
    ),
    "makhzani-2016": Paper(
        "Adversarial Autoencoders",
        "Makhzani et al.",
        2016,
        "https://arxiv.org/abs/1511.05644",
    ),
    "tolstikhin-2018": Paper(
        "Wasserstein Auto-Encoders",
        "Tolstikhin et al.",
        2018,
        "https://arxiv.org/abs/1711.01558",
    ),
    "zhao-2017": Paper(
        "InfoVAE: Information Maximizing Variational Autoencoders",
        "Zhao et al.",
        2017,
        "https://arxiv.org/abs/1706.02262",
    ),
    "kolouri-2019": Paper(
        "Sliced Wasserstein Auto-Encoders",
        "Kolouri et al.",
        2019,
        "https://openreview.net/forum?id=H1xaJn05FQ",
    ),
    "chen-2018": Paper(
        "Isolating Sources of Disentanglement in Variational Autoencoders",
        "Chen et al.",
        2018,
        "https://arxiv.org/abs/1802.04942",
    ),
    "kim-2018": Paper(
        "Disentangling by Factorising",
        "Kim & Mnih",
        2018,
        "https://arxiv.org/abs/1802.05983",
    ),
    "kumar-2018": Paper(
        "Variational Inference of Disentangled Latent Concepts from Unlabeled Observations",
        "Kumar et al.",
        2018,
        "https://arxiv.org/abs/1711.00848",
    ),
    "oord-2017": Paper(
        "Neural Discrete Representation Learning",
        "van den Oord et al.",
        2017,
        "https://arxiv.org/abs/1711.00937",
    ),
    "zeghidour-2021": Paper(
        "SoundStream: An End-to-End Neural Audio Codec",
        "Zeghidour et al.",
        2021,
        "https://arxiv.org/abs/2107.03312",
    ),
    "rybkin-2021": Paper(
        "Simple and Effective VAE Training with Calibrated Decoders",
        "Rybkin et al.",
        2021,
        "https://arxiv.org/abs/2006.13202",
    ),
    "loaiza-ganem-2019": Paper(
        "The continuous Bernoulli: fixing a pervasive error in variational autoencoders",
        "Loaiza-Ganem & Cunningham",
        2019,
        "https://arxiv.org/abs/1907.06845",
    ),
    "davidson-2018": Paper(
        "Hyperspherical Variational Auto-Encoders",
        "Davidson et al.",
        2018,
        "https://arxiv.org/abs/1804.00891",
    ),
    "kingma-2014-labels": Paper(
        "Semi-Supervised Learning with Deep Generative Models",
        "Kingma et al.",
        2014,
        "https://arxiv.org/abs/1406.5298",
    ),
    "larsen-2016": Paper(
        "Autoencoding beyond pixels using a learned similarity metric",
        "Larsen et al.",
        2016,
        "https://arxiv.org/abs/1512.09300",
    ),
    "rombach-2022": Paper(
        "High-Resolution Image Synthesis with Latent Diffusion Models",
        "Rombach et al.",
        2022,
        "https://arxiv.org/abs/2112.10752",
    ),
}

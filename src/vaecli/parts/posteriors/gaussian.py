"""The Gaussian posterior, and the deterministic one, its limit for variance 0."""

from torch import Tensor
from torch.distributions import Distribution

from ..distributions import Delta, clamped_normal
from .posterior import Posterior


class GaussianPosterior(Posterior):
    """Diagonal Gaussian.

    The head outputs the means and then the log-variances, which are clamped to [-20, 20].

    References:
        Auto-Encoding Variational Bayes (Kingma & Welling, 2014), https://arxiv.org/abs/1312.6114
    """

    params_per_dim = 2

    def distribution(self, *params: Tensor) -> Distribution:
        mean, log_var = params
        return clamped_normal(mean, log_var)


class DiracPosterior(Posterior):
    """A deterministic code, as in a plain autoencoder.

    References:
        Reducing the Dimensionality of Data with Neural Networks (Hinton & Salakhutdinov, 2006),
            https://doi.org/10.1126/science.1127647
        From Variational to Deterministic Autoencoders (Ghosh et al., 2020),
            https://arxiv.org/abs/1903.12436
    """

    params_per_dim = 1
    has_density = False
    is_point = True

    def distribution(self, *params: Tensor) -> Distribution:
        (code,) = params
        return Delta(code)

import torch
import torch.nn.functional as F

from tests.conftest import bars
from vaecli.build import build
from vaecli.config import Config

SHAPE = (1, 8, 8)
CONFIG = Config(latent_dim=3, network="mlp:width=16,depth=2")


def test_the_loss_is_the_textbook_formula():
    """Summed cross-entropy plus the KL of the paper's appendix B, per image."""
    model, objective = build(CONFIG, SHAPE)
    x = torch.rand(7, *SHAPE)
    torch.manual_seed(3)
    terms = objective(model, x)
    mean, log_var = model.posterior.head(model.posterior.encoder(x)).chunk(2, dim=-1)
    torch.manual_seed(3)
    z = mean + torch.exp(0.5 * log_var) * torch.randn(1, 7, 3)[0]
    decoded = model.likelihood.decoder(z).sigmoid()
    distortion = F.binary_cross_entropy(decoded, x, reduction="sum") / 7
    rate = -0.5 * (1 + log_var - mean.square() - log_var.exp()).sum() / 7
    torch.testing.assert_close(terms.loss, distortion + rate)
    torch.testing.assert_close(terms.logged["loss"], distortion + rate)
    torch.testing.assert_close(terms.logged["distortion"], distortion)
    torch.testing.assert_close(terms.logged["rate"], rate)


def test_every_parameter_gets_a_gradient():
    model, objective = build(CONFIG, SHAPE)
    objective(model, bars(16).pixels(slice(None))).loss.backward()
    named = [*model.named_parameters(), *objective.named_parameters()]
    assert len(named) == 12
    for name, parameter in named:
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_what_is_logged_carries_no_gradient_and_begins_with_the_common_columns():
    model, objective = build(CONFIG, SHAPE)
    logged = objective(model, bars(4).pixels(slice(None))).logged
    assert list(logged)[:3] == ["loss", "distortion", "rate"]
    assert not any(value.requires_grad for value in logged.values())

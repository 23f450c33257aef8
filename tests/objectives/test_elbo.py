import math

import pytest
import torch
import torch.nn.functional as F

from tests.objectives.made import Learned, Shared, X, draw, gradients, make, seeded_terms
from vaecli.objectives.elbo import ELBO, group_rates
from vaecli.system.errors import ConfigError


def test_the_loss_is_the_textbook_formula():
    """Summed cross-entropy plus the KL of the paper's appendix B, per image."""
    model, x = make(latent_dim=3), torch.rand(7, 1, 8, 8)
    terms = seeded_terms(ELBO(), model, x)
    mean, log_var = model.posterior.head(model.posterior.encoder(x)).chunk(2, dim=-1)
    torch.manual_seed(3)
    z = mean + torch.exp(0.5 * log_var) * torch.randn(1, 7, 3)[0]
    decoded = model.likelihood.decoder(z).sigmoid()
    distortion = F.binary_cross_entropy(decoded, x, reduction="sum") / 7
    rate = -0.5 * (1 + log_var - mean.square() - log_var.exp()).sum() / 7
    torch.testing.assert_close(terms.loss, distortion + rate)
    torch.testing.assert_close(terms.metrics["loss"], distortion + rate)
    torch.testing.assert_close(terms.metrics["distortion"], distortion)
    torch.testing.assert_close(terms.metrics["rate"], rate)


@pytest.mark.parametrize("epoch", [0.1, 7, math.inf])
def test_the_default_adds_the_rate_unchanged(epoch):
    rate = torch.rand(5)
    assert ELBO().kl_term(rate, epoch) is rate


@pytest.mark.parametrize(
    ("options", "at"),
    [
        ({"annealing_epochs": 10}, {0.5: 0.05, 5: 0.5, 10: 1, 37: 1, math.inf: 1}),
        ({"cycle_epochs": 8}, {1: 0.25, 3: 0.75, 4: 1, 7.9: 1, 8: 0, 9: 0.25, 14: 1, math.inf: 1}),
        ({"beta": 4, "annealing_epochs": 10}, {0.5: 0.2, 5: 2, 10: 4, math.inf: 4}),
        ({"beta": 4, "cycle_epochs": 8}, {1: 1, 4: 4, 9: 1, math.inf: 4}),
    ],
)
def test_beta_follows_its_schedule(options, at):
    rate = torch.tensor([3.0, 5.0])
    for epoch, beta in at.items():
        torch.testing.assert_close(ELBO(**options).kl_term(rate, epoch), beta * rate)


def test_the_distance_of_the_rate_to_a_rising_capacity_is_penalized_on_both_sides():
    objective = ELBO(capacity=20, capacity_epochs=10, capacity_weight=3)
    rate = torch.tensor([4.0, 10.0, 30.0])
    for epoch, capacity in {1: 2, 5: 10, 10: 20, 50: 20, math.inf: 20}.items():
        wanted = 3 * torch.tensor([abs(4.0 - capacity), abs(10.0 - capacity), abs(30.0 - capacity)])
        torch.testing.assert_close(objective.kl_term(rate, epoch), wanted)
    assert objective.kl_term(torch.tensor(20.0), math.inf) == 0


def test_rate_within_the_free_bits_costs_nothing_and_rate_above_them_counts():
    objective = ELBO(free_bits=5)
    for rates in ([1.0, 3.0], [9.0, 5.0], [2.0, 30.0]):
        rate = torch.tensor(rates, requires_grad=True)
        kl_term = objective.kl_term(rate, math.inf)
        assert kl_term == max(5, sum(rates) / 2)
        (gradient,) = torch.autograd.grad(kl_term, rate)
        assert gradient.tolist() == ([0.5, 0.5] if sum(rates) / 2 > 5 else [0, 0])


def rates_of_latents(model):
    """KL(q || N(0, 1)) of every image and latent, by the formula of the paper's appendix B."""
    mean, log_var = model.posterior.head(model.posterior.encoder(X)).chunk(2, dim=-1)
    return -0.5 * (1 + log_var - mean.square() - log_var.exp())


@pytest.mark.parametrize("groups", [0, 1, 2, 3, 6])
def test_free_bits_clamp_the_mean_over_the_batch_of_each_group(groups):
    """The sum over groups j of max(lambda, mean over the batch of KL_j), in nats."""
    model = make(latent_dim=6)
    mean_rates = rates_of_latents(model).mean(0).tolist()
    size = 6 // (groups or 6)
    each = [sum(mean_rates[start : start + size]) for start in range(0, 6, size)]
    free = sum(sorted(each)[:2]) / 2 if len(each) > 1 else each[0] / 2
    assert len(each) == 1 or min(each) < free < max(each)
    terms = seeded_terms(ELBO(free_bits=free, free_bits_groups=groups), model)
    wanted = terms.metrics["distortion"].item() + sum(max(free, rate) for rate in each)
    assert terms.loss.item() == pytest.approx(wanted, rel=1e-5)
    assert terms.metrics["rate"].item() == pytest.approx(sum(mean_rates), rel=1e-5)


def test_a_group_within_its_free_bits_has_no_gradient_and_another_has():
    rates = torch.tensor([[0.5, 3.0], [1.1, 5.0]], requires_grad=True)
    kl_term = ELBO(free_bits=1, free_bits_groups=0, beta=2).kl_term(rates, math.inf)
    assert kl_term == 2 * (1 + 4)  # an image of the first group is above 1, its mean is not
    (gradient,) = torch.autograd.grad(kl_term, rates)
    assert gradient.tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize("groups", [0, 2])
def test_the_rates_of_the_groups_sum_to_the_rate_under_any_gaussian_prior(groups):
    class Apart(Learned):
        def __init__(self, latent_dim, posterior):
            super().__init__(latent_dim, posterior)
            self.loc.data = torch.arange(4.0)
            self.log_var.data = torch.tensor([0.0, 1.0, -1.0, 0.5])

    drawn = draw(make(prior=Apart, latent_dim=4))
    rates = group_rates(drawn, groups)
    assert rates.shape == (6, groups or 4)
    torch.testing.assert_close(rates.sum(-1), drawn.rate)


def test_groups_without_free_bits_are_refused():
    with pytest.raises(ConfigError, match="free_bits_groups=3 needs free_bits: add free_bits=NATS"):
        ELBO(free_bits_groups=3)


def test_the_weight_of_capacity_is_nats_of_loss_for_a_nat_of_each_image():
    """The paper's gamma |KL - C|, averaged over the images: not |mean KL - C|."""
    model = make(latent_dim=3)
    rates = rates_of_latents(model).sum(-1)
    capacity = rates.median().item() * 1.01
    assert (rates < capacity).any()
    assert (rates > capacity).any()
    terms = seeded_terms(ELBO(capacity=capacity, capacity_weight=7), model)
    wanted = terms.metrics["distortion"] + 7 * (rates - capacity).abs().mean()
    torch.testing.assert_close(terms.loss, wanted)
    assert ELBO().capacity_weight == 1000  # the paper's gamma


def test_schedules_at_their_limit_give_the_elbo():
    model = make()
    plain = seeded_terms(ELBO(), model).loss
    limits = [
        (ELBO(annealing_epochs=3), 3.5),
        (ELBO(cycle_epochs=4), 6.5),
        (ELBO(free_bits=1e-6), 1),
        (ELBO(capacity=5, capacity_epochs=1e9, capacity_weight=1), 1e-3),
    ]
    for objective, epoch in limits:
        terms = seeded_terms(objective, model, epoch=epoch)
        torch.testing.assert_close(terms.loss, plain, rtol=0, atol=1e-6 * plain.item())
    four = seeded_terms(ELBO(beta=4), model)
    torch.testing.assert_close(four.loss - plain, 3 * four.metrics["rate"])


def test_beta_0_trains_an_autoencoder():
    terms = seeded_terms(ELBO(beta=0), make())
    assert terms.loss == terms.metrics["distortion"]
    assert not ELBO(beta=0).needs_density
    assert ELBO(beta=0.1).needs_density


@pytest.mark.parametrize("prior", [Learned, Shared])
def test_with_beta_0_a_learned_prior_is_fitted_to_detached_latents(prior):
    model = make(prior=prior)
    got = gradients(seeded_terms(ELBO(beta=0), model).loss, model)
    fixed = draw(model)
    apart = gradients(fixed.distortion.mean(), model)
    fit = gradients(-model.prior().log_prob(fixed.z[0].detach()).mean(), model)
    for name, gradient in got.items():
        own = name.startswith("prior.") and not name.startswith("prior.posterior.")
        torch.testing.assert_close(gradient, (fit if own else apart)[name])
        assert own == (apart[name].abs().sum() == 0), name

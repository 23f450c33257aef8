import itertools
import math

import pytest
import torch
from torch.distributions import kl_divergence

from vaecli.model import Draw
from vaecli.parts.code_sequences import AutoregressiveCodes, CodeNetwork
from vaecli.parts.networks import MLP
from vaecli.parts.posteriors import GaussianPosterior, QuantizedPosterior
from vaecli.parts.priors import FITTED_PRIORS, AutoregressivePrior, FixedLatents
from vaecli.system.errors import ConfigError

from .laws import SHAPE

CODES = 3


def make_posterior(levels=2, positions=2, codes=CODES):
    torch.manual_seed(0)
    encoder = MLP(width=16, depth=1).encoder(SHAPE, 0)
    return QuantizedPosterior(encoder, 2 * positions, codes=codes, dim=2, levels=levels)


def make(context_dim=0, levels=2, positions=2, codes=CODES, **options):
    """A small prior, not yet fitted."""
    posterior = make_posterior(levels, positions, codes)
    return AutoregressivePrior(posterior, context_dim, **{"width": 24, "temperature": 1, **options})


def make_uneven(context_dim=0, **options):
    """A prior whose probabilities are far from equal."""
    prior = make(context_dim, **options)
    with torch.no_grad():
        prior.network.out.weight.mul_(15)
    return prior


def every(length, codes=CODES):
    """All sequences of this length, shape `(codes^length, length)`."""
    return torch.tensor(list(itertools.product(range(codes), repeat=length)))


def fixed(codes, context=None):
    """Latents of these codes, shape `(N, positions, levels)`; the prior reads nothing else."""
    nothing = torch.zeros(len(codes), 4)
    return FixedLatents(nothing, nothing, codes, context)


def fit(prior, latents, seed=1):
    """The fractions that the fit yields."""
    return list(prior.fit(latents, torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("temperature", [1, 0.7])
@pytest.mark.parametrize("c", [None, torch.eye(4)[1:3]])
@pytest.mark.parametrize("levels", [1, 2])
def test_probabilities_sum_to_one_and_samples_follow_them(levels, c, temperature):
    prior = make_uneven(0 if c is None else 4, levels=levels, temperature=temperature)
    p = prior(c)
    words = every(2 * levels).view(-1, 2, levels)
    codebooks = prior.quantizer.module.codebooks.detach()
    points = sum(codebooks[n][words[..., n]] for n in range(levels)).flatten(-2)
    z = points if c is None else points.unsqueeze(1).expand(-1, 2, -1)
    probs = p.log_prob(z).exp().view(len(words), -1)
    torch.testing.assert_close(probs.sum(0), torch.ones(probs.shape[1]))
    assert probs.max() > 2 / len(words)  # not the uniform prior
    torch.manual_seed(1)
    samples = p.sample((6000,)).view(6000, -1, 4)
    for n, wanted in enumerate(probs.T):
        match = (samples[:, n].unsqueeze(1) - points).abs().amax(-1) < 1e-6
        assert (match.sum(1) == 1).all()
        error = (match.float().mean(0) - wanted).abs()
        assert (error < 5 * (wanted / 6000).sqrt() + 1e-3).all()


def test_log_probs_are_a_sum_over_positions_and_then_levels_of_conditionals():
    """By hand: the first code of a sequence is that of the first level at the first position."""
    prior = make_uneven()
    codes = torch.tensor([[[2, 0], [1, 2]]])
    logits = prior.network(codes.flatten(-2))[0].log_softmax(-1)
    wanted = sum(logits[place, code] for place, code in enumerate([2, 0, 1, 2]))
    torch.testing.assert_close(prior().log_prob_of_codes(codes), wanted.view(1))


def test_a_temperature_sharpens_every_conditional():
    """From all probabilities at temperature 1: `p_T(b | a)` is `p(b | a)^(1/T)`, normalized."""
    codes = every(2).view(9, 2, 1)
    joint = make_uneven(levels=1)().log_prob_of_codes(codes).exp().view(3, 3)
    first = joint.sum(1, keepdim=True)
    second = joint / first
    powers = [p ** (1 / 0.7) for p in (first, second)]
    wanted = powers[0] / powers[0].sum() * powers[1] / powers[1].sum(1, keepdim=True)
    p = make_uneven(levels=1, temperature=0.7)()
    torch.testing.assert_close(p.log_prob_of_codes(codes).exp(), wanted.flatten())
    assert (wanted - joint).abs().max() > 0.02
    torch.testing.assert_close(p.expand((9,)).log_prob_of_codes(codes).exp(), wanted.flatten())


def test_at_a_low_temperature_every_code_is_the_likeliest_given_those_before_it():
    prior = make_uneven(temperature=0.01)
    greedy = torch.zeros(1, 4, dtype=torch.long)
    for place in range(4):
        greedy[0, place] = prior.network(greedy)[0, place].argmax()
    assert (prior.network.sample(50, temperature=0.01) == greedy).all()
    likelihood = prior().log_prob_of_codes(greedy.view(1, 2, 2)).exp()
    torch.testing.assert_close(likelihood, torch.ones(1))


@pytest.mark.parametrize("depth", [1, 3])
def test_logits_depend_on_all_codes_before_them_and_on_no_other(depth):
    torch.manual_seed(0)
    network = CodeNetwork(5, 4, 0, width=40, depth=depth).double()
    codes = torch.randint(4, (64, 5))
    before = network(codes)
    for place in range(5):
        changed = codes.clone()
        changed[:, place] = (changed[:, place] + 1) % 4
        difference = (network(changed) - before).abs().amax((0, 2))
        assert (difference > 0).tolist() == [other > place for other in range(5)]


def test_the_first_code_depends_on_the_context():
    network = CodeNetwork(3, 4, 2, width=12, depth=2)
    logits = network(torch.zeros(2, 3, dtype=torch.long), torch.eye(2))
    assert (logits[0] != logits[1]).all()


def test_a_code_that_may_not_be_read_has_no_influence():
    network = CodeNetwork(3, 4, 0, width=12, depth=2)
    codes = torch.tensor([[1, 2, 3], [0, 2, 3]])
    known = torch.tensor([[0, 1, 1], [0, 1, 1]])
    first, second = network(codes, known=known)
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert (network(codes)[0, 1:] != network(codes)[1, 1:]).any()


@pytest.mark.parametrize("temperature", [1, 0.7])
def test_the_rate_is_the_negative_log_probability_of_the_codes_of_the_encoder(temperature):
    prior = make_uneven(temperature=temperature)
    x = torch.rand(7, *SHAPE)
    q = make_posterior().eval()(x)
    p = prior()
    codebooks = make_posterior().quantizer.codebooks
    assert q.codes.shape == (7, 2, 2)
    sums = codebooks[0][q.codes[..., 0]] + codebooks[1][q.codes[..., 1]]
    torch.testing.assert_close(sums.flatten(1), q.value)
    wanted = -prior.network.log_prob(q.codes.flatten(1), temperature=temperature)
    torch.testing.assert_close(kl_divergence(q, p), wanted)
    torch.testing.assert_close(-p.log_prob(q.value), wanted)
    assert wanted.unique().numel() > 1
    draw = Draw(x, q.rsample((1,)), q, p, likelihood=None)
    torch.testing.assert_close(draw.rate, wanted)


def test_codes_of_a_sample_are_found_where_the_nearest_code_of_each_level_is_another():
    """0.9 = 0.9 + 0 is a sum whose first code is not the one that is nearest to it, 1."""
    codebooks = torch.tensor([[[0.0], [1.0]], [[0.9], [-0.2]]])
    network = CodeNetwork(2, 2, 0, width=8, depth=1)
    p = AutoregressiveCodes(network, codebooks)
    wanted = network.log_prob(torch.tensor([[0, 0]]))
    torch.testing.assert_close(p.log_prob(torch.tensor([[0.9]])), wanted)


def test_a_trained_quantizer_reports_the_codes_it_chose_before_the_next_reset():
    posterior = make_posterior()
    q = posterior(torch.rand(7, *SHAPE))  # the first batch resets all codes
    books = posterior.quantizer.codebooks
    sums = books[0][q.codes[..., 0]] + books[1][q.codes[..., 1]]
    torch.testing.assert_close(sums.flatten(1), q.value)


def test_many_samples_are_drawn_in_parts_each_given_its_own_context(monkeypatch):
    monkeypatch.setattr("vaecli.parts.code_sequences.DRAWN_AT_ONCE", 5)
    prior = make(context_dim=2, levels=1)
    with torch.no_grad():
        prior.network.out.weight.zero_()
        prior.network.embedding.zero_()
    network = prior.network
    network.forward = lambda codes, c: 100 * (c @ torch.eye(2, 3)).unsqueeze(1).expand(-1, 2, 3)
    labels = torch.arange(12) % 2
    z = prior(torch.eye(2)[labels]).sample().view(12, 2, 2)
    codes = torch.cdist(z, prior.quantizer.module.codebooks[0].detach()).argmin(-1)
    assert codes.tolist() == [[label, label] for label in labels]


def test_a_fit_reaches_the_entropy_of_a_known_distribution():
    """Codes 1 and 2 are random; 3 is their sum, 4 the second again but for a tenth of the time."""
    torch.manual_seed(3)
    first, second = torch.randint(3, (2, 4000))
    noisy = torch.where(torch.rand(4000) < 0.1, (second + 1) % 3, second)
    codes = torch.stack([first, second, (first + second) % 3, noisy], -1).view(-1, 2, 2)
    prior = make(width=64, epochs=20, lr=1e-2)
    fractions = fit(prior, fixed(codes[:3000]))
    entropy = 2 * math.log(3) - 0.9 * math.log(0.9) - 0.1 * math.log(0.1)
    nll = -prior().log_prob_of_codes(codes[3000:]).mean().item()
    assert nll == pytest.approx(entropy, abs=0.08)
    assert nll < 4 * math.log(3) - 1.5
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert len(fractions) == 20 * 12  # after every batch of 256


def test_a_fit_knows_which_codes_are_near():
    """Few sequences, in which the second code is near the first on the line of the codebook."""
    torch.manual_seed(5)
    first = torch.randint(32, (900,))
    second = (first + torch.randint(-3, 4, (900,))).clamp(0, 31)
    codes = torch.stack([first, second], -1).view(-1, 2, 1)
    line = torch.linspace(-3, 5, 32).view(1, 32, 1).expand(1, 32, 2)
    nll = []
    for order in (torch.arange(32), torch.randperm(32)):
        prior = make(levels=1, codes=32, epochs=20, lr=1e-2)
        with torch.no_grad():
            prior.quantizer.module.codebooks.copy_(line[:, order])
        fit(prior, fixed(codes[:600]))
        nll.append(-prior().log_prob_of_codes(codes[600:]).mean().item())
    assert nll[0] < nll[1] - 0.5


def test_vectors_of_codes_start_with_the_products_of_a_gaussian_kernel():
    """In the mean over random vectors: exp(-|a - b|^2 f^2 / D) of standardized codes, by hand."""
    network = CodeNetwork(4, 5, 0, width=8, depth=1)
    codebooks = torch.randn(2, 5, 3) * torch.tensor([1, 4, 0.2]) + 7
    products = torch.zeros(4, 5, 5)
    for seed in range(400):
        network.place_codes(codebooks, torch.Generator().manual_seed(seed))
        products += network.readout.detach() @ network.readout.detach().mT / 400
    for place in range(4):
        book = codebooks[place % 2]
        points = (book - book.mean(0)) / book.std(0, unbiased=False)
        wanted = 8 * torch.exp(-(1.2**2) * torch.cdist(points, points) ** 2 / 3)
        torch.testing.assert_close(products[place], wanted, atol=0.4, rtol=0)


def test_codes_that_are_all_alike_are_placed():
    network = CodeNetwork(2, 1, 0, width=8, depth=1)
    network.place_codes(torch.ones(1, 1, 3), torch.Generator())
    assert network.embedding.isfinite().all()


def test_a_conditional_fit_gives_every_class_its_codes():
    labels = torch.arange(600) % 2
    codes = labels.view(-1, 1, 1).expand(-1, 2, 2)  # code 0 for class 0, code 1 for class 1
    prior = make(context_dim=2, epochs=60, lr=1e-2)
    fit(prior, fixed(codes, torch.eye(2)[labels]))
    p = prior(torch.eye(2))
    both = torch.tensor([[[0, 0], [0, 0]], [[1, 1], [1, 1]]])
    assert p.log_prob_of_codes(both).exp().min() > 0.95
    assert p.log_prob_of_codes(both.flip(0)).exp().max() < 0.02
    assert p.expand((5, 2)).sample((3,)).shape == (3, 5, 2, 4)


def test_a_prior_without_context_ignores_labels():
    prior = make()
    assert prior(torch.eye(4)).batch_shape == ()
    fit(prior, fixed(every(4).view(-1, 2, 2), torch.eye(81)))


def test_the_generator_alone_decides_the_fit():
    codes = every(4).view(-1, 2, 2)

    def fitted(noise, seed):
        prior = make(epochs=3)
        torch.manual_seed(noise)
        fit(prior, fixed(codes), seed)
        return torch.cat([p.detach().flatten() for p in prior.parameters()])

    first = fitted(1, seed=7)
    assert torch.equal(first, fitted(2, seed=7))
    assert not torch.equal(first, fitted(1, seed=8))


def test_a_fit_is_at_temperature_1():
    codes = every(4).view(-1, 2, 2)
    hot, cold = (make(epochs=2, temperature=t) for t in (1, 0.5))
    for prior in (hot, cold):
        fit(prior, fixed(codes))
    assert torch.equal(hot.network(codes.flatten(1)), cold.network(codes.flatten(1)))
    assert (hot().log_prob_of_codes(codes) != cold().log_prob_of_codes(codes)).any()


def test_a_fit_changes_every_parameter_and_not_the_codebooks():
    prior = make(context_dim=2, depth=2, epochs=1)
    before = {name: p.detach().clone() for name, p in prior.named_parameters()}
    codebooks = prior.quantizer.module.codebooks
    kept = codebooks.detach().clone()
    with torch.no_grad():  # as its caller may have it
        fit(prior, fixed(every(4).view(-1, 2, 2), torch.eye(2)[torch.arange(81) % 2]))
        assert not torch.is_grad_enabled()
    parts = {"embedding", "first", "blocks", "out", "readout", "bias"}
    assert {name.split(".")[1] for name in before} == parts
    for name, parameter in prior.named_parameters():
        assert (parameter != before[name]).any(), name
        assert parameter.grad is None
    assert torch.equal(codebooks, kept)


def test_every_parameter_has_a_gradient():
    prior = make(context_dim=2, depth=3)
    c = torch.eye(2)[torch.arange(81) % 2]
    prior(c).log_prob_of_codes(every(4).view(-1, 2, 2)).sum().backward()
    for name, parameter in prior.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_a_sequence_may_have_a_single_code():
    """One position and one level: nothing comes before the only code."""
    prior = make(levels=1, positions=1, epochs=60, lr=2e-2)
    codes = torch.tensor([0] * 30 + [1] * 60 + [2] * 10).view(-1, 1, 1)
    fit(prior, fixed(codes))
    probs = prior().log_prob_of_codes(torch.arange(3).view(3, 1, 1)).exp()
    torch.testing.assert_close(probs, torch.tensor([0.3, 0.6, 0.1]), atol=0.02, rtol=0)


def test_priors_over_codes_refuse_what_they_cannot_do():
    assert FITTED_PRIORS["autoregressive"] is AutoregressivePrior
    gaussian = GaussianPosterior(MLP(width=4, depth=1).encoder(SHAPE, 0), 4)
    with pytest.raises(ConfigError) as error:
        AutoregressivePrior(gaussian, 0)
    message = "The autoregressive prior is of codes: use posterior='quantized'."
    assert str(error.value) == message
    latents = torch.zeros(5, 4)
    with pytest.raises(ConfigError) as error:
        fit(make(), FixedLatents(latents, latents))
    assert str(error.value) == message
    with pytest.raises(ConfigError) as error:
        make(codes=6).require_enough([2, 3])
    assert str(error.value) == (
        "The autoregressive prior of 6 codes needs at least as many training images, not 5: use "
        "more images or fewer codes."
    )
    make(codes=6).require_enough([2, 4])
    p = make(levels=3, positions=1, codes=41)()
    with pytest.raises(ConfigError) as error:
        p.log_prob(torch.zeros(1, 2))
    assert str(error.value) == (
        "3 levels of 41 codes have 68,921 sums, too many to find the codes of a latent: use at "
        "most 65,536, by fewer levels or codes."
    )

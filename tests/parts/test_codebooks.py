import math

import pytest
import torch

from vaecli.parts.codebooks import UniformCodes, VectorQuantizer
from vaecli.parts.distributions import QuantizedPointMass
from vaecli.parts.networks import MLP
from vaecli.parts.posteriors import QuantizedPosterior
from vaecli.system.errors import ConfigError

from .laws import SHAPE


def make(**options):
    torch.manual_seed(0)
    return QuantizedPosterior(MLP(width=16, depth=1).encoder(SHAPE, 0), 4, **options)


def test_probabilities_of_all_codewords_sum_to_one_and_samples_are_codewords():
    torch.manual_seed(0)
    codebooks = torch.randn(2, 3, 2)  # levels, codes, dim
    d = UniformCodes(codebooks, positions=2)
    vectors = (codebooks[0].unsqueeze(1) + codebooks[1]).flatten(0, 1)
    first, second = torch.cartesian_prod(torch.arange(9), torch.arange(9)).unbind(-1)
    words = torch.cat([vectors[first], vectors[second]], -1)
    assert d.log_prob(words).exp().sum().item() == pytest.approx(1)
    samples = d.expand((5000,)).sample()
    match = (samples.unsqueeze(1) - words).abs().amax(-1) < 1e-6
    assert (match.sum(1) == 1).all()
    assert match.float().mean(0).sub(1 / 81).abs().max() < 5 / math.sqrt(81 * 5000)


def test_each_level_takes_the_code_nearest_to_the_residual():
    quantizer = VectorQuantizer(4, levels=2, codes=7, dim=2).eval()
    z = torch.randn(5, 4)
    got = quantizer(z)[0]
    for one, other in zip(z.view(-1, 2), got.view(-1, 2), strict=True):
        residual = one
        for codebook in quantizer.codebooks.detach():
            residual = residual - codebook[(codebook - residual).norm(dim=-1).argmin()]
        torch.testing.assert_close(one - residual, other)


def test_gradients_pass_straight_through_and_the_loss_is_that_of_the_paper():
    posterior = make(codes=8, dim=2, commitment=0.5).eval()
    z = torch.randn(6, 4, requires_grad=True)
    q = posterior.distribution(z)
    codebooks = posterior.quantizer.codebooks
    weights = torch.randn(6, 4)
    (q.rsample((1,))[0] * weights).sum().backward()
    torch.testing.assert_close(z.grad, weights)
    assert codebooks.grad is None
    code = q.value.detach()
    assert (code.view(-1, 1, 2) == codebooks[0]).all(-1).any(-1).all()  # exactly codes
    torch.testing.assert_close(q.vq_loss, 1.5 * (code - z).square().sum(-1))
    z.grad = None
    posterior.distribution(z).vq_loss.sum().backward()
    torch.testing.assert_close(z.grad, 0.5 * 2 * (z - code))
    chosen = (code.view(-1, 1, 2) == codebooks[0]).all(-1)
    gradient = torch.stack([2 * (code - z).detach().view(-1, 2)[at].sum(0) for at in chosen.T])
    torch.testing.assert_close(codebooks.grad[0], gradient)


def test_the_rate_is_the_logarithm_of_the_number_of_codewords():
    posterior = make(codes=8, dim=2, levels=3)
    q = posterior(torch.rand(5, *SHAPE))
    p = UniformCodes(posterior.quantizer.codebooks, posterior.quantizer.positions)
    z = q.rsample((1,))
    rate = q.log_prob(z) - p.log_prob(z)
    torch.testing.assert_close(rate, torch.full((1, 5), 2 * 3 * math.log(8)))
    assert isinstance(q, QuantizedPointMass)


def test_every_code_comes_into_use():
    """Codes begin far from all vectors: without resets, all but the nearest stay unused."""
    torch.manual_seed(0)
    quantizer = VectorQuantizer(2, levels=2, codes=16, dim=2)
    quantizer.codebooks.data += 100
    for _ in range(600):
        quantizer(torch.randn(64, 2))
    z = torch.randn(4000, 2)
    for level, codebook in enumerate(quantizer.codebooks.detach()):
        counts = torch.cdist(z, codebook).argmin(-1).bincount(minlength=16)
        assert (counts > 0).all(), level
        z = z - codebook[torch.cdist(z, codebook).argmin(-1)]
    assert z.square().sum(-1).mean() < 0.2  # of 2 before


def test_a_used_code_stays_and_a_dead_one_is_reset_to_a_vector_of_the_batch():
    quantizer = VectorQuantizer(2, levels=1, codes=4, dim=2)
    z = torch.randn(32, 2)
    quantizer(z)
    quantizer.usage[0] = torch.tensor([0.5, 0.5, 0.0, 0.03])
    before = quantizer.codebooks.detach().clone()
    quantizer(z)
    after = quantizer.codebooks.detach()
    assert (before == after).all(-1).tolist() == [[True, True, False, True]]
    assert (after[0, 2] == z).all(-1).any()


def test_codes_are_reset_in_training_only():
    posterior = make(codes=8, dim=2)
    before = {name: t.clone() for name, t in posterior.state_dict().items()}
    posterior.eval()(torch.rand(5, *SHAPE))
    with torch.no_grad():
        posterior.train()(torch.rand(5, *SHAPE))
    for name, tensor in posterior.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_the_usage_of_codes_is_saved():
    def go_on(posterior, batches):
        for batch in batches:
            torch.manual_seed(batch)
            posterior(torch.rand(5, *SHAPE))
        return posterior.state_dict()

    whole = make()
    halves = make()
    other = make()
    wanted = go_on(whole, range(6))
    other.load_state_dict(go_on(halves, range(3)))
    got = go_on(other, range(3, 6))
    assert wanted.keys() == got.keys()
    assert all(torch.equal(wanted[name], got[name]) for name in wanted)


def test_a_code_length_that_does_not_divide_the_latent_is_refused():
    with pytest.raises(ConfigError) as error:
        make(dim=3)
    assert str(error.value) == (
        "latent_dim=4 is not divisible by the code length 3: use a multiple of 3, "
        "or posterior='quantized:dim=1'."
    )

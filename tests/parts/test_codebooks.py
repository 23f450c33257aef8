import math

import pytest
import torch

from vaecli.parts.codebooks import UniformCodes, VectorQuantizer, nearest_code
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


def by_hand(quantizer, vectors):
    """The chosen codes of every level and the vectors that it quantizes, `(N, dim)` each."""
    residual = vectors
    levels = []
    for codebook in quantizer.codebooks.detach():
        index = torch.cdist(residual, codebook).argmin(-1)
        levels.append((index, codebook[index], residual))
        residual = residual - codebook[index]
    return levels


def used(levels=2, codes=5, positions=2, batch=6):
    """A quantizer in training all of whose codes are in use, and latents in double precision."""
    torch.manual_seed(2)
    quantizer = VectorQuantizer(3 * positions, levels, codes, 3).double()
    quantizer.usage.fill_(1 / codes)
    return quantizer, torch.randn(batch, 3 * positions, dtype=torch.float64)


def test_each_loss_is_a_sum_over_levels_and_trains_only_its_own_side():
    quantizer, z = used(levels=3)
    z.requires_grad_()
    quantized, codebook_loss, commitment_loss, _ = quantizer(z)
    levels = by_hand(quantizer, z.detach().view(-1, 3))
    error = sum((code - residual).square() for _, code, residual in levels)
    wanted = error.view(6, 6).sum(-1)
    torch.testing.assert_close(codebook_loss, wanted)
    torch.testing.assert_close(commitment_loss, wanted)
    torch.testing.assert_close(quantized, sum(code for _, code, _ in levels).view(6, 6))
    assert not quantized.requires_grad
    wrt = (z, quantizer.codebooks)
    none, codes = torch.autograd.grad(codebook_loss.sum(), wrt, allow_unused=True)
    latents, no_codes = torch.autograd.grad(commitment_loss.sum(), wrt, allow_unused=True)
    assert none is None
    assert no_codes is None
    moved = sum(2 * (residual - code) for _, code, residual in levels)
    torch.testing.assert_close(latents, moved.view(6, 6))
    for level, (index, code, residual) in enumerate(levels):
        pull = torch.zeros(5, 3).double().index_add(0, index, 2 * (code - residual))
        torch.testing.assert_close(codes[level], pull)  # of this level's codes, by this level alone


def test_the_usage_of_a_code_decays_by_a_tenth_in_every_batch():
    quantizer, z = used(levels=2)
    usage = torch.full((2, 5), 0.2).double()
    for batch in (z, 0.5 * z, z.flip(0) + 0.1):
        for level, (index, _, _) in enumerate(by_hand(quantizer, batch.view(-1, 3))):
            share = torch.bincount(index, minlength=5) / len(index)
            usage[level] = 0.9 * usage[level] + 0.1 * share
        quantizer(batch)
        torch.testing.assert_close(quantizer.usage, usage)
    assert (usage[0] != usage[1]).any()
    torch.testing.assert_close(usage.sum(-1), torch.ones(2).double())


def test_a_code_is_dead_below_a_tenth_of_its_equal_share_and_then_has_an_equal_share():
    quantizer, z = used(levels=1, codes=4)
    quantizer.usage[0] = torch.tensor([0.0249, 0.0251, 0.2, 0.75])
    before = quantizer.codebooks.detach().clone()
    quantizer(z)
    changed = (quantizer.codebooks[0] != before[0]).any(-1)
    assert changed.tolist() == [True, False, False, False]
    index = nearest_code(z.view(-1, 3), quantizer.codebooks[0])
    share = torch.bincount(index, minlength=4) / len(index)
    began = torch.tensor([0.25, 0.0251, 0.2, 0.75]).double()
    torch.testing.assert_close(quantizer.usage[0], 0.9 * began + 0.1 * share)


def test_the_first_batch_places_every_code_on_what_its_level_quantizes():
    """At the start no code is used: each becomes one of the vectors, or of their residuals."""
    torch.manual_seed(3)
    quantizer = VectorQuantizer(6, levels=2, codes=5, dim=3).double()
    z = torch.randn(20, 6).double()
    quantizer(z)
    for level, (_, _, residual) in enumerate(by_hand(quantizer, z.view(-1, 3))):
        distance = torch.cdist(quantizer.codebooks[level].detach(), residual)
        assert distance.min(-1).values.max() < 1e-12, level
        assert len(distance.argmin(-1).unique()) > 1, level


def test_after_22_batches_without_a_vector_a_code_is_reset():
    quantizer, z = used(levels=1, codes=4)
    with torch.no_grad():
        quantizer.codebooks[0, 3] = 1e3  # nearest to no vector
    batches = 0
    while quantizer.codebooks[0, 3, 0] == 1e3:
        quantizer(z)
        batches += 1
    assert batches == 23  # the 23rd begins with the reset


@pytest.mark.parametrize("levels", [1, 3])
def test_samples_use_every_codebook_and_draw_each_position_on_its_own(levels):
    torch.manual_seed(0)
    codebooks = torch.randn(levels, 4, 2)
    d = UniformCodes(codebooks, positions=2)
    z = d.expand((2000,)).sample().unflatten(-1, (2, 2))
    mean = codebooks.mean(1).sum(0)
    variance = codebooks.var(1, correction=0).sum(0)
    torch.testing.assert_close(z.mean(0), mean.expand(2, 2), atol=0.15, rtol=0)
    torch.testing.assert_close(z.var(0), variance.expand(2, 2), atol=0.15, rtol=0.1)
    assert torch.corrcoef(z[..., 0].T)[0, 1].abs() < 0.1
    assert d.log_prob(z.flatten(-2)).allclose(torch.tensor(-2.0 * levels * math.log(4)))

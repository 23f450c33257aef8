import math

import pytest
import torch

from vaecli.errors import ConfigError
from vaecli.parts.codebooks import Codewords, Quantizer
from vaecli.parts.networks import MLP
from vaecli.parts.posteriors import Quantized

from .laws import SHAPE


def make(**options):
    torch.manual_seed(0)
    return Quantized(MLP(width=16, depth=1).encoder(SHAPE, 0), 4, **options)


def test_masses_of_all_that_codes_can_make_sum_to_one_and_samples_are_among_them():
    torch.manual_seed(0)
    books = torch.randn(2, 3, 2)  # levels, codes, dim
    d = Codewords(books, positions=2)
    vectors = (books[0].unsqueeze(1) + books[1]).flatten(0, 1)
    first, second = torch.cartesian_prod(torch.arange(9), torch.arange(9)).unbind(-1)
    words = torch.cat([vectors[first], vectors[second]], -1)
    assert d.log_prob(words).exp().sum().item() == pytest.approx(1)
    samples = d.expand((5000,)).sample()
    match = (samples.unsqueeze(1) - words).abs().amax(-1) < 1e-6
    assert (match.sum(1) == 1).all()
    assert match.float().mean(0).sub(1 / 81).abs().max() < 5 / math.sqrt(81 * 5000)


def test_the_latent_is_the_nearest_code_and_at_later_levels_the_nearest_to_what_is_left():
    quantizer = Quantizer(4, levels=2, codes=7, dim=2).eval()
    z = torch.randn(5, 4)
    got = quantizer(z)[0]
    for one, other in zip(z.view(-1, 2), got.view(-1, 2), strict=True):
        left = one
        for book in quantizer.books.detach():
            left = left - book[(book - left).norm(dim=-1).argmin()]
        torch.testing.assert_close(one - left, other)


def test_the_gradient_passes_straight_through_and_the_pull_is_that_of_the_paper():
    posterior = make(codes=8, dim=2, commitment=0.5).eval()
    z = torch.randn(6, 4, requires_grad=True)
    q = posterior.distribution(z)
    books = posterior.quantizer.books
    weights = torch.randn(6, 4)
    (q.rsample((1,))[0] * weights).sum().backward()
    torch.testing.assert_close(z.grad, weights)
    assert books.grad is None
    code = q.value.detach()
    assert (code.view(-1, 1, 2) == books[0]).all(-1).any(-1).all()  # exactly codes
    torch.testing.assert_close(q.penalty, 1.5 * (code - z).square().sum(-1))
    z.grad = None
    posterior.distribution(z).penalty.sum().backward()
    torch.testing.assert_close(z.grad, 0.5 * 2 * (z - code))
    chosen = (code.view(-1, 1, 2) == books[0]).all(-1)
    pulled = torch.stack([2 * (code - z).detach().view(-1, 2)[at].sum(0) for at in chosen.T])
    torch.testing.assert_close(books.grad[0], pulled)


def test_the_rate_is_the_logarithm_of_the_number_of_codewords():
    posterior = make(codes=8, dim=2, levels=3)
    q = posterior(torch.rand(5, *SHAPE))
    p = Codewords(posterior.quantizer.books, posterior.quantizer.positions)
    z = q.rsample((1,))
    rate = q.log_prob(z) - p.log_prob(z)
    torch.testing.assert_close(rate, torch.full((1, 5), 2 * 3 * math.log(8)))
    assert q.discrete


def test_every_code_comes_into_use():
    """Codes begin far from all vectors but one place, where none of the others would be used."""
    torch.manual_seed(0)
    quantizer = Quantizer(2, levels=2, codes=16, dim=2)
    quantizer.books.data += 100
    for _ in range(600):
        quantizer(torch.randn(64, 2))
    z = torch.randn(4000, 2)
    for level, book in enumerate(quantizer.books.detach()):
        counts = torch.cdist(z, book).argmin(-1).bincount(minlength=16)
        assert (counts > 0).all(), level
        z = z - book[torch.cdist(z, book).argmin(-1)]
    assert z.square().sum(-1).mean() < 0.2  # of 2 before


def test_a_code_in_use_stays_where_it_is_and_a_dead_one_moves_to_a_vector():
    quantizer = Quantizer(2, levels=1, codes=4, dim=2)
    z = torch.randn(32, 2)
    quantizer(z)
    quantizer.use[0] = torch.tensor([0.5, 0.5, 0.0, 0.03])
    before = quantizer.books.detach().clone()
    quantizer(z)
    after = quantizer.books.detach()
    assert (before == after).all(-1).tolist() == [[True, True, False, True]]
    assert (after[0, 2] == z).all(-1).any()


def test_codes_move_in_training_only():
    posterior = make(codes=8, dim=2)
    before = {name: t.clone() for name, t in posterior.state_dict().items()}
    posterior.eval()(torch.rand(5, *SHAPE))
    with torch.no_grad():
        posterior.train()(torch.rand(5, *SHAPE))
    for name, tensor in posterior.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_what_decides_of_codes_is_saved():
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


def test_codes_must_divide_the_latent():
    with pytest.raises(ConfigError) as error:
        make(dim=3)
    assert str(error.value) == (
        "A codebook cuts latents into vectors of length 3: use a --latent-dim that 3 divides, "
        "not 4, or --posterior quantized:dim=1."
    )

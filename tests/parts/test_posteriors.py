import pytest
import torch

from tests.parts.laws import SHAPE, SURFACES, assert_samples_agree, probabilities
from vaecli.parts.distributions import Delta, DiagonalNormal
from vaecli.parts.networks import MLP
from vaecli.parts.posteriors import POSTERIORS
from vaecli.system.errors import ConfigError

DENSITIES = [n for n, part in POSTERIORS.items() if part.has_density and part.space != "codes"]
SHALLOW = {"planar": {"depth": 3}}


def make(name, latent_dim=2, context=0, **options):
    torch.manual_seed(7)
    encoder = MLP(width=16, depth=1).encoder(SHAPE, context)
    return POSTERIORS[name](encoder, latent_dim, **options)


@pytest.mark.parametrize("context", [0, 3])
@pytest.mark.parametrize("name", DENSITIES)
def test_posteriors_integrate_to_one_and_samples_follow_them(name, context):
    posterior = make(name, context=context, **SHALLOW.get(name, {}))
    c = torch.eye(3) if context else None
    q = posterior(2 * torch.rand(3, *SHAPE), c)
    z, weights = probabilities(q, 3, SURFACES[posterior.space])
    torch.testing.assert_close(weights.sum(0), torch.ones(3), atol=2e-3, rtol=0)
    with torch.no_grad():
        assert_samples_agree(q.rsample((10_000,)), z, weights)


@pytest.mark.parametrize("name", POSTERIORS)
def test_a_posterior_has_the_documented_shapes_and_depends_on_the_context(name):
    posterior = make(name, latent_dim=4, context=3).eval()
    x = torch.rand(1, *SHAPE).expand(5, *SHAPE)
    q = posterior(x, torch.eye(3)[[0, 1, 2, 0, 1]])
    z = q.rsample((6,))
    assert z.shape == (6, 5, 4)
    assert q.log_prob(z).shape == (6, 5)
    assert q.mean.shape == q.variance.shape == (5, 4)
    torch.testing.assert_close(q.mean[0], q.mean[3])
    if name != "quantized":  # whose means may be the same code
        assert (q.mean[0] != q.mean[1]).any()


@pytest.mark.parametrize("name", POSTERIORS)
def test_large_outputs_of_the_encoder_give_finite_numbers(name):
    posterior = make(name, latent_dim=4)
    with torch.no_grad():
        posterior.head.weight.mul_(1e3)
    q = posterior(torch.rand(5, *SHAPE))
    z = q.rsample((2,))
    (z.square().sum() * 1e-6 + q.log_prob(z).sum()).backward()
    assert z.isfinite().all()
    assert q.variance.isfinite().all()
    for parameter_name, parameter in posterior.named_parameters():
        if parameter.grad is not None:
            assert parameter.grad.isfinite().all(), parameter_name


def test_a_deterministic_code_is_the_output_of_the_head():
    posterior = make("dirac", latent_dim=3)
    x = torch.rand(5, *SHAPE)
    q = posterior(x)
    torch.testing.assert_close(q.rsample((2,))[1], posterior.head(posterior.encoder(x)))
    assert not posterior.has_density
    assert isinstance(q, Delta)


def test_the_head_of_the_sphere_outputs_direction_and_then_concentration():
    posterior = make("vmf", latent_dim=3)
    x = torch.rand(5, *SHAPE)
    q = posterior(x)
    head = posterior.head(posterior.encoder(x))
    along = (q.direction * head[:, :3]).sum(-1)
    torch.testing.assert_close(along, head[:, :3].norm(dim=-1))
    torch.testing.assert_close(q.concentration, 1 + (1 + head[:, 3:].sum(-1).exp()).log())


def test_a_ladder_weights_encoder_and_prior_by_their_precision():
    posterior = make("ladder", latent_dim=3)
    x = torch.rand(5, *SHAPE)
    q = posterior(x)
    mean, log_var = posterior.head(posterior.encoder(x)).chunk(2, -1)
    torch.testing.assert_close(q.first.mean, mean[:, :1])
    torch.testing.assert_close(q.first.variance, log_var[:, :1].exp())
    z = torch.randn(5, 1)
    combined = q.conditionals[0](z)
    (from_prior,) = [level(z) for level in posterior.top_down.conditionals()]
    points = torch.randn(50, 5, 2)
    from_image = DiagonalNormal(mean[:, 1:], log_var[:, 1:])
    product = from_image.log_prob(points) + from_prior.log_prob(points)
    ratio = combined.log_prob(points) - product  # a constant: only the scale differs
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["hierarchical", "ladder"])
def test_levels_share_the_latent_dimensions_evenly(name):
    assert make(name, latent_dim=7, levels=3).sizes == [2, 2, 3]
    assert make(name, latent_dim=5, levels=5)(torch.rand(2, *SHAPE)).rsample((3,)).shape[-1] == 5


REFUSED = {
    ("ladder", 2, ("levels", 3)): ("3 levels need latent_dim=3 or more, not 2."),
    ("quantized", 4, ("dim", 5)): (
        "latent_dim=4 is not divisible by the code length 5: use a multiple of 5, "
        "or posterior='quantized:dim=1'."
    ),
}


@pytest.mark.parametrize(("case", "message"), REFUSED.items(), ids=str)
def test_options_that_do_not_fit_the_latents_are_refused(case, message):
    name, latent_dim, (option, value) = case
    with pytest.raises(ConfigError) as error:
        make(name, latent_dim, **{option: value})
    assert str(error.value) == message


def test_a_sphere_of_one_dimension_is_refused():
    with pytest.raises(ConfigError) as error:
        make("vmf", latent_dim=1)
    assert str(error.value) == "Latents on a sphere need latent_dim=2 or more, not 1."


def test_the_concentration_has_an_upper_bound():
    posterior = make("vmf", latent_dim=3)
    k = posterior.distribution(torch.ones(2, 3), torch.tensor([[1e6] * 3, [-1e6] * 3]))
    assert k.concentration.tolist() == [1e5, 1.0]


@pytest.mark.parametrize("name", POSTERIORS)
def test_latents_and_densities_are_single_precision_also_in_bf16(name):
    """As with `precision=bf16`: the networks of flows and levels compute in bf16 too."""
    posterior = make(name, latent_dim=4).eval()
    x = torch.rand(3, *SHAPE)
    with torch.autocast("cpu", torch.bfloat16):
        assert posterior.encoder(x).dtype == torch.bfloat16
        q = posterior(x)
        z = q.rsample((2,))
        found = [q.mean, q.variance, z, q.log_prob(z), q.log_prob(z.clone())]
    assert {tensor.dtype for tensor in found} == {torch.float32}
    torch.testing.assert_close(found[-1], found[-2], atol=0.1, rtol=0.05)


def test_the_defaults_are_the_documented_ones():
    flow, planar, iaf = (make(name, latent_dim=4).flow.flows for name in ("flow", "planar", "iaf"))
    assert (len(flow), len(planar), len(iaf)) == (4, 8, 2)
    assert flow[0].net.net[0].out_features == 64
    assert iaf[0].hidden.out_features == 128
    quantized = make("quantized", latent_dim=4)
    assert quantized.commitment == 0.25
    assert quantized.quantizer.codebooks.shape == (1, 64, 2)
    for name in ("hierarchical", "ladder"):
        levels = make(name, latent_dim=4)
        assert levels.sizes == [2, 2]
        assert levels.top_down.width == 64

import math

import pytest
import torch

from tests.parts.laws import SHAPE, SURFACES, assert_samples_agree, probabilities
from vaecli.errors import ConfigError
from vaecli.parts.networks import MLP
from vaecli.parts.posteriors import POSTERIORS
from vaecli.parts.priors import PRIORS

PARTNERS = {"codes": "quantized", "sphere": "vmf"}  # gaussian, for all others
DENSITIES = [name for name, part in PRIORS.items() if part.space != "codes"]
FEW = {"vamp": {"components": 10}, "swiss-roll": {"components": 40, "scale": 0.2}}
CLASSES = 4
LABELS = torch.cat([torch.eye(CLASSES), torch.zeros(1, CLASSES)])  # the last is not known


def make(name, posterior=None, latent_dim=2, context=0, **options):
    torch.manual_seed(5)
    if posterior is None or isinstance(posterior, str):
        encoder = MLP(width=16, depth=1).encoder(SHAPE, context)
        posterior = POSTERIORS[posterior or PARTNERS.get(name, "gaussian")](encoder, latent_dim)
    offered = {"posterior": posterior, "latent_dim": latent_dim, "shape": SHAPE, "context": context}
    part = PRIORS[name]
    taken = part.__init__.__code__.co_varnames[: part.__init__.__code__.co_argcount]
    return part(**{k: v for k, v in offered.items() if k in taken}, **options)


@pytest.mark.parametrize("context", [0, CLASSES])
@pytest.mark.parametrize("name", DENSITIES)
def test_priors_integrate_to_one_and_samples_follow_them(name, context):
    if name == "conditional" and not context:
        context = CLASSES
    prior = make(name, context=context, **FEW.get(name, {}))
    p = prior(LABELS if context else None).expand((5,))
    z, weights = probabilities(p, 5, SURFACES[prior.space])
    weights = weights.expand(-1, 5)
    torch.testing.assert_close(weights.sum(0), torch.ones(5), atol=2e-3, rtol=0)
    assert_samples_agree(p.sample((5_000,)), z, weights)


@pytest.mark.parametrize("context", [0, CLASSES])
@pytest.mark.parametrize("name", PRIORS)
def test_a_prior_is_scored_and_sampled_as_the_model_does(name, context):
    if name == "conditional" and not context:
        context = CLASSES
    prior = make(name, context=context)
    c = LABELS[:3] if context else None
    p = prior(c)
    assert p.batch_shape in ((), (3,))
    z = p.expand((3,)).sample()
    assert z.shape == (3, 2)
    assert p.log_prob(z.expand(6, 3, 2)).shape == (6, 3)
    assert not z.requires_grad


def test_the_vamp_prior_is_the_average_of_posteriors():
    """By hand: `1/K sum_k N(z; mean_k, exp(log_var_k))`, with the variance dividing."""
    encoder = MLP(width=16, depth=1).encoder(SHAPE, CLASSES)
    posterior = POSTERIORS["gaussian"](encoder, 3)
    prior = make("vamp", posterior, latent_dim=3, context=CLASSES, components=6)
    with torch.no_grad():
        posterior.head.bias[3:] = torch.tensor([-3.0, 0.5, 2.0])
        prior.images[0] = 7  # outside of what a pixel can be
    z = torch.randn(5, 3)
    images = prior.images.clamp(0, 1)
    labels = prior.labels.softmax(-1)
    total = torch.zeros(5)
    for image, label in zip(images, labels, strict=True):
        mean, log_var = posterior.head(encoder(image[None], label[None]))[0].chunk(2)
        density = (-((z - mean) ** 2) / (2 * log_var.exp())).exp() / (
            2 * math.pi * log_var.exp()
        ).sqrt()
        total = total + density.prod(-1) / 6
    torch.testing.assert_close(prior(LABELS).log_prob(z), total.log())


def test_a_prior_does_not_own_what_it_shares_with_the_posterior():
    for name, partner in (("vamp", "gaussian"), ("codes", "quantized"), ("hierarchical", "ladder")):
        names = [parameter for parameter, _ in make(name, partner).named_parameters()]
        assert set(names) <= {"images", "labels"}, name


def test_the_ladder_and_its_prior_share_the_way_down():
    posterior = POSTERIORS["ladder"](MLP(width=16, depth=1).encoder(SHAPE, 0), 4)
    prior = make("hierarchical", posterior, latent_dim=4)
    z = torch.randn(3, 2)
    before = prior().conditionals[0](z).mean
    with torch.no_grad():
        posterior.top_down.nets[0].net[-1].bias += 1
    torch.testing.assert_close(prior().conditionals[0](z).mean, before + 1)


def test_the_ring_is_ten_petals_around_the_origin():
    parts = make("ring", radius=3.0, along=0.5, across=0.1)().component_distribution
    torch.testing.assert_close(parts.mean.norm(dim=-1), torch.full((10,), 3.0))
    second = 3 * torch.tensor([math.cos(0.2 * math.pi), math.sin(0.2 * math.pi)])
    torch.testing.assert_close(parts.mean[1], second)
    out = parts.mean / 3
    spread = torch.einsum("kd,kde,ke->k", out, parts.covariance_matrix, out)
    torch.testing.assert_close(spread, torch.full((10,), 0.25))
    torch.testing.assert_close(parts.covariance_matrix.det(), torch.full((10,), 0.25 * 0.01))


@pytest.mark.parametrize("name", ["ring", "swiss-roll"])
def test_classes_take_equal_shares_and_make_up_the_whole(name):
    prior = make(name, context=CLASSES, components=8)
    z = torch.randn(200, 1, 2) * 2
    each = prior(LABELS).log_prob(z.expand(-1, 5, -1))
    whole = each[:, :4].logsumexp(1) - math.log(4)
    torch.testing.assert_close(each[:, 4], whole)  # a label that is not known
    torch.testing.assert_close(prior().log_prob(z[:, 0]), whole)


def test_a_class_is_one_petal_or_one_section_of_the_roll():
    labels = torch.eye(10).repeat_interleave(200, 0)
    z = make("ring", context=10)(labels).sample().view(10, 200, 2)
    angle = torch.atan2(*z.mean(1).flip(-1).T) / (2 * math.pi) * 10
    assert (angle.round() % 10).tolist() == list(range(10))
    assert (angle - angle.round()).abs().max() < 0.2
    radii = make("swiss-roll", context=10)(labels).sample().view(10, 200, 2).norm(dim=-1)
    assert (radii.mean(1).diff() > 0).all()
    assert radii.max() < 3.5


def test_the_roll_is_evenly_spaced():
    gaps = make("swiss-roll")().component_distribution.mean.diff(dim=0).norm(dim=-1)[20:]
    assert gaps.max() / gaps.min() < 1.1
    assert gaps.max() < 0.1  # less than the standard deviation: no gap shows


def test_the_mean_of_labels_decides_the_conditional_prior():
    prior = make("conditional", context=CLASSES)
    weight = prior.head.weight
    bias = prior.head.bias
    p = prior(LABELS)
    torch.testing.assert_close(p.mean[:4], (weight[:2] + bias[:2, None]).T)
    torch.testing.assert_close(p.mean[4], bias[:2])


REFUSED = [
    ("conditional", {}, "The conditional prior reads labels: add --conditional."),
    (
        "vamp",
        {"posterior": "flow"},
        "The vamp prior mixes gaussian posteriors: use --posterior gaussian.",
    ),
    (
        "codes",
        {"posterior": "gaussian"},
        "The codes prior draws from a codebook: use --posterior quantized.",
    ),
    (
        "hierarchical",
        {"posterior": "hierarchical", "latent_dim": 4, "levels": 3},
        "Prior and posterior differ in levels: give both the same.",
    ),
    (
        "hierarchical",
        {"posterior": "ladder", "latent_dim": 4, "width": 32},
        "Ladder and prior share a network: give both the same width.",
    ),
    ("ring", {"latent_dim": 3}, "The ring prior lies in a plane: use --latent-dim 2, not 3."),
    ("ring", {"context": 12}, "12 classes need --prior ring:components=12 or more."),
    (
        "swiss-roll",
        {"latent_dim": 20},
        "The swiss-roll prior lies in a plane: use --latent-dim 2, not 20.",
    ),
]


@pytest.mark.parametrize(("name", "given", "message"), REFUSED)
def test_what_does_not_go_together_is_refused(name, given, message):
    with pytest.raises(ConfigError) as error:
        make(name, **given)
    assert str(error.value) == message

import math

import numpy as np
import pytest
import torch
from scipy import special, stats

from tests.builders import build
from tests.parts.laws import SHAPE, SURFACES, assert_samples_agree, probabilities
from vaecli.config.config import Config
from vaecli.parts.priors import PRIORS
from vaecli.system.errors import ConfigError

PARTNERS = {"codes": "quantized", "sphere": "vmf"}  # gaussian, for all others
DENSITIES = [name for name, part in PRIORS.items() if part.space != "codes"]
FEW = {"vamp": "vamp:components=10", "swiss-roll": "swiss-roll:components=40,std=0.2"}
CLASSES = 4
LABELS = torch.cat([torch.eye(CLASSES), torch.zeros(1, CLASSES)])  # the last is not known


def make_model(prior, posterior=None, latent_dim=2, classes=0):
    """The model that has this prior; a conditional one if there are classes."""
    config = Config(
        prior=prior,
        posterior=posterior or PARTNERS.get(prior.partition(":")[0], "gaussian"),
        latent_dim=latent_dim,
        conditional=classes > 0,
        network="mlp:width=16,depth=1",
        seed=5,
    )
    return build(config, SHAPE, classes)[0]


def make(prior, **options):
    torch.manual_seed(5)
    return make_model(prior, **options).prior


@pytest.mark.parametrize("classes", [0, CLASSES])
@pytest.mark.parametrize("name", DENSITIES)
def test_priors_integrate_to_one_and_samples_follow_them(name, classes):
    if name == "conditional":
        classes = CLASSES
    prior = make(FEW.get(name, name), classes=classes)
    p = prior(LABELS if classes else None).expand((5,))
    z, weights = probabilities(p, 5, SURFACES[prior.space])
    weights = weights.expand(-1, 5)
    torch.testing.assert_close(weights.sum(0), torch.ones(5), atol=2e-3, rtol=0)
    assert_samples_agree(p.sample((5_000,)), z, weights)


@pytest.mark.parametrize("classes", [0, CLASSES])
@pytest.mark.parametrize("name", PRIORS)
def test_a_prior_has_the_documented_shapes_and_samples_without_gradient(name, classes):
    if name == "conditional":
        classes = CLASSES
    prior = make(name, classes=classes)
    c = LABELS[:3] if classes else None
    p = prior(c)
    assert p.batch_shape in ((), (3,))
    z = p.expand((3,)).sample()
    assert z.shape == (3, 2)
    assert p.log_prob(z.expand(6, 3, 2)).shape == (6, 3)
    assert not z.requires_grad


def test_the_vamp_prior_is_the_average_of_posteriors():
    """By hand: `1/K sum_k N(z; mean_k, exp(log_var_k))`."""
    model = make_model("vamp:components=6", latent_dim=3, classes=CLASSES)
    posterior = model.posterior
    prior = model.prior
    with torch.no_grad():
        posterior.head.bias[3:] = torch.tensor([-3.0, 0.5, 2.0])
        prior.pseudo_inputs[0] = 7  # no pixel is as bright
    z = torch.randn(5, 3)
    images = prior.pseudo_inputs.clamp(0, 1)
    labels = prior.pseudo_labels.softmax(-1)
    total = torch.zeros(5)
    for image, label in zip(images, labels, strict=True):
        mean, log_var = posterior.head(posterior.encoder(image[None], label[None]))[0].chunk(2)
        variance = log_var.exp()
        density = (-((z - mean) ** 2) / (2 * variance)).exp() / (2 * math.pi * variance).sqrt()
        total = total + density.prod(-1) / 6
    torch.testing.assert_close(prior(LABELS).log_prob(z), total.log())


@pytest.mark.parametrize(
    ("prior", "posterior", "own"),
    [
        ("vamp", "gaussian", {"pseudo_inputs"}),
        ("codes", "quantized", set()),
        ("hierarchical", "ladder", set()),
    ],
)
def test_a_prior_does_not_register_what_it_shares_with_the_posterior(prior, posterior, own):
    model = make_model(prior, posterior)
    assert {name for name, _ in model.prior.named_parameters()} == own
    assert set(model.prior.state_dict()) == own


def test_the_ladder_and_its_prior_share_the_network_between_levels():
    model = make_model("hierarchical", "ladder", latent_dim=4)
    z = torch.randn(3, 2)
    before = model.prior().conditionals[0](z).mean
    with torch.no_grad():
        model.posterior.top_down.nets[0].net[-1].bias += 1
    torch.testing.assert_close(model.prior().conditionals[0](z).mean, before + 1)


def test_the_ring_has_ten_normals_around_the_origin():
    prior = make("ring:radius=3.0,radial_std=0.5,tangential_std=0.1")
    normals = prior().component_distribution
    torch.testing.assert_close(normals.mean.norm(dim=-1), torch.full((10,), 3.0))
    second = 3 * torch.tensor([math.cos(0.2 * math.pi), math.sin(0.2 * math.pi)])
    torch.testing.assert_close(normals.mean[1], second)
    radial = normals.mean / 3
    radial_variance = torch.einsum("kd,kde,ke->k", radial, normals.covariance_matrix, radial)
    torch.testing.assert_close(radial_variance, torch.full((10,), 0.25))
    determinant = normals.covariance_matrix.det()
    torch.testing.assert_close(determinant, torch.full((10,), 0.25 * 0.01))


@pytest.mark.parametrize("name", ["ring", "swiss-roll"])
def test_classes_have_equal_shares_that_together_are_the_whole_prior(name):
    prior = make(f"{name}:components=8", classes=CLASSES)
    z = torch.randn(200, 1, 2) * 2
    each = prior(LABELS).log_prob(z.expand(-1, 5, -1))
    whole = each[:, :4].logsumexp(1) - math.log(4)
    torch.testing.assert_close(each[:, 4], whole)  # a label that is not known
    torch.testing.assert_close(prior().log_prob(z[:, 0]), whole)


def test_a_class_has_one_normal_of_the_ring_or_one_section_of_the_roll():
    labels = torch.eye(10).repeat_interleave(200, 0)
    z = make("ring", classes=10)(labels).sample().view(10, 200, 2)
    angle = torch.atan2(*z.mean(1).flip(-1).T) / (2 * math.pi) * 10
    assert (angle.round() % 10).tolist() == list(range(10))
    assert (angle - angle.round()).abs().max() < 0.2
    radii = make("swiss-roll", classes=10)(labels).sample().view(10, 200, 2).norm(dim=-1)
    assert (radii.mean(1).diff() > 0).all()
    assert radii.max() < 3.5


def test_the_normals_of_the_roll_are_evenly_spaced():
    gaps = make("swiss-roll")().component_distribution.mean.diff(dim=0).norm(dim=-1)[20:]
    assert gaps.max() / gaps.min() < 1.1
    assert gaps.max() < 0.1  # less than a standard deviation: they overlap


def test_the_conditional_prior_is_a_linear_function_of_the_label():
    prior = make("conditional", classes=CLASSES)
    weight = prior.head.weight
    bias = prior.head.bias
    p = prior(LABELS)
    torch.testing.assert_close(p.mean[:4], (weight[:2] + bias[:2, None]).T)
    torch.testing.assert_close(p.mean[4], bias[:2])


REFUSED = [
    ("conditional", {}, "The conditional prior reads labels: add conditional=True."),
    (
        "vamp",
        {"posterior": "flow"},
        "The vamp prior mixes gaussian posteriors: use posterior='gaussian'.",
    ),
    (
        "codes",
        {"posterior": "gaussian"},
        "The codes prior draws from a codebook: use posterior='quantized'.",
    ),
    (
        "hierarchical:levels=3",
        {"posterior": "hierarchical", "latent_dim": 4},
        "Prior and posterior have different numbers of levels: give both the same levels=N.",
    ),
    (
        "hierarchical:width=32",
        {"posterior": "ladder", "latent_dim": 4},
        "Prior and ladder posterior share a network: give both the same width=N.",
    ),
    ("ring", {"latent_dim": 3}, "The ring prior lies in a plane: use latent_dim=2, not 3."),
    ("ring", {"classes": 12}, "12 classes need prior='ring:components=12' or more."),
    (
        "swiss-roll",
        {"latent_dim": 20},
        "The swiss-roll prior lies in a plane: use latent_dim=2, not 20.",
    ),
]


@pytest.mark.parametrize(("prior", "options", "message"), REFUSED)
def test_priors_that_do_not_fit_the_model_are_refused(prior, options, message):
    with pytest.raises(ConfigError) as error:
        make(prior, **options)
    assert str(error.value) == message


def test_labels_of_more_classes_than_components_are_refused():
    with pytest.raises(ConfigError) as error:
        make("ring:components=3")(torch.eye(4))
    assert str(error.value) == "4 classes need a prior with components=4 or more."


def normal_pdf(z, prior, label):
    return stats.multivariate_normal([0, 0]).pdf(z)


def sphere_pdf(z, prior, label):
    return np.full(len(z), special.gamma(1) / (2 * math.pi))


def ring_pdf(z, prior, label):
    """Eight normals at radius 3, the first on the axis; two neighbours to a class."""
    total = 0
    for k in range(8) if label is None else (2 * label, 2 * label + 1):
        angle = 2 * math.pi * k / 8
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        covariance = turn @ np.diag([0.5**2, 0.2**2]) @ turn.T
        total = total + stats.multivariate_normal(3 * turn[:, 0], covariance).pdf(z)
    return total / (8 if label is None else 2)


def roll_pdf(z, prior, label):
    """Eight normals along a spiral of 1.5 turns that ends at radius 4."""
    total = 0
    for k in range(8) if label is None else (2 * label, 2 * label + 1):
        fraction = math.sqrt((k + 0.5) / 8)
        angle = 2 * math.pi * 1.5 * fraction
        center = 4 * fraction * np.array([np.cos(angle), np.sin(angle)])
        total = total + stats.multivariate_normal(center, 0.3**2 * np.eye(2)).pdf(z)
    return total / (8 if label is None else 2)


def mixture_pdf(z, prior, label):
    weights = special.softmax(prior.logits.detach().numpy())
    total = 0
    for k, weight in enumerate(weights):
        variance = prior.log_var[k].detach().exp().numpy()
        normal = stats.multivariate_normal(prior.loc[k].detach().numpy(), np.diag(variance))
        total = total + weight * normal.pdf(z)
    return total


def conditional_pdf(z, prior, label):
    head = prior.head.weight.detach().numpy()[:, label] + prior.head.bias.detach().numpy()
    return stats.multivariate_normal(head[:2], np.diag(np.exp(head[2:]))).pdf(z)


DENSITY = {
    "normal": normal_pdf,
    "sphere": sphere_pdf,
    "ring:components=8,radius=3,radial_std=0.5,tangential_std=0.2": ring_pdf,
    "swiss-roll:components=8,radius=4,turns=1.5,std=0.3": roll_pdf,
    "mixture:components=5": mixture_pdf,
    "conditional": conditional_pdf,
}


@pytest.mark.parametrize("label", [None, 0, 3])
@pytest.mark.parametrize("spec", DENSITY)
def test_densities_equal_those_of_scipy(spec, label):
    """A flow, a vamp prior and a hierarchy have their own tests."""
    if spec == "conditional" and label is None:
        label = 1
    prior = make(spec, classes=CLASSES)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter += torch.randn(parameter.shape, generator=torch.manual_seed(1))
    z = torch.randn(40, 2) * 2
    if prior.space == "sphere":
        z = z / z.norm(dim=-1, keepdim=True)
    c = None if label is None else torch.eye(CLASSES)[label].expand(40, -1)
    found = prior(c).log_prob(z).exp().detach()
    wanted = DENSITY[spec](z.double().numpy(), prior, label)
    np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=1e-7)


def test_the_components_of_a_new_mixture_lie_apart_and_have_equal_weights():
    """Equal components would have equal gradients for ever."""
    prior = make("mixture:components=7", latent_dim=3)
    assert torch.pdist(prior.loc).min() > 0.1
    assert (prior.logits == 0).all()
    assert (prior.log_var == 0).all()


def test_pseudo_inputs_are_different_images_and_begin_with_different_labels():
    prior = make("vamp:components=7", classes=CLASSES)
    assert torch.pdist(prior.pseudo_inputs.flatten(1)).min() > 0.5
    assert prior.pseudo_inputs.min() >= 0
    assert prior.pseudo_inputs.max() <= 1
    assert torch.pdist(prior.pseudo_labels).min() > 0.1


def test_the_defaults_of_the_ring_and_of_the_roll_are_those_documented():
    ring, same = make("ring"), make("ring:components=10,radius=2.0")
    roll = make("swiss-roll:components=200,radius=3.0,turns=2.0,std=0.1")
    z = torch.randn(20, 2)
    assert torch.equal(ring().log_prob(z), same().log_prob(z))
    stated = make("ring:radial_std=0.5,tangential_std=0.2")
    assert torch.equal(ring().log_prob(z), stated().log_prob(z))
    assert torch.equal(make("swiss-roll")().log_prob(z), roll().log_prob(z))


@pytest.mark.parametrize("name", DENSITIES)
def test_every_sample_has_noise_of_its_own(name):
    prior = make(FEW.get(name, name), classes=CLASSES)
    z = prior(LABELS[:1].expand(30, -1)).expand((30,)).sample()
    assert (z.sort(0).values.diff(dim=0) > 0).all()


@pytest.mark.parametrize("name", PRIORS)
def test_latents_and_densities_are_single_precision_also_in_bf16(name):
    prior = make(FEW.get(name, name), classes=CLASSES)
    with torch.autocast("cpu", torch.bfloat16):
        p = prior(LABELS)
        z = p.expand((5,)).sample()
        assert z.dtype == torch.float32
        assert p.log_prob(z).dtype == torch.float32
        assert p.log_prob(z.clone()).dtype == torch.float32


def test_the_components_of_a_mixture_begin_at_different_places():
    """Equal ones would have equal gradients, and stay equal."""
    prior = make_model("mixture:components=5").prior
    assert len(prior.loc.unique(dim=0)) == 5

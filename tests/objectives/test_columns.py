"""Every column that an objective logs, with its formula written out, and the context it passes on.

The formulas begin from the outputs of encoder head and decoder, with the noise that the objective
draws: first that of the latents, then what each formula says.
"""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.autograd.functional import jacobian

from tests.builders import build
from tests.objectives.made import SHAPE, C, X
from vaecli.config.config import Config
from vaecli.objectives import METRIC_UNITS, OBJECTIVES

SEED = 11
IMAGES = 50  # of the training set, for beta-tc
EPOCH = 1.5


def make(objective, posterior="gaussian", prior="normal", conditional=False):
    config = Config(
        objective=objective,
        posterior=posterior,
        prior=prior,
        conditional=conditional,
        latent_dim=4,
        network="mlp:width=16,depth=1",
        seed=2,
    )
    model, objective = build(config, SHAPE, classes=2, images=IMAGES)
    with torch.no_grad():  # else every bias is zero, and a logit has one sign
        for parameter in [*model.parameters(), *objective.parameters()]:
            parameter += 0.2 * torch.randn(parameter.shape, generator=torch.manual_seed(1))
    return model, objective


def bernoulli(model, z, x=X, c=None):
    """`-log p(x | z)` by the decoder's pixel means, shape `(K, B)`."""
    c = None if c is None else c.expand(len(z), -1, -1).flatten(0, 1)
    pixels = model.likelihood.decoder(z.flatten(0, 1), c).sigmoid().view(len(z), len(x), -1)
    x = x.flatten(1)
    return -(x * pixels.log() + (1 - x) * (1 - pixels).log()).sum(-1)


def normal(z, mean, log_var):
    """The log-density of a diagonal Gaussian."""
    squared = (z - mean) ** 2 / log_var.exp()
    return -0.5 * (squared + log_var + math.log(2 * math.pi)).sum(-1)


class Pieces:
    """What the formulas are made of, for a Gaussian posterior, or a point, and `N(0, I)`."""

    def __init__(self, model, samples=1, x=X, c=None):
        head = model.posterior.head(model.posterior.encoder(x, c))
        if model.posterior.has_density:
            self.mean, self.log_var = head.chunk(2, dim=-1)
            noise = torch.randn(samples, len(x), 4)
            self.z = self.mean + (self.log_var / 2).exp() * noise
            self.kl = 0.5 * (self.mean**2 + self.log_var.exp() - self.log_var - 1).sum(-1)
            self.log_qz = normal(self.z, self.mean, self.log_var)
        else:
            self.z = head.expand(samples, -1, -1)
        self.error = bernoulli(model, self.z, x, c)
        self.log_pz = normal(self.z, torch.zeros(4), torch.zeros(4))
        self.distortion = self.error.mean(0)

    @property
    def weights(self):
        """Importance weights in double precision, shape `(K, B)`."""
        return (self.log_pz - self.error - self.log_qz).double().exp()

    def columns(self, loss, **more):
        second = {"prior_nll": -self.log_pz.mean(0)}
        if hasattr(self, "kl"):
            second = {"rate": self.kl}
        return {"loss": loss, "distortion": self.distortion, **second, **more}


def elbo(model, objective):
    p = Pieces(model)
    return p.columns(p.distortion + p.kl)


def autoencoder(model, objective):
    p = Pieces(model)
    return p.columns(p.distortion)


def annealed(model, objective):
    """Beta 3, annealed over 4 epochs, after 1.5."""
    p = Pieces(model)
    return p.columns(p.distortion + 3 * (1.5 / 4) * p.kl)


def cycled(model, objective):
    """Cycles of one epoch: half an epoch into the second one, all of beta."""
    p = Pieces(model)
    return p.columns(p.distortion + 3 * p.kl)


def capacity(model, objective):
    """A target of 2 nats, reached after 5 epochs, after 1.5: rates lie on both sides of it."""
    p = Pieces(model)
    target = 2 * 1.5 / 5
    assert p.kl.min() < target < p.kl.max()
    return p.columns(p.distortion + 7 * (p.kl - target).abs())


def iwae(model, objective):
    """Two bounds of three samples, with weight 0.3 of the ELBO."""
    p = Pieces(model, 6)
    halves = [p.weights[0::2], p.weights[1::2]]
    bound = sum(half.mean(0).log() for half in halves) / 2
    return p.columns(-0.7 * bound + 0.3 * (p.distortion + p.kl))


def one_bound(model, objective):
    p = Pieces(model, 6)
    return p.columns(-p.weights.mean(0).log())


def renyi(model, objective):
    p = Pieces(model, 6)
    return p.columns(-((p.weights**0.7).mean(0).log()) / 0.7)


def discrepancy(a, b):
    """Of kernels `c / (c + |u - v|^2)`, in loops over pairs of different points."""
    total, n = 0, len(a)
    for scale in (0.1, 0.2, 0.5, 1, 2, 5, 10):
        c = 2 * 4 * scale
        within = [
            c / (c + (s[i] - s[j]).square().sum())
            for s in (a, b)
            for i in range(n)
            for j in range(n)
            if i != j
        ]
        between = [c / (c + (u - v).square().sum()) for u in a for v in b]
        total = total + sum(within) / (n * (n - 1)) - 2 * sum(between) / n**2
    return total


def wae(model, objective):
    p = Pieces(model)
    mmd = discrepancy(p.z[0], torch.randn(6, 4))
    rate = 0.4 * p.kl if hasattr(p, "kl") else 0
    return p.columns(p.distortion + 7 * mmd + rate, mmd=mmd)


def swae(model, objective):
    """Three directions, drawn after the samples of the prior."""
    p = Pieces(model)
    prior = torch.randn(6, 4)
    directions = torch.randn(4, 3)
    gaps = [
        (p.z[0] @ d).sort().values - (prior @ d).sort().values
        for d in (directions / directions.norm(dim=0)).T
    ]
    distance = torch.stack(gaps).square().mean()
    return p.columns(p.distortion + 7 * distance, sliced_wasserstein=distance)


def beta_tc(model, objective):
    """The image itself has weight 1 / 50, the five others share the rest."""
    p = Pieces(model)
    z, share = p.z[0], torch.full((6, 6), 49 / 50 / 5).fill_diagonal_(1 / 50)
    spread = p.log_var.exp()
    each = (-((z[:, None] - p.mean) ** 2) / (2 * spread)).exp() / (2 * math.pi * spread).sqrt()
    joint = (share * each.prod(-1)).sum(1).log()
    marginals = (share[..., None] * each).sum(1).log().sum(-1)
    tc = joint - marginals
    return p.columns(p.distortion + p.kl + 3 * tc, total_correlation=tc)


def factor(model, objective):
    """Dimensions permuted by the order of uniform numbers."""
    p = Pieces(model)
    z = p.z[0]
    order = torch.rand(6, 4).argsort(0)
    permuted = torch.stack([z[order[:, d], d] for d in range(4)], dim=1)
    tc = objective.discriminator(z)
    own = -F.logsigmoid(tc) - F.logsigmoid(-objective.discriminator(permuted))
    loss = p.distortion + p.kl + 5 * tc + own / 2
    return p.columns(loss, total_correlation=tc, discriminator_loss=own)


def dip(model, objective):
    p = Pieces(model)
    covariance = torch.cov(p.mean.T, correction=0)
    if objective.variant == "II":
        covariance = covariance + p.log_var.exp().mean(0).diag()
    eye = torch.eye(4)
    off = ((1 - eye) * covariance).square().sum()
    penalty = 2 * off + 3 * (covariance.diagonal() - 1).square().sum()
    return p.columns(p.distortion + p.kl + penalty, dip_penalty=penalty)


def rae_l2(model, objective):
    p = Pieces(model)
    half = (p.z[0] ** 2).sum(-1) / 2
    first, _, last = model.likelihood.decoder.net
    squares = (first.weight**2).sum() + (last.weight**2).sum()
    loss = p.distortion + 0.3 * half + 0.2 * squares
    return p.columns(loss, latent_l2=half, decoder_penalty=squares)


def rae_gp(model, objective):
    """`|J^T v|^2` with one normal v for each image."""
    p = Pieces(model)
    half = (p.z[0] ** 2).sum(-1) / 2
    v = torch.randn(1, 6, *SHAPE).view(6, 64)
    penalty = []
    for z, direction in zip(p.z[0].detach(), v, strict=True):
        derivative = jacobian(lambda z: model.likelihood.decoder(z[None]).sigmoid().flatten(), z)
        penalty.append((derivative.T @ direction).square().sum())
    penalty = torch.stack(penalty)
    loss = p.distortion + 0.3 * half + 0.2 * penalty
    return p.columns(loss, latent_l2=half, decoder_penalty=penalty)


def slope(discriminator, real, c=None):
    """The squared norm of the discriminator's gradient at each sample."""
    norms = []
    for i, one in enumerate(real.detach()):
        one = one[None].requires_grad_()
        logit = discriminator(one) if c is None else discriminator(one, c[i : i + 1])
        (gradient,) = torch.autograd.grad(logit.sum(), one)
        norms.append(gradient.square().sum())
    return torch.stack(norms)


def adversarial(model, objective):
    p = Pieces(model)
    real = torch.randn(6, 4)
    fake = objective.discriminator(p.z[0])
    own = -F.logsigmoid(objective.discriminator(real)) - F.logsigmoid(-fake)
    penalty = 2 * slope(objective.discriminator, real) / 2
    fooled = (fake > 0).float()
    assert 0 < fooled.mean() < 1
    loss = p.distortion - 3 * F.logsigmoid(fake) + own + penalty
    return p.columns(loss, discriminator_loss=own, fooled_fraction=fooled)


def vae_gan(model, objective):
    p = Pieces(model)
    z = torch.cat([p.z[0], torch.randn(6, 4)])
    fakes = model.likelihood.decoder(z).sigmoid().view(2, 6, *SHAPE)
    encoder, head = objective.discriminator.encoder, objective.discriminator.head

    def logit(images):
        return head(encoder(images)).squeeze(-1)

    error = (encoder(fakes[0]) - encoder(X)).square().sum(-1) / 2
    logits = torch.stack([logit(fake) for fake in fakes])
    own = -F.logsigmoid(logit(X)) - F.logsigmoid(-logits).sum(0)
    fooled = (logits > 0).float().mean()
    assert 0 < fooled < 1
    assert fooled != (logits[0] > 0).float().mean()
    generator = -F.logsigmoid(logits).sum(0)
    loss = 3 * (p.kl + error) + generator + own + 2 * slope(logit, X) / 2
    return p.columns(loss, feature_error=error, discriminator_loss=own, fooled_fraction=fooled)


def quantized(model, objective):
    """Codes of length 2: the rate is that of two uniform choices among 8 codes."""
    latents = model.posterior.head(model.posterior.encoder(X)).view(-1, 2)
    codebook = model.posterior.quantizer.codebooks[0]
    code = codebook[torch.cdist(latents, codebook).argmin(-1)]
    vq = 1.5 * (code - latents).square().view(6, 4).sum(-1)
    distortion = bernoulli(model, code.view(1, 6, 4))[0]
    rate = torch.full((6,), 2 * math.log(8))
    loss = distortion + (rate if objective.beta else 0) + vq
    return {"loss": loss, "distortion": distortion, "rate": rate, "vq_loss": vq}


CASES = [
    ("elbo", {}, elbo),
    ("elbo:beta=0", {}, autoencoder),
    ("elbo:beta=0", {"posterior": "dirac"}, autoencoder),
    ("elbo:beta=3,annealing_epochs=4", {}, annealed),
    ("elbo:beta=3,cycle_epochs=1", {}, cycled),
    ("elbo:capacity=2,capacity_epochs=5,capacity_weight=7", {}, capacity),
    ("iwae:samples=3,bounds=2,beta=0.3", {}, iwae),
    ("iwae:samples=6", {}, one_bound),
    ("piwae:samples=2,bounds=3", {}, one_bound),
    ("renyi:alpha=0.3,samples=6", {}, renyi),
    ("dreg:samples=6", {}, one_bound),
    ("wae:weight=7,kl_weight=0.4", {}, wae),
    ("wae:weight=7", {"posterior": "dirac"}, wae),
    ("swae:weight=7,projections=3", {}, swae),
    ("swae:weight=7,projections=3", {"posterior": "dirac"}, swae),
    ("beta-tc:beta=4", {}, beta_tc),
    ("factor:gamma=5,width=8,depth=2", {}, factor),
    ("dip:variant=I,off_diagonal=2,diagonal=3", {}, dip),
    ("dip:variant=II,off_diagonal=2,diagonal=3", {}, dip),
    ("rae:penalty=l2,beta=0.3,weight=0.2", {"posterior": "dirac"}, rae_l2),
    ("rae:penalty=gp,beta=0.3,weight=0.2", {"posterior": "dirac"}, rae_gp),
    ("adversarial:weight=3,gradient_penalty=2", {}, adversarial),
    ("adversarial:weight=3,gradient_penalty=2", {"posterior": "dirac"}, adversarial),
    ("vae-gan:gamma=3,gradient_penalty=2", {}, vae_gan),
    ("elbo", {"posterior": "quantized:codes=8,commitment=0.5", "prior": "codes"}, quantized),
    ("elbo:beta=0", {"posterior": "quantized:codes=8,commitment=0.5", "prior": "codes"}, quantized),
]


@pytest.mark.parametrize(("spec", "options", "formula"), CASES)
def test_every_column_is_its_formula(spec, options, formula):
    model, objective = make(spec, **options)
    model.posterior.eval()  # else the first batch resets the codes
    torch.manual_seed(SEED)
    found = objective(model, X, epoch=EPOCH)
    torch.manual_seed(SEED)
    wanted = formula(model, objective)
    assert list(found.metrics) == list(wanted)
    for name, column in wanted.items():
        mean = column.detach().mean().float()
        assert mean.abs() > 1e-3, name
        torch.testing.assert_close(found.metrics[name], mean, rtol=2e-5, atol=1e-5, msg=name)
    torch.testing.assert_close(found.loss.detach(), found.metrics["loss"])


def test_the_formulas_cover_every_objective_and_every_column():
    named = {spec.partition(":")[0] for spec, _, _ in CASES}
    assert named == set(OBJECTIVES) - {"m2"}  # whose columns are below
    logged = set()
    for spec, options, _ in CASES:
        model, objective = make(spec, **options)
        logged |= set(objective(model, X).metrics)
    assert logged == set(METRIC_UNITS) - {"classification_error"}


@pytest.mark.parametrize("posterior", ["gaussian", "quantized:codes=8,commitment=0.5"])
def test_every_column_of_m2_is_its_formula(posterior):
    """Two labelled images and four without: the terms are means over the classifier's labels."""
    gaussian = posterior == "gaussian"
    prior = "normal" if gaussian else "codes"
    model, objective = make("m2:alpha=0.7", posterior, prior, conditional=True)
    model.posterior.eval()
    c = torch.zeros(6, 2)
    c[1, 0] = c[4, 1] = 1
    torch.manual_seed(SEED)
    found = objective(model, X, c)
    logits, _ = objective.classifier(X)
    q = torch.where(c.any(-1, keepdim=True), c, logits.softmax(-1))
    torch.manual_seed(SEED)
    noise = iter(torch.randn(10, 4))  # one for each pair that is decoded
    terms = {"distortion": torch.zeros(6), "rate": torch.zeros(6), "vq_loss": torch.zeros(6)}
    for i in range(6):
        for y in range(2):
            if not q[i, y]:
                continue
            label = torch.eye(2)[y : y + 1]
            head = model.posterior.head(model.posterior.encoder(X[i : i + 1], label))
            if gaussian:
                mean, log_var = head.chunk(2, dim=-1)
                z = mean + (log_var / 2).exp() * next(noise)
                rate = 0.5 * (mean**2 + log_var.exp() - log_var - 1).sum()
            else:
                codebook = model.posterior.quantizer.codebooks[0]
                latents = head.view(2, 2)
                z = codebook[torch.cdist(latents, codebook).argmin(-1)].view(1, 4)
                rate = torch.tensor(2 * math.log(8))
                terms["vq_loss"][i] += q[i, y] * 1.5 * (z - head).square().sum()
            terms["distortion"][i] += q[i, y] * bernoulli(model, z[None], X[i : i + 1], label)[0, 0]
            terms["rate"][i] += q[i, y] * rate
    terms["rate"] = terms["rate"] + math.log(2) + torch.special.xlogy(q, q).sum(-1)
    if gaussian:
        del terms["vq_loss"]
    cross_entropy = -(c * logits.log_softmax(-1)).sum() / 2
    wrong = (logits.argmax(-1) != c.argmax(-1))[[1, 4]].float()
    wanted = {"loss": sum(terms.values()).mean() + 0.7 * cross_entropy, **terms}
    wanted["classification_error"] = wrong
    assert list(found.metrics) == list(wanted)
    for name, column in wanted.items():
        mean = column.detach().mean()
        torch.testing.assert_close(found.metrics[name], mean, rtol=1e-5, atol=1e-5, msg=name)


SPECS = [*dict.fromkeys(spec for spec, _, _ in CASES), "adversarial:labels=true"]


@pytest.mark.parametrize("spec", SPECS)
def test_every_part_of_a_conditional_model_reads_the_label_of_its_image(spec):
    """Encoder, prior and decoder, however often an objective calls them."""
    posterior = "dirac" if spec.startswith("rae") else "gaussian"
    prior = "normal" if spec.startswith("adversarial") else "conditional"
    model, objective = make(spec, posterior, prior, conditional=True)
    seen = {}
    for name in ("posterior", "prior", "likelihood"):
        part = getattr(model, name)

        def record(_, inputs, name=name):
            seen.setdefault(name, []).append(inputs[-1])

        part.register_forward_pre_hook(record)
    objective(model, X, C)
    for name in ("posterior", "prior", "likelihood"):
        assert seen[name], name
        for c in seen[name]:
            assert torch.equal(c, C), name


@pytest.mark.parametrize("spec", SPECS)
def test_the_labels_of_other_images_give_another_loss(spec):
    posterior = "dirac" if spec.startswith("rae") else "gaussian"
    prior = "normal" if spec.startswith("adversarial") else "conditional"
    model, objective = make(spec, posterior, prior, conditional=True)

    def loss(c, parts):
        """With the label c in these parts, and the right one in all others."""
        hooks = [
            getattr(model, part).register_forward_pre_hook(lambda _, inputs: (*inputs[:-1], c))
            for part in parts
        ]
        torch.manual_seed(SEED)
        found = objective(model, X, C).loss.item()
        for hook in hooks:
            hook.remove()
        return found

    right = loss(C, ())
    for part in ("posterior", "likelihood", *(["prior"] if prior == "conditional" else [])):
        assert loss(C, (part,)) == right
        assert loss(1 - C, (part,)) != right, part


@pytest.mark.parametrize("spec", ["elbo:beta=0", "wae", "swae", "rae"])
def test_a_conditional_prior_is_fitted_to_the_latents_of_its_class(spec):
    model, objective = make(spec, "dirac", "conditional", conditional=True)
    torch.manual_seed(SEED)
    loss = objective(model, X, C).loss
    found = torch.autograd.grad(loss, [*model.prior.parameters()])
    z = model.embed(X, C)
    mean, log_var = model.prior.head(C).chunk(2, dim=-1)
    wanted = torch.autograd.grad(-normal(z, mean, log_var).mean(), [*model.prior.parameters()])
    torch.testing.assert_close(found, wanted)


def test_what_is_no_number_of_nats_is_not_called_one():
    squares = ("mmd", "sliced_wasserstein", "latent_l2", "decoder_penalty")
    fractions = ("fooled_fraction", "classification_error")
    for name, unit in METRIC_UNITS.items():
        assert unit == ("" if name in squares else "fraction" if name in fractions else "nats")

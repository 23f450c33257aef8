"""M2: the bounds of labelled and unlabelled images, and the labelled images of every batch."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Normal, kl_divergence

from tests.builders import build
from tests.conftest import bars
from tests.objectives.made import NETWORK
from vaecli.config.config import Config
from vaecli.evaluation.bounds import evaluate
from vaecli.objectives.semisupervised import M2
from vaecli.run.create import make_run
from vaecli.run.writer import RunWriter, restore_state
from vaecli.system.errors import ConfigError
from vaecli.training.loop import Step, fit
from vaecli.training.state import start

SHAPE, CLASSES = (1, 8, 8), 3
CONFIG = Config(
    latent_dim=3,
    network="mlp:width=16,depth=1",
    objective="m2:alpha=0.7",
    conditional=True,
    labels=4,
    epochs=2,
    batch_size=32,
)
TRAIN, TEST = bars(100).hide_labels(4, 0), bars(40, seed=1)


def parts():
    model, objective = build(CONFIG, SHAPE, CLASSES)
    return model, objective, torch.rand(6, *SHAPE, generator=torch.manual_seed(1))


def one_hot(*labels):
    """Rows of labels; None is an unknown one."""
    rows = [torch.zeros(CLASSES) if y is None else torch.eye(CLASSES)[y] for y in labels]
    return torch.stack(rows)


def cost(model, x, c, noise):
    """The paper's L(x, y), written out: shape `(B,)`; noise has the shape of the latents."""
    h = model.posterior.head(model.posterior.encoder(x, c))
    mean, log_var = h.chunk(2, dim=-1)
    z = mean + torch.exp(0.5 * log_var) * noise
    pixels = model.likelihood.decoder(z, c).sigmoid()
    distortion = F.binary_cross_entropy(pixels, x, reduction="none").sum((1, 2, 3))
    rate = kl_divergence(Normal(mean, torch.exp(0.5 * log_var)), Normal(0.0, 1.0)).sum(-1)
    return distortion + rate - math.log(1 / CLASSES)


def costs(model, x, noise):
    """L(x, y) of every label, one after another, shape `(B, classes)`; noise `(B, classes, D)`."""
    table = []
    for y in range(CLASSES):
        table.append(cost(model, x, one_hot(*[y] * len(x)), noise[:, y]))
    return torch.stack(table, dim=1)


def test_with_all_labels_the_loss_is_the_conditional_elbo_plus_a_cross_entropy():
    model, objective, x = parts()
    labels = torch.tensor([0, 1, 2, 0, 1, 1])
    torch.manual_seed(3)
    terms = objective(model, x, one_hot(*labels))
    torch.manual_seed(3)
    wanted = cost(model, x, one_hot(*labels), torch.randn(6, 3)).mean()
    wanted = wanted - 0.7 * objective.classifier(x)[0].softmax(-1)[range(6), labels].log().mean()
    torch.testing.assert_close(terms.loss, wanted)
    assert terms.metrics["loss"] == terms.loss


def test_without_labels_the_bound_is_a_sum_over_classes():
    model, objective, x = parts()
    torch.manual_seed(3)
    terms = objective(model, x, torch.zeros(6, CLASSES))
    torch.manual_seed(3)
    table = costs(model, x, torch.randn(6, CLASSES, 3))
    q = objective.classifier(x)[0].softmax(-1)
    wanted = torch.zeros(6)
    for y in range(CLASSES):
        wanted += q[:, y] * (table[:, y] + q[:, y].log())
    torch.testing.assert_close(terms.loss, wanted.mean())
    torch.testing.assert_close(terms.loss, terms.metrics["distortion"] + terms.metrics["rate"])
    torch.manual_seed(3)
    assert objective(model, x).loss == terms.loss


def test_the_loss_of_a_mixed_batch_is_the_mean_over_its_images():
    model, objective, x = parts()
    c = one_hot(None, 1, None, 2, 0, None)
    known = c.any(-1)
    with torch.no_grad():  # almost no noise, so that its order does not matter
        model.posterior.head.bias[3:] = -20
        model.posterior.head.weight[3:] = 0
    q = objective.classifier(x)[0].log_softmax(-1)
    table = costs(model, x, torch.zeros(6, CLASSES, 3))
    bound = torch.where(known, (c * table).sum(-1), (q.exp() * (table + q)).sum(-1))
    wanted = bound.mean() - 0.7 * (c * q).sum() / 3
    torch.testing.assert_close(objective(model, x, c).loss, wanted, rtol=1e-4, atol=0)


def test_an_alpha_of_a_tenth_is_that_of_the_paper():
    """The paper's sum of L and U over N images plus 0.1 N times the mean of -log q(y|x) is N J."""
    model, objective, x = parts()
    c = one_hot(None, 1, None, 2, 0, None)
    with torch.no_grad():  # almost no noise, so that its order does not matter
        model.posterior.head.bias[3:] = -20
        model.posterior.head.weight[3:] = 0
    log_q = objective.classifier(x)[0].log_softmax(-1)
    table = costs(model, x, torch.zeros(6, CLASSES, 3))
    labelled = sum(table[i, y] for i, y in ((1, 1), (3, 2), (4, 0)))
    unlabelled = sum((log_q[i].exp() * (table[i] + log_q[i])).sum() for i in (0, 2, 5))
    cross_entropy = -(log_q[1, 1] + log_q[3, 2] + log_q[4, 0]) / 3
    objective.alpha = 0.1
    wanted = labelled + unlabelled + 0.1 * 6 * cross_entropy
    torch.testing.assert_close(6 * objective(model, x, c).loss, wanted, rtol=1e-4, atol=0)


def test_half_labelled_the_default_weighs_the_cross_entropy_1000_times_as_much(monkeypatch):
    """Its weight, divided by that of the unlabelled images in the bound: the paper has 0.1 / 1."""
    model, _, x = parts()
    default = M2(NETWORK, SHAPE, CLASSES, CLASSES)
    bounds = torch.rand(6, requires_grad=True)
    monkeypatch.setattr(default, "bound", lambda *_: {"distortion": bounds, "rate": bounds * 0})
    c = one_hot(None, 1, None, 2, 0, None)
    loss = default(model, x, c).loss
    logits = default.classifier(x)[0]
    cross_entropy = F.cross_entropy(logits[c.any(-1)], c[c.any(-1)])
    of_cross_entropy = (loss - bounds.mean()) / cross_entropy
    (of_each,) = torch.autograd.grad(loss, bounds)
    of_unlabelled = of_each[~c.any(-1)].sum()
    assert (of_cross_entropy / of_unlabelled).item() == pytest.approx(1000 * 0.1, rel=1e-4)


def test_the_unlabelled_bound_is_tight_at_the_true_posterior_of_the_label_only():
    """For a decoder that ignores z, so that `log p(x, y)` is known."""
    model, objective, x = parts()
    with torch.no_grad():
        model.posterior.head.weight.zero_()
        model.posterior.head.bias.zero_()
        next(model.likelihood.decoder.parameters())[:, :3] = 0
        per_label = [
            model.likelihood(torch.zeros(6, 3), one_hot(*[y] * 6)).log_prob(x)
            for y in range(CLASSES)
        ]
        log_px = torch.stack(per_label, dim=1)  # log p(x | y)
        marginal = (log_px - math.log(CLASSES)).logsumexp(-1)
        none = torch.zeros(6, CLASSES)
        best = sum(objective.bound(model, x, log_px, none).values())
        torch.testing.assert_close(best, -marginal)
        other = sum(objective.bound(model, x, log_px + torch.randn(6, CLASSES), none).values())
    assert (other > best + 1e-3).all()


@pytest.mark.parametrize(
    "c",
    [one_hot(0, 1, 2, 0, 1, 2), one_hot(*[None] * 6), one_hot(0, None, None, 2, None, 1)],
    ids=["all", "none", "mixed"],
)
def test_every_parameter_gets_a_gradient_with_all_some_or_no_labels(c):
    model, objective, x = parts()
    objective(model, x, c).loss.backward()
    named = [*model.named_parameters(), *objective.named_parameters()]
    assert len(named) == 12
    for name, parameter in named:
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("size", [1e2, 1e6])
@pytest.mark.parametrize("y", [0, None])
def test_an_extreme_classifier_gives_no_nan(size, y):
    model, objective, x = parts()
    with torch.no_grad():
        objective.classifier.head.weight *= size
    terms = objective(model, x, one_hot(*[y] * 6))
    terms.loss.backward()
    assert terms.loss.isfinite()
    assert all(p.grad.isfinite().all() for p in [*model.parameters(), *objective.parameters()])


def test_the_classification_error_is_the_fraction_of_labelled_images_in_a_wrong_class():
    model, objective, x = parts()
    with torch.no_grad():
        objective.classifier.head.weight.zero_()
        objective.classifier.head.bias.copy_(torch.tensor([0.0, 1.0, 0.0]))  # always class 1
    for c, error in (
        (one_hot(1, 1, 1, 1, 1, 1), 0),
        (one_hot(1, 0, 2, 1, 1, None), 2 / 5),
        (one_hot(0, None, None, None, None, None), 1),
        (one_hot(*[None] * 6), 0),
    ):
        logged = objective(model, x, c).metrics
        assert list(logged) == ["loss", "distortion", "rate", "classification_error"]
        assert logged["classification_error"].item() == pytest.approx(error)


def test_labels_change_only_the_classification_error_of_an_evaluation():
    state = start(CONFIG, TRAIN)
    swapped = type(TEST)(TEST.x, 1 - TEST.labels)
    first = evaluate(state.model, state.objective, TEST, 0)
    second = evaluate(state.model, state.objective, swapped, 0)
    assert first.pop("classification_error") == pytest.approx(
        1 - second.pop("classification_error")
    )
    assert first == second
    assert first["loss"] == pytest.approx(first["distortion"] + first["rate"], rel=1e-5)


def test_evaluation_neither_reads_nor_changes_the_statistics_of_its_batches():
    """The classifier has running averages of its own, which are those of training images."""
    state = start(replace(CONFIG, network="mlp:width=16,depth=1,norm=batch"), TRAIN)
    list(fit(state, TRAIN, TEST))
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    whole = evaluate(state.model, state.objective, TEST, 0)["classification_error"]
    state.objective.evaluation_batch_size = 3
    parts = evaluate(state.model, state.objective, TEST, 0)["classification_error"]
    assert parts == pytest.approx(whole, rel=1e-5)
    for name, tensor in state.tensors().items():
        assert torch.equal(tensor, before[name]), name
    assert state.objective.training


def test_images_of_fewer_classes_than_the_model_has_are_evaluated():
    model, objective, x = parts()
    wide, narrow = one_hot(0, 1, 0, 1, 1, 0), one_hot(0, 1, 0, 1, 1, 0)[:, :2]
    for training in (True, False):
        model.train(training)
        found = []
        for c in (wide, narrow):
            torch.manual_seed(3)
            found.append(objective(model, x, c).metrics)
        assert found[0] == found[1]
    with pytest.raises(ConfigError, match="4 classes, and the model has 3"):
        objective(model, x, torch.zeros(6, 4))


@pytest.mark.parametrize("count", [4, 50])
def test_labelled_images_join_every_batch_and_every_decoded_image_has_a_label(count, monkeypatch):
    train, seen, given = bars(100).hide_labels(count, 0), [], []
    state = start(CONFIG, train)
    forward, decode = M2.forward, state.model.likelihood.decoder.forward

    def watched(self, model, x, c=None, epoch=math.inf):
        seen.append((x, c, model.training))
        return forward(self, model, x, c, epoch)

    def decoded(z, c):
        given.append(c)
        return decode(z, c)

    monkeypatch.setattr(M2, "forward", watched)
    monkeypatch.setattr(state.model.likelihood.decoder, "forward", decoded)
    sizes = [e.means.images for e in fit(state, train, TEST) if isinstance(e, Step)]
    joined = min(32, count)
    assert sizes == [32 + joined, 64 + 2 * joined, 96 + 3 * joined, 100 + 4 * joined] * 2
    assert all(c.sum(-1).eq(1).all() for c in given)
    batches = [(x[-joined:].flatten(1), c[-joined:]) for x, c, training in seen if training]
    for x, c in batches:
        assert c.any(-1).all()
        pairs = torch.cat([x, c], dim=1).tolist()
        whole = torch.cat(
            [train.pixels(slice(None)).flatten(1), train.one_hot_labels(slice(None))], 1
        )
        assert all(pair in whole[train.labelled_indices].tolist() for pair in pairs)
    first = batches[0][0]
    assert any(not torch.equal(x, first) for x, _ in batches[1:])


def test_no_images_join_if_no_label_is_hidden_or_labels_are_not_read():
    for config, train in (
        (CONFIG, bars(100)),
        (replace(CONFIG, objective="elbo", conditional=False, labels=None), TRAIN),
    ):
        state = start(config, train)
        sizes = [e.means.images for e in fit(state, train, TEST) if isinstance(e, Step)]
        assert sizes == [32, 64, 96, 100] * 2


@pytest.mark.parametrize("stop", [1, 2, 4, 6])
def test_a_run_stopped_after_any_batch_resumes_exactly(tmp_path, stop):
    train = bars(100).hide_labels(50, 0)
    config = replace(CONFIG, labels=50, binarize="dynamic")
    whole, first, second = (start(config, train) for _ in range(3))
    list(fit(whole, train, TEST))
    run = make_run(config, tmp_path / "run")
    events = (e for e in fit(first, train, TEST) if isinstance(e, Step))
    for _ in range(stop):
        next(events)
    with RunWriter(run) as writer:
        writer.save(first)
    restore_state(run, second)
    assert second.means.images == first.means.images
    list(fit(second, train, TEST))
    for name, tensor in whole.tensors().items():
        assert torch.equal(tensor, second.tensors()[name]), name
    assert [(e.train, e.test) for e in second.history] == [(e.train, e.test) for e in whole.history]


def test_the_classifier_learns_the_classes():
    train = bars(200).hide_labels(160, 0)
    state = start(replace(CONFIG, labels=160, lr=1e-2, epochs=6), train)
    list(fit(state, train, TEST))
    first, last = state.history[0].test, state.history[-1].test
    assert last["classification_error"] < 0.05 < first["classification_error"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"conditional": False},
            "The m2 objective needs a conditional model: add conditional=True.",
        ),
        (
            {"objective": "m2:alpa=1"},
            "The objective m2 has no option 'alpa'. Did you mean 'alpha'?",
        ),
    ],
)
def test_a_misfit_is_refused_with_a_remedy(changes, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        build(replace(CONFIG, **changes), SHAPE, CLASSES)

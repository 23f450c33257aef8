"""Tests of the graphs as modules, without their files, and of their traces."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from tests.builders import build
from vaecli.config.config import Config
from vaecli.export import graphs, programs
from vaecli.export.exported import NotExportable
from vaecli.export.programs import example_inputs
from vaecli.parts.posteriors import POSTERIORS

SHAPE = (1, 8, 8)
PRIORS = {"quantized": "codes", "vmf": "sphere"}
OBJECTIVES = {"dirac": "elbo:beta=0"}


def make(**options):
    options = {"network": "mlp:width=8", "latent_dim": 4, **options}
    model, objective = build(Config(**options), SHAPE, classes=3)
    return model.eval(), objective.eval()


def make_graphs(**options):
    model, objective = make(**options)
    made = graphs.makers(model, objective, SHAPE)
    return model, {name: maker().eval() for name, maker in made.items()}


def check_ports(graph, values, results):
    ports = (*graph.inputs, *graph.outputs)
    for port, value in zip(ports, (*values, *results), strict=True):
        assert list(value.shape) == [5 if size == "batch" else size for size in port.shape]
        assert str(value.dtype) == f"torch.{port.type}"


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("posterior", POSTERIORS)
def test_every_posterior_has_graphs_with_the_ports_that_they_say(posterior, conditional):
    model, made = make_graphs(
        posterior=posterior,
        prior=PRIORS.get(posterior, "normal"),
        objective=OBJECTIVES.get(posterior, "elbo"),
        conditional=conditional,
    )
    assert list(made) == ["encoder", "decoder", "scorer", "sampler"]
    for graph in made.values():
        inputs = example_inputs(graph, 5, torch.Generator().manual_seed(0))
        assert ("label" in inputs) == conditional
        with torch.no_grad():
            results = graph(*inputs.values())
        check_ports(graph, [*inputs.values()], results)
        assert all(result.isfinite().all() for result in results)
    names = {graph.name: [port.name for port in graph.outputs] for graph in made.values()}
    expected = {
        "dirac": ["latent"],
        "quantized": ["latent", "codes"],
        "vmf": ["direction", "concentration"],
    }
    assert names["encoder"] == expected.get(posterior, ["mean", "log_variance"])
    bound = ["negative_elbo", "distortion", "rate"]
    assert names["scorer"] == (["distortion"] if posterior == "dirac" else bound)
    has_noise = "noise" in [port.name for port in made["scorer"].inputs]
    assert has_noise is not model.posterior.is_point


@pytest.mark.parametrize("posterior", ["gaussian", "flow", "planar", "iaf", "hierarchical"])
def test_the_encoder_gives_what_embed_saves(posterior):
    model, made = make_graphs(posterior=posterior)
    x = torch.rand(3, *SHAPE)
    with torch.no_grad():
        mean, log_variance = made["encoder"](x)
        q = model.encode(x)
    assert torch.allclose(mean, q.mean)
    assert torch.allclose(log_variance, q.variance.log(), atol=1e-6)


def test_the_score_of_a_gaussian_is_the_elbo_by_its_formula():
    _, made = make_graphs()
    x = torch.rand(3, *SHAPE)
    noise = torch.randn(3, 4)
    with torch.no_grad():
        score, distortion, rate = made["scorer"](x, noise)
        mean, log_variance = made["encoder"](x)
        z = mean + (log_variance / 2).exp() * noise
        (p,) = made["decoder"](z)
    cross_entropy = -(x * p.log() + (1 - x) * (1 - p).log()).sum((1, 2, 3))
    q = Normal(mean, (log_variance / 2).exp())
    divergence = kl_divergence(q, Normal(0, 1)).sum(-1)
    assert torch.allclose(distortion, cross_entropy, rtol=1e-5)
    assert torch.allclose(rate, divergence, rtol=1e-4, atol=1e-5)
    assert torch.allclose(score, cross_entropy + divergence, rtol=1e-5)


def test_the_noise_of_a_standard_normal_is_the_latent():
    _, made = make_graphs()
    noise = torch.randn(3, 4)
    assert torch.equal(made["sampler"](noise)[0], noise)


def test_m2_has_a_classifier_and_no_scorer():
    model, objective = make(objective="m2", conditional=True)
    made = graphs.makers(model, objective, SHAPE)
    assert list(made) == ["encoder", "decoder", "scorer", "sampler", "classifier"]
    with pytest.raises(NotExportable) as error:
        made["scorer"]()
    assert str(error.value) == (
        "The label is a latent of this model, and its bound is a sum over all labels, which vaecli "
        "evaluate computes."
    )
    (probabilities,) = made["classifier"]()(torch.rand(5, *SHAPE))
    assert torch.allclose(probabilities.sum(-1), torch.ones(5))


@pytest.mark.slow
def test_a_graph_with_random_numbers_of_its_own_is_refused():
    graph = make_graphs()[1]["scorer"]
    graph.compute = lambda values, c: (values["image"] * torch.rand_like(values["image"]),)
    with pytest.raises(NotExportable, match="random numbers of its own"):
        programs.trace(graph)


@pytest.mark.slow
def test_a_graph_for_one_size_of_batch_is_refused_in_one_line():
    graph = make_graphs()[1]["decoder"]
    graph.compute = lambda values, c: (values["latent"] * len(values["latent"]),)
    with pytest.raises(NotExportable, match=r"^torch\.export cannot trace it: ") as error:
        programs.trace(graph)
    assert "\n" not in str(error.value)

from pathlib import Path

import pytest
import torch

from tests.conftest import bars
from vaecli.config.build import build, complete, optimizer
from vaecli.config.config import Config
from vaecli.system.errors import ConfigError
from vaecli.training.state import start

SHAPE = (1, 8, 8)


def weights(config):
    return torch.cat([p.flatten() for p in build(config, SHAPE)[0].parameters()])


def test_the_default_has_the_parameters_of_the_report():
    model, _ = build(Config(), (1, 28, 28))
    sizes = [(784, 400), (400, 400), (400, 40), (20, 400), (400, 400), (400, 784)]
    assert sum(p.numel() for p in model.parameters()) == sum(i * o + o for i, o in sizes)


def test_weights_follow_the_seed_alone():
    first = weights(Config(seed=1))
    torch.manual_seed(123)
    torch.testing.assert_close(weights(Config(seed=1)), first, rtol=0, atol=0)
    assert not torch.equal(weights(Config(seed=2)), first)
    assert not torch.equal(weights(Config(seed=1 + 2**32)), first)


def test_building_leaves_the_random_numbers_alone():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    build(Config(), SHAPE)
    torch.testing.assert_close(torch.rand(3), wanted, rtol=0, atol=0)


def test_complete_writes_out_every_option():
    written = "mlp:width=400,depth=2,activation=relu,norm=none,bias=zero"
    assert complete(Config(network="mlp")).network == written
    assert complete(Config()).objective.startswith("elbo:beta=1.0,warmup=0.0,")
    assert complete(complete(Config())) == complete(Config())
    assert Path(complete(Config(data_dir="here")).data_dir) == Path.cwd() / "here"


def test_an_objective_is_told_how_many_images_there_are_if_that_is_known():
    config = Config(objective="betatc", network="mlp:width=4,depth=1", device="cpu")
    assert start(config, bars(12)).objective.images == 12
    assert build(config, SHAPE)[1].images == 0  # as a checkpoint without data is opened


@pytest.mark.parametrize("kind", ["posterior", "prior", "likelihood", "objective", "network"])
def test_an_unknown_part_is_named(kind):
    with pytest.raises(ConfigError, match=f"Unknown {kind} 'nonsense'. Choose from: "):
        build(Config(**{kind: "nonsense"}), SHAPE)


def test_an_unknown_optimizer_is_named():
    model, objective = build(Config(), SHAPE)
    with pytest.raises(ConfigError, match=r"Unknown optimizer 'adan'. Did you mean 'adam'"):
        optimizer(Config(optimizer="adan"), model, objective)


@pytest.mark.parametrize(
    ("posterior", "prior", "advice"),
    [
        (
            "gaussian",
            "sphere",
            "sphere prior does not lie where the gaussian posterior does: use --posterior vmf.",
        ),
        (
            "vmf",
            "normal",
            "normal prior does not lie where the vmf posterior does: use --prior sphere.",
        ),
        ("gaussian", "codes", "use --posterior quantized."),
    ],
)
def test_a_prior_of_another_space_is_answered_with_what_fits(posterior, prior, advice):
    with pytest.raises(ConfigError, match=f"{advice}$"):
        build(Config(posterior=posterior, prior=prior), (1, 8, 8))

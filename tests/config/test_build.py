from pathlib import Path

import pytest
import torch

from tests.builders import build, make_part
from tests.conftest import bars
from vaecli.config import build as builder
from vaecli.config.build import monitor_of, resolve, with_latent_dim
from vaecli.config.config import Config, to_json
from vaecli.config.presets import config_from_layers
from vaecli.parts.priors import PRIORS
from vaecli.system.errors import ConfigError
from vaecli.training.state import start

SHAPE = (1, 8, 8)


def weights(config):
    return torch.cat([p.flatten() for p in build(config, SHAPE)[0].parameters()])


def test_the_default_has_the_parameters_of_the_report():
    model, _ = build(Config(), (1, 28, 28))
    sizes = [(784, 400), (400, 400), (400, 40), (20, 400), (400, 400), (400, 784)]
    assert sum(p.numel() for p in model.parameters()) == sum(i * o + o for i, o in sizes)


def test_labels_condition_a_conditional_model_only():
    plain, _ = build(Config(), SHAPE, classes=2)
    conditional, _ = build(Config(conditional=True), SHAPE, classes=2)
    assert (plain.context, conditional.context) == (0, 2)
    sizes = [sum(p.numel() for p in model.parameters()) for model in (plain, conditional)]
    assert sizes[1] - sizes[0] == 2 * 400 + 2 * 400  # into the encoder and into the decoder


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


def test_resolving_fills_in_every_option_and_the_whole_path():
    written = "mlp:width=400,depth=2,activation=relu,norm=none,output_bias=zero"
    assert str(resolve(Config(network="mlp")).network) == written
    assert str(resolve(Config()).objective).startswith("elbo:beta=1.0,")
    assert Path(resolve(Config(data_dir="here")).data_dir) == Path.cwd() / "here"


def test_resolving_fills_in_the_number_of_latents_but_of_a_map():
    assert resolve(Config()).latent_dim == resolve(Config(network="conv")).latent_dim == 20
    assert resolve(Config(latent_dim=3)).latent_dim == 3
    config = resolve(Config(network="conv:latent=map"))
    assert config.latent_dim is None
    assert resolve(config) is config


@pytest.mark.parametrize(
    ("network", "given", "wanted"),
    [
        ("mlp", None, 20),
        ("conv", 3, 3),
        ("conv:latent=map", None, 4 * 4 * 6),
        ("conv:latent=map", 48, 48),
        ("resnet:latent=map,depth=3", None, 4 * 2 * 3),
    ],
)
def test_the_number_of_latents_is_fixed_for_a_size_of_images(network, given, wanted):
    shape = (3, 16, 21)
    config = resolve(Config(network=network, latent_dim=given))
    pinned = with_latent_dim(config, shape)
    assert pinned == config.with_values(latent_dim=wanted)
    assert with_latent_dim(pinned, shape) is pinned
    first, second = (build(c, shape)[0].state_dict() for c in (config, pinned))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_number_that_does_not_fill_the_map_is_refused_wherever_it_is_read():
    config = resolve(Config(network="conv:latent=map", latent_dim=6))
    for refuse in (with_latent_dim, builder.build):
        with pytest.raises(ConfigError, match=r"latent_dim=6: a map of 2x2 .*: use 4 or 8\.$"):
            refuse(config, SHAPE)


def test_groups_and_fitted_priors_know_the_number_of_latents_of_a_map():
    config = Config(network="conv:width=4,latent=map", fitted_prior="mixture:components=3")
    free_bits = "elbo:free_bits=1,free_bits_groups="
    build(config.with_values(objective=f"{free_bits}8"), SHAPE)
    with pytest.raises(ConfigError, match="latent_dim=16 is not divisible by 3 groups"):
        build(config.with_values(objective=f"{free_bits}3"), SHAPE)
    model, _ = build(config, SHAPE)
    assert builder.build_fitted_prior(resolve(config), model, SHAPE).loc.shape == (1, 3, 16)


def test_a_state_has_the_number_of_latents_in_its_configuration():
    state = start(Config(network="conv:width=4,latent=map", device="cpu"), bars(12))
    assert state.config.latent_dim == 16
    assert state.model.posterior.latent_shape == (4, 2, 2)


def test_a_resolved_configuration_is_returned_as_it_is():
    config = resolve(Config(data_dir="here"))
    assert resolve(config) is config
    assert resolve(Config.from_values(to_json(config))) == config


def test_a_part_takes_what_it_needs_of_what_is_offered():
    prior = make_part("mixture:components=3", "prior", latent_dim=2, shape=SHAPE)
    assert isinstance(prior, PRIORS["mixture"])
    assert prior.loc.shape == (3, 2)


def test_the_distortion_decides_where_a_discriminator_plays():
    for preset, monitor in (("vae", "loss"), ("aae", "distortion"), ("vae-gan", "distortion")):
        assert monitor_of(resolve(config_from_layers({"preset": preset}))) == monitor


def test_a_model_is_built_from_a_resolved_configuration_alone():
    with pytest.raises(ValueError, match=r"network='mlp' is not resolved"):
        builder.build(Config(network="mlp"), SHAPE)
    assert start(Config(network="mlp", device="cpu"), bars(12)).config.network.options["depth"] == 2


def test_an_objective_is_told_how_many_images_there_are_if_that_is_known():
    config = Config(objective="beta-tc", network="mlp:width=4,depth=1", device="cpu")
    assert start(config, bars(12)).objective.images == 12
    assert build(config, SHAPE)[1].images == 0  # as a checkpoint without data is opened


@pytest.mark.parametrize("kind", ["posterior", "prior", "likelihood", "objective", "network"])
def test_an_unknown_part_is_named(kind):
    with pytest.raises(ConfigError, match=f"Unknown {kind} 'nonsense'. Choose from: "):
        build(Config(**{kind: "nonsense"}), SHAPE)


def test_an_unknown_optimizer_is_named():
    with pytest.raises(ConfigError, match=r"Unknown optimizer 'adan'. Did you mean 'adam'"):
        start(Config(optimizer="adan"), bars(12))


@pytest.mark.parametrize(
    ("posterior", "prior", "advice"),
    [
        (
            "gaussian",
            "sphere",
            "sphere prior and the gaussian posterior use different latent spaces: use "
            "posterior='vmf'.",
        ),
        (
            "vmf",
            "normal",
            "normal prior and the vmf posterior use different latent spaces: use prior='sphere'.",
        ),
        ("gaussian", "codes", r"use \S*posterior\W*quantized\W*"),
    ],
)
def test_a_prior_of_another_space_is_answered_with_what_fits(posterior, prior, advice):
    with pytest.raises(ConfigError, match=f"{advice}$"):
        build(Config(posterior=posterior, prior=prior), (1, 8, 8))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"posterior": "flow"}, "groups of latents, a posterior with .*: use posterior='gaussian'"),
        ({"posterior": "vmf", "prior": "sphere"}, "a posterior with .*: use posterior='gaussian'"),
        ({"prior": "mixture"}, "groups of latents, a prior with .*: use prior='normal'"),
        ({"prior": "vamp"}, "groups of latents, a prior with .*: use prior='normal'"),
        ({"latent_dim": 7}, "latent_dim=7 is not divisible by 3 groups"),
    ],
)
def test_groups_of_latents_are_refused_before_training_where_they_have_no_rate(changes, message):
    options = {"latent_dim": 6, "network": "mlp:width=8", **changes}
    for groups in (3,) if "latent_dim" in changes else (0, 3):
        objective = f"elbo:free_bits=1,free_bits_groups={groups}"
        with pytest.raises(ConfigError, match=message):
            build(Config(objective=objective, **options), SHAPE)
    build(Config(objective="elbo:free_bits=1", **options), SHAPE)


def test_groups_of_latents_work_where_they_divide_them_and_for_a_prior_of_each_label():
    objective = "elbo:free_bits=1,free_bits_groups=3"
    config = Config(objective=objective, latent_dim=6, prior="conditional", conditional=True)
    _, built = build(config, SHAPE, classes=2)
    assert built.latent_groups == 3


def test_an_objective_without_what_it_needs_is_answered_with_what_gives_it():
    with pytest.raises(ConfigError) as refused:
        build(Config(posterior="dirac"), SHAPE)
    assert str(refused.value) == (
        "The objective elbo needs a posterior with a density, but dirac is deterministic: use "
        "posterior='gaussian', or objective='elbo:beta=0' (autoencoder)."
    )
    with pytest.raises(ConfigError, match="labels=10 needs a semi-supervised objective: use objec"):
        build(Config(labels=10), SHAPE, 2)
    with pytest.raises(ConfigError, match="conditional=True needs images with labels"):
        build(Config(conditional=True), SHAPE)


def test_the_optimizer_has_every_parameter_of_model_and_objective_and_the_rate_of_the_config():
    config = resolve(Config(objective="factor:width=8", network="mlp:width=4,depth=1", lr=0.25))
    model, objective = build(config, SHAPE)
    optimizer = builder.make_optimizer(config, model, objective)
    wanted = [*model.parameters(), *objective.parameters()]
    assert [id(p) for p in optimizer.parameters] == [id(p) for p in wanted]
    assert len([*objective.parameters()]) > 0
    assert optimizer.lr == 0.25

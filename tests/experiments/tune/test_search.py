"""The options that can be searched, and the configuration of a trial."""

import pytest

from vaecli.config.build import TABLES, resolve
from vaecli.config.config import Config, to_json
from vaecli.config.presets import PRESETS, config_from_layers
from vaecli.config.spec import part_options
from vaecli.experiments.tune.ranges import Numbers
from vaecli.experiments.tune.search import (
    KINDS,
    default_search,
    metric_of,
    parse_search,
    plain_type,
    values_of,
    with_options,
)
from vaecli.system.errors import ConfigError

BASE = resolve(Config())


def parse(*texts, base=BASE):
    return {name: str(found) for name, found in parse_search(texts, base).items()}


def test_names_are_those_of_flags_and_of_options_of_parts():
    assert parse("lr=1e-4..1e-2:log", "latent_dim=8,16", "--batch-size=32..64") == {
        "lr": "0.0001..0.01:log",
        "latent-dim": "8,16",
        "batch-size": "32..64",
    }
    assert parse("network.width=200..800", "beta=0.5..2", "network.activation=relu,gelu") == {
        "network.width": "200..800",
        "objective.beta": "0.5..2.0",
        "network.activation": "relu,gelu",
    }


def every_part():
    for kind in KINDS:
        for name, part in TABLES[kind].items():
            for option, parameter in part_options(part).items():
                yield kind, name, option, parameter


@pytest.mark.parametrize(("kind", "name", "option", "parameter"), list(every_part()))
def test_every_option_of_every_part_can_be_searched(kind, name, option, parameter):
    """Two values of it: the default, and another that its bounds allow."""
    base = resolve(Config().with_values(**{kind: name}))
    default = values_of(base, {f"{kind}.{option}": None})[f"{kind}.{option}"]
    for other in ("1", "0.5", "2", "true", "false", "map", "full", "none", "tanh", "batch", "3"):
        try:
            found = parse_search([f"{kind}.{option}={_text(default)},{other}"], base)
        except ConfigError:
            continue
        (value,) = found[f"{kind}.{option}"].examples[1:]
        changed = with_options(base, {f"{kind}.{option}": value})
        assert values_of(changed, found) != values_of(base, found)
        return
    assert plain_type(parameter.annotation) is str or not isinstance(default, int | float)


def _text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_the_configuration_of_a_trial_has_its_values_and_else_those_of_the_base():
    options = {"lr": 0.5, "latent-dim": 7, "network.width": 30, "network.depth": 1}
    config = with_options(BASE, options)
    assert values_of(config, options) == options
    changed = {name for name, value in to_json(config).items() if value != to_json(BASE)[name]}
    assert changed == {"lr", "latent_dim", "network"}
    assert config.network.options["activation"] == "relu"
    assert resolve(config) is config


def test_a_part_is_searched_by_its_name_and_keeps_the_options_of_the_base():
    base = resolve(Config(network="mlp:width=30", optimizer="adam:beta2=0.9"))
    assert str(with_options(base, {"network": "mlp"}).network) == str(base.network)
    conv = with_options(base, {"network": "conv", "network.depth": 3}).network
    assert (conv.name, conv.options["depth"], conv.options["width"]) == ("conv", 3, 16)
    found = parse("network=mlp,conv", "network.depth=1..3", base=base)
    assert found == {"network": "mlp,conv", "network.depth": "1..3"}
    with pytest.raises(ConfigError, match=r"Unknown option 'network\.blocks'"):
        parse("network=mlp,conv", "network.blocks=1..3", base=base)
    with pytest.raises(ConfigError, match=r"Unknown option 'network\.blocks'"):
        parse("network=conv,mlp", "network.blocks=1..3", base=base)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lr", "write NAME=RANGE"),
        ("=1..2", "write NAME=RANGE"),
        ("lrr=1..2", "Did you mean 'lr'?"),
        ("network.widht=1..2", "Did you mean 'network.width'?"),
        ("prior.components=2..3", "Unknown option 'prior.components'"),
        ("epochs=1..5", "all trials of a study have the same epochs"),
        ("image-size=16,32", "all trials of a study have the same image-size"),
        ("likelihood=bernoulli,gaussian", "all trials of a study have the same likelihood"),
        ("objective=elbo,iwae", "all trials of a study have the same objective"),
        ("conditional=true,false", "all trials of a study have the same conditional"),
        ("lr=0..1", "should be greater than 0"),
        ("lr-warmup=0..1", "should be less than 1"),
        ("network.width=0..10", "'width' should be greater than or equal to 1"),
        ("network.activation=relu,relo", "'activation' should be 'relu'"),
        ("optimizer=adam,sgdd", "Did you mean 'sgd'?"),
        ("latent-dim=1.5..3", "'1.5' is not a whole number"),
    ],
)
def test_a_wrong_search_is_refused_in_one_sentence_that_names_it(text, words):
    with pytest.raises(ConfigError) as error:
        parse(text)
    assert words in str(error.value)
    assert str(error.value).startswith(f"search={text!r}: ")
    assert "\n" not in str(error.value)


def test_an_option_is_searched_once():
    with pytest.raises(ConfigError, match="searched twice"):
        parse("beta=1..2", "objective.beta=3..4")


def test_trials_are_compared_by_what_is_the_same_quantity_for_all():
    assert metric_of(parse_search(["lr=1e-4..1e-2"], BASE), BASE) == "loss"
    for text in ("beta=0.1..2", "objective.free_bits=0..1"):
        assert metric_of(parse_search([text], BASE), BASE) == "negative_elbo"
    critic = resolve(config_from_layers({"preset": "aae"}))
    assert metric_of({}, critic) == "distortion"


@pytest.mark.parametrize("preset", PRESETS)
def test_the_default_search_holds_the_values_of_the_preset(preset):
    base = resolve(config_from_layers({"preset": preset}))
    search = default_search(base, lambda config: True)
    assert {"lr", "batch-size", "network.width", "network.depth"} <= search.keys()
    assert ("latent-dim" in search) == (base.latent_dim is not None)
    for name, value in values_of(base, search).items():
        assert search[name].contains(value), name
    texts = [f"{name}={found}" for name, found in search.items()]
    assert parse_search(texts, base) == search


def test_the_default_search_leaves_out_what_gives_no_model():
    def is_even(config):
        return config.latent_dim % 20 == 0

    assert "latent-dim" not in default_search(BASE, is_even)
    assert "lr" in default_search(BASE, is_even)
    assert "latent-dim" not in default_search(BASE, lambda config: config.latent_dim < 40)


def test_the_default_ranges_lie_around_the_values_of_the_configuration():
    found = default_search(BASE, lambda config: True)
    assert {name: str(each) for name, each in found.items()} == {
        "lr": "0.0002..0.005:log",
        "batch-size": "32,64,128,256",
        "network.width": "200..800:50",
        "network.depth": "1..3",
        "latent-dim": "10..40:10",
    }


def test_a_default_range_of_the_smallest_numbers_is_a_range():
    base = resolve(Config(latent_dim=1, batch_size=1, network="mlp:width=1,depth=1"))
    search = default_search(base, lambda config: True)
    assert str(search["latent-dim"]) == "1..2"
    assert str(search["batch-size"]) == "1,2"
    assert search["network.depth"] == Numbers(1, 2)

import json
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from vaecli.build import TABLES
from vaecli.config import Config, choose, lookup, read, schema, spell
from vaecli.errors import ConfigError
from vaecli.parts.networks import MLP, NETWORKS
from vaecli.presets import PRESETS, resolve


def test_the_defaults_are_the_recipe_of_the_report():
    c = resolve()
    assert (c.epochs, c.batch_size, c.lr, c.optimizer) == (50, 128, 1e-3, "adam")
    assert c.network == "mlp:width=400,depth=2,activation=relu,norm=none,output_bias=zero"
    assert (c.latent_dim, c.data) == (20, "mnist")
    assert (c.posterior, c.prior, c.likelihood, c.objective) == (
        "gaussian",
        "normal",
        "bernoulli",
        "elbo",
    )


def test_later_layers_win():
    c = resolve({"epochs": 3, "lr": 0.1}, {"epochs": 4})
    assert (c.epochs, c.lr, c.batch_size) == (4, 0.1, 128)


def test_every_preset_resolves():
    for name, preset in PRESETS.items():
        config = resolve({"preset": name})
        assert config.preset == name
        assert {option: getattr(config, option) for option in preset.changes} == preset.changes


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("epochs", 0, "--epochs 0: should be greater than or equal to 1."),
        ("batch_size", 0, "--batch-size 0: should be greater than or equal to 1."),
        ("latent_dim", 0, "--latent-dim 0: should be greater than or equal to 1."),
        ("lr", -1.0, "--lr -1.0: should be greater than 0."),
        ("lr", float("inf"), "--lr inf: should be a finite number."),
        ("lr", float("nan"), "--lr nan: should be a finite number."),
        ("seed", -1, "--seed -1: should be greater than or equal to 0."),
        ("seed", 2**64, f"--seed {2**64}: should be less than {2**64}."),
        ("train_images", 0, "--train-images 0: should be greater than or equal to 1."),
        ("epochs", "many", "--epochs many: should be a valid integer"),
        ("data_dir", "\udcff", "not UTF-8 text"),
    ],
)
def test_a_value_out_of_range_is_named(name, value, reason):
    with pytest.raises(ConfigError) as caught:
        resolve({name: value})
    assert reason in str(caught.value)


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(ConfigError, match=r"Unknown configuration key 'epoch'. Did you mean 'epo"):
        resolve({"epoch": 3})
    with pytest.raises(ConfigError, match=r"Unknown preset 'vea'. Did you mean 'vae'"):
        resolve({"preset": "vea"})
    with pytest.raises(ConfigError, match="Choose from: a, b"):
        lookup({"a": 1, "b": 2}, "zzz", "thing")


def test_a_config_survives_its_json(tmp_path):
    c = resolve({"lr": 3e-4, "data_dir": "some where", "seed": 2**64 - 1})
    path = tmp_path / "config.json"
    path.write_text(json.dumps(asdict(c)))
    assert resolve(read(path)) == c


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not JSON: Expecting value: line 1 column 1"),
        (b'{"epochs": 3,\n oops}', "line 2 column 2"),
        (b"\xff\xfe\x00", "is not JSON: "),
        (b"[1, 2]", "must hold one JSON object"),
        (b"[" * 100_000, "is not JSON: "),
        (b" " * 1_000_001, "over 1,000,000 bytes"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path, content, reason):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert reason in str(caught.value)


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"epochs": 3}), encoding="utf-8-sig")
    assert read(path) == {"epochs": 3}


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(
        ConfigError, match=r"Cannot read the configuration .*none.json: there is no such file"
    ):
        read(tmp_path / "none.json")


def test_a_spec_is_a_name_and_options():
    default = {
        "width": 400,
        "depth": 2,
        "activation": "relu",
        "norm": "none",
        "output_bias": "zero",
    }
    assert choose("mlp", NETWORKS, "network") == (MLP, default)
    assert choose("mlp:depth=5", NETWORKS, "network") == (MLP, default | {"depth": 5})


def test_spelling_out_fills_in_the_options():
    _, options = choose("mlp:depth=5", NETWORKS, "network")
    written = "mlp:width=400,depth=5,activation=relu,norm=none,output_bias=zero"
    assert spell("mlp:depth=5", options) == written
    assert choose(spell("mlp:depth=5", options), NETWORKS, "network")[1] == options
    assert spell("normal", {}) == "normal"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("mpl", "Unknown network 'mpl'. Did you mean 'mlp'?"),
        ("mlp:widht=3", "Unknown option of mlp 'widht'. Did you mean 'width'?"),
        ("mlp:width", "write 'width' as option=value"),
        ("mlp:width=wide", "network 'mlp:width=wide': width=wide: should be a valid integer"),
        ("mlp:", None),
    ],
)
def test_a_spec_that_cannot_be_read_is_named(spec, reason):
    if reason is None:
        assert choose(spec, NETWORKS, "network")[0] is MLP
        return
    with pytest.raises(ConfigError) as caught:
        choose(spec, NETWORKS, "network")
    assert reason in str(caught.value)


OUT_OF_RANGE = {
    "network": "mlp:width=0 mlp:depth=1001 conv:width=0 conv:depth=11 resnet:blocks=-1",
    "posterior": """hierarchical:levels=6 ladder:width=0 flow:depth=0 planar:depth=0 iaf:width=0
        quantized:codes=1 quantized:levels=33 quantized:commitment=-1""",
    "prior": """vamp:components=0 mixture:components=0 ring:radius=-1 swiss-roll:turns=0
        flow:width=0 hierarchical:levels=1""",
    "likelihood": "logistic:components=0 logistic:components=101",
    "objective": """elbo:beta=-1 elbo:gamma=-1 iwae:samples=0 iwae:outer=0 iwae:beta=2
        piwae:samples=-3 renyi:samples=0 dreg:samples=0 wae:weight=-1 swae:projections=0
        betatc:beta=-1 factor:depth=0 dip:diagonal=-1 rae:beta=-1 adversarial:weight=-1
        adversarial:depth=0 vae-gan:slope=-1 m2:alpha=0""",
}


@pytest.mark.parametrize(
    ("kind", "spec"),
    [(kind, spec) for kind, specs in OUT_OF_RANGE.items() for spec in specs.split()],
)
def test_a_value_out_of_its_range_is_answered_with_the_bound(kind, spec):
    with pytest.raises(ConfigError) as caught:
        choose(spec, TABLES[kind], kind)
    text = spec.partition(":")[2]
    wanted = rf"{kind} '{spec}': {text}: should be (greater|less) than (or equal to )?[\d.]+\."
    assert re.fullmatch(wanted, str(caught.value))


@pytest.mark.parametrize("kind", TABLES)
def test_every_number_is_bounded_or_any_will_do(kind):
    unbounded = {
        f"{name}:{option}"
        for name, part in TABLES[kind].items()
        for option, parameter in schema(part).items()
        if parameter.annotation in (int, float)
    }
    assert unbounded == ({"renyi:alpha"} if kind == "objective" else set())


def test_a_part_without_options_says_so():
    class Plain:
        pass

    with pytest.raises(ConfigError, match="plain takes no options"):
        choose("plain:x=1", {"plain": Plain}, "thing")


@pytest.mark.parametrize(
    ("name", "value"),
    [("data_dir", Path("x")), ("epochs", np.int64(3)), ("labels", {1}), ("preset", b"x")],
)
def test_a_value_of_another_type_is_answered_from_python_too(name, value):
    with pytest.raises(ConfigError, match=f"--{name.replace('_', '-')} .*: should be a valid"):
        Config(**{name: value})


def test_a_beta_beside_an_objective_that_is_no_text_is_refused():
    assert resolve({"objective": 5, "beta": 2.0}).objective == "5:beta=2.0"  # unknown, once built

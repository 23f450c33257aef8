"""Old names are translated: silently in files, with a warning where a user gave them."""

import inspect
import json
import warnings
from dataclasses import fields

import pytest

from vaecli.config import aliases
from vaecli.config.aliases import current_names
from vaecli.config.build import TABLES, resolve
from vaecli.config.config import Config
from vaecli.config.option_files import read_options_file
from vaecli.config.presets import PRESETS, config_from_layers, typed_options
from vaecli.config.spec import Spec, part_options
from vaecli.system.errors import ConfigError
from vaecli.system.renamed import RenamedWarning


class New:
    """A part whose option `outer` is now called `bounds`."""

    def __init__(self, bounds: int = 1) -> None:
        self.bounds = bounds


class Old:
    """A part that has the old name still."""

    def __init__(self, outer: int = 1, bounds: int = 2) -> None:
        self.options = (outer, bounds)


NEW = {"iwae": New, "beta-tc": New}


@pytest.fixture
def silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_an_old_option_or_name_of_a_part_is_translated_with_a_warning():
    with pytest.warns(RenamedWarning, match="The iwae option 'outer' is now called 'bounds'."):
        spec = Spec.parse("iwae:outer=3").resolve(NEW, "objective")
    assert spec == Spec("iwae", {"bounds": 3})
    with pytest.warns(RenamedWarning, match="The objective 'betatc' is now called 'beta-tc'."):
        assert Spec.parse("betatc").resolve(NEW, "objective").name == "beta-tc"


def test_a_file_is_translated_silently(silent):
    spec = Spec.parse("iwae:outer=3", from_file=True)
    assert spec.resolve(NEW, "objective") == Spec("iwae", {"bounds": 3})


def test_an_option_that_a_part_still_has_keeps_its_name(silent):
    spec = Spec.parse("iwae:outer=3").resolve({"iwae": Old}, "objective")
    assert spec.options == {"outer": 3, "bounds": 2}
    both = Spec.parse("iwae:outer=3,bounds=4").resolve({"iwae": Old}, "objective")
    assert both.options == {"outer": 3, "bounds": 4}


def test_an_old_name_is_unknown_where_the_new_one_is_not_known_either():
    with pytest.raises(ConfigError, match="The objective iwae has no option 'outer'"):
        Spec.parse("iwae:outer=3").resolve({"iwae": type("Other", (), {})}, "objective")


def test_old_and_new_name_together_are_refused():
    with pytest.raises(ConfigError, match="'outer' is the old name of 'bounds': leave one out"):
        Spec.parse("iwae:bounds=1,outer=3").resolve(NEW, "objective")
    with pytest.raises(ConfigError, match="option 'warmup' is the old name of 'lr_warmup'"):
        typed_options({"warmup": 0.1, "lr_warmup": 0.1})


def test_old_options_that_a_user_gives_are_translated_with_a_warning():
    with pytest.warns(RenamedWarning, match="The option 'warmup' is now called 'lr_warmup'."):
        assert config_from_layers({"lr_warmup": 0.2}, {"warmup": 0.1}).lr_warmup == 0.1
    with pytest.warns(RenamedWarning, match="The preset 'warmup' is now called 'annealing'."):
        config = config_from_layers({"preset": "warmup"})
    assert config == config_from_layers({"preset": "annealing"})


def test_python_users_may_give_an_old_name_too():
    with pytest.warns(RenamedWarning, match="The option 'warmup' is now called 'lr_warmup'."):
        config = Config(warmup=0.1)
    with pytest.warns(RenamedWarning) as warned:
        Config(warmup=0.1)
    assert warned[0].filename == __file__
    assert config == Config(lr_warmup=0.1)
    assert list(inspect.signature(Config).parameters) == [f.name for f in fields(Config)]
    with pytest.raises(TypeError, match="unexpected keyword argument 'warm'"):
        Config(warm=0.1)


def test_a_file_of_the_first_release_is_read_silently(tmp_path, silent):
    old = {
        "schema_version": 1,
        "preset": "warmup",
        "warmup": 0.05,
        "objective": "elbo:beta=1.0,warmup=10.0,cycle=0.0,free_bits=0.0,capacity=0.0,over=0.0,"
        "gamma=1000.0",
        "network": "mlp:width=400,depth=2,activation=relu,norm=none,bias=data",
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(old))
    for config in (Config.from_values(old), config_from_layers(read_options_file(path))):
        resolved = resolve(config)
        assert (resolved.preset, resolved.lr_warmup) == ("annealing", 0.05)
        old_options = {**resolved.objective.options}
        assert old_options.pop("free_bits_groups") == 1  # of a later release: as it was without
        assert list(old_options.values()) == [1.0, 10.0, 0.0, 0.0, 0.0, 0.0, 1000.0]
        assert list(resolved.network.options.values()) == [400, 2, "relu", "none", "data"]


def test_a_preset_under_its_old_name_in_a_file_is_read_silently(tmp_path, silent):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"preset": "hvae"}))
    config = config_from_layers(read_options_file(path))
    assert config == config_from_layers({"preset": "hierarchical"})
    assert Config.from_values({"preset": "hvae"}).preset == "hierarchical"


def test_the_old_flag_works_and_is_not_shown(cli, digits, tmp_path):
    assert " --warmup" not in cli("train", "--help").out
    options = ("--data-dir", digits, "--network", "mlp:width=4", "--dry-run")
    with pytest.warns(RenamedWarning, match="'warmup' is now called 'lr_warmup'"):
        done = cli("train", *options, "--warmup", 0.1)
    assert done.status == 0


def test_names_that_are_not_old_stay():
    values = {"a": 1, "b": 2}
    assert current_names(values, ["a", "b"], {"c": "d"}, "thing") == values


def test_every_new_name_exists_or_its_part_still_has_the_old_one():
    assert set(aliases.PRESETS.values()) <= set(PRESETS)
    assert not set(aliases.PRESETS) & set(PRESETS)
    assert set(aliases.KEYS.values()) <= set(Config.__dataclass_fields__)
    for kind, renamed in aliases.PARTS.items():
        for old, new in renamed.items():
            assert (old in TABLES[kind]) != (new in TABLES[kind])
    for (kind, name), renamed in aliases.OPTIONS.items():
        options = part_options(TABLES[kind][name])
        for old, new in renamed.items():
            assert (old in options) != (new in options), (name, old)


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("prior", "ring:along=3,across=2", {"radial_std": 3.0, "tangential_std": 2.0}),
        ("prior", "swiss-roll:scale=0.25", {"std": 0.25}),
        (
            "objective",
            "elbo:warmup=3,over=4,gamma=5",
            {"annealing_epochs": 3, "capacity_epochs": 4, "capacity_weight": 5.0},
        ),
    ],
)
def test_an_old_option_sets_the_option_of_its_meaning(kind, old, new):
    spec = Spec.parse(old, from_file=True).resolve(TABLES[kind], kind)
    assert {name: spec.options[name] for name in new} == new

"""`Config`: defaults, validation, files."""

import json
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest

from vaecli.config import config as module
from vaecli.config.build import TABLES, resolve
from vaecli.config.config import PART_KINDS, Config, to_json
from vaecli.config.durations import parse_duration
from vaecli.config.option_files import read_options_file
from vaecli.config.presets import config_from_layers
from vaecli.config.spec import Spec
from vaecli.system.errors import ConfigError


def test_the_defaults_are_the_recipe_of_the_report():
    c = Config()
    assert (c.epochs, c.batch_size, c.lr, c.data) == (50, 128, 1e-3, "mnist")
    assert resolve(c).latent_dim == 20
    assert (c.on_nan, c.lr_schedule, c.lr_warmup) == ("stop", "constant", 0.0)
    assert str(c.network) == "mlp:width=400,depth=2,activation=relu,norm=none,output_bias=zero"
    names = [getattr(c, kind).name for kind in PART_KINDS]
    assert names == ["gaussian", "normal", "bernoulli", "elbo", "mlp", "adam", "none"]


def test_the_defaults_are_those_of_the_parts():
    config = Config()
    for kind, table in TABLES.items():
        spec = getattr(config, kind)
        assert spec.resolve(table, kind) == Spec(spec.name).resolve(table, kind)


def test_parts_are_the_fields_of_type_spec():
    hints = get_type_hints(Config)
    assert {name for name, hint in hints.items() if hint is Spec} == set(PART_KINDS) == set(TABLES)


def test_a_part_is_given_as_text_or_as_a_spec():
    given = Config(objective="iwae:samples=5", prior=Spec("vamp", {"components": 7}))
    assert given.objective == Spec("iwae", {"samples": "5"})
    assert given.prior == Spec("vamp", {"components": 7})
    assert resolve(given).objective.options["samples"] == 5
    with pytest.raises(ConfigError, match="objective=5: should be a spec such as 'name:option=val"):
        Config(objective=5)
    with pytest.raises(ConfigError, match="prior='normal:x': write 'x' as option=value"):
        Config(prior="normal:x")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("epochs", 0, "epochs=0: should be greater than or equal to 1."),
        ("batch_size", 0, "batch_size=0: should be greater than or equal to 1."),
        ("latent_dim", 0, "latent_dim=0: should be greater than or equal to 1."),
        ("lr", -1.0, "lr=-1.0: should be greater than 0."),
        ("lr", float("inf"), "lr=inf: should be a finite number."),
        ("lr", float("nan"), "lr=nan: should be a finite number."),
        ("lr_warmup", 1.0, "lr_warmup=1.0: should be less than 1."),
        ("seed", -1, "seed=-1: should be greater than or equal to 0."),
        ("seed", 2**64, f"seed={2**64}: should be less than {2**64}."),
        ("train_images", 0, "train_images=0: should be greater than or equal to 1."),
        ("epochs", "many", "epochs='many': should be a valid integer"),
        ("data_dir", "\udcff", "not UTF-8 text"),
        ("objective", "\udcff", "not UTF-8 text"),
        ("data_dir", Path("x"), "data_dir=PosixPath('x'): should be a valid string"),
        ("epochs", np.int64(3), "epochs=np.int64(3): should be a valid integer"),
        ("labels", {1}, "labels={1}: should be a valid integer"),
        ("preset", b"x", "preset=b'x': should be a valid string"),
        ("patience", 3, "patience=3 needs a validation set: add validation=N."),
        ("max_time", "soon", "max_time='soon': write a time as 2h, 90m, 1h30m or 45s."),
    ],
)
def test_a_value_that_cannot_be_is_named(name, value, reason):
    for make in (lambda: Config(**{name: value}), lambda: Config().with_values(**{name: value})):
        with pytest.raises(ConfigError) as refused:
            make()
        assert reason in str(refused.value).replace("WindowsPath", "PosixPath")


def test_only_what_changes_is_validated_again(monkeypatch):
    validated = []
    plain = module._validated

    def counted(name, value):
        validated.append(name)
        return plain(name, value)

    monkeypatch.setattr(module, "_validated", counted)
    config = Config(lr=0.1)
    assert sorted(validated) == sorted(field.name for field in fields(Config))
    validated.clear()
    changed = config.with_values(epochs=3, prior="vamp")
    assert validated == ["epochs", "prior"]
    assert changed == Config(lr=0.1, epochs=3, prior="vamp")
    assert config == Config(lr=0.1)
    validated.clear()
    resolve(config)
    assert set(validated) == {*PART_KINDS, "latent_dim"}
    with pytest.raises(ConfigError, match="Unknown configuration key 'epoch'"):
        config.with_values(epoch=3)
    with pytest.raises(ConfigError, match="patience=3 needs a validation set"):
        config.with_values(patience=3)


def test_json_holds_specs_as_text_and_is_read_back(tmp_path):
    config = resolve(
        Config(
            lr=3e-4,
            data_dir="some where",
            seed=2**64 - 1,
            objective="adversarial:labels=true",
        )
    )
    values = json.loads(json.dumps(to_json(config)))
    assert list(values) == [field.name for field in fields(Config)]
    assert values["prior"] == "normal"
    assert "labels=true" in values["objective"]
    path = tmp_path / "config.json"
    path.write_text(json.dumps(values))
    for again in (Config.from_values(values), config_from_layers(read_options_file(path))):
        assert resolve(again) == config


@pytest.mark.parametrize("version", [3, 0, "2", None, 1.0, 1.5, True, [1]])
def test_a_configuration_of_a_newer_version_is_refused_in_a_sentence(version):
    with pytest.raises(ConfigError, match=r"this vaecli reads versions 1 to 2. If a newer vaecli"):
        Config.from_values({"schema_version": version})


def test_a_configuration_of_the_first_version_is_read():
    assert Config.from_values({"schema_version": 1, "epochs": 3}) == Config(epochs=3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not JSON: Expecting value: line 1 column 1"),
        (b'{"epochs": 3,\n oops}', "line 2 column 2"),
        (b"\xff\xfe\x00", "is not JSON: "),
        (b"[1, 2]", "must hold one JSON object"),
        (b"[" * 100_000, "is not JSON: "),
        (b" " * 1_000_001, "more than 1,000,000 bytes"),
        (b'{"prior": 3}', "prior=3: should be a spec"),
        (b'{"prior": "\\udcff"}', "not UTF-8 text"),
        (b'{"epochs": true}', "config.json: epochs=True: should be a valid integer."),
        (b'{"warmup": "0.1"}', "config.json: lr_warmup='0.1': should be a valid number."),
        (b'{"preset": 3}', "config.json: preset=3: should be a valid string."),
        (b'{"epoch": 3}', "config.json: Unknown configuration key 'epoch'."),
        (b'{"schema_version": 3}', "config.json: schema_version=3: this vaecli reads"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path, content, reason):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        read_options_file(path)
    assert reason in str(refused.value)


def test_a_file_of_a_million_bytes_is_read(tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(b'{"epochs": 3}'.ljust(1_000_000))
    assert read_options_file(path) == {"epochs": 3}


def test_a_file_may_set_beta_and_is_translated(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"beta": 2.0, "warmup": 0.1}))
    assert read_options_file(path) == {"beta": 2.0, "lr_warmup": 0.1}


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"epochs": 3}), encoding="utf-8-sig")
    assert read_options_file(path) == {"epochs": 3}


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(
        ConfigError, match=r"Cannot read the configuration .*none.json: there is no such file"
    ):
        read_options_file(tmp_path / "none.json")


def test_durations_are_in_seconds():
    cases = {"2h": 7200, "90m": 5400, "1h30m": 5400, "45s": 45, "45": 45, "1d": 86400}
    assert {text: parse_duration(text) for text in cases} == cases
    for text in ("", "h", "1.5h", "-1h", "1h 30m", "1m1h", "٣h", "9" * 5000):
        with pytest.raises(ConfigError, match="write a time"):
            parse_duration(text)
    for text in ("99999d", "0s", "0h0m"):
        with pytest.raises(ConfigError, match="must be above 0 and below 10 years"):
            Config(max_time=text)


def test_with_values_takes_the_old_name_of_an_option_with_a_warning():
    with pytest.warns(FutureWarning, match="'warmup' is now called 'lr_warmup'"):
        changed = Config().with_values(warmup=0.5)
    assert changed.lr_warmup == 0.5

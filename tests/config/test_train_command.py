"""The command that trains a configuration again."""

import shlex

import pytest

from vaecli.config.build import resolve
from vaecli.config.config import Config
from vaecli.config.presets import PRESETS, config_from_layers
from vaecli.config.train_command import changed_options, train_command

OTHER = {
    "posterior": "iaf:depth=3",
    "prior": "flow",
    "objective": "elbo:beta=0.25,free_bits=0.5",
    "network": "conv:width=8",
    "optimizer": "adamw:beta2=0.98",
    "lr": 3e-5,
    "max_time": "1h30m",
    "conditional": True,
    "image_size": "48x32",
    "skip_bad": True,
    "seed": 2**63,
}


def parsed(command: str) -> Config:
    """The configuration of a command, by a parser of its own."""
    words = shlex.split(command)
    assert words[:2] == ["vaecli", "train"]
    options = {}
    waiting = words[2:]
    while waiting:
        name = waiting.pop(0).removeprefix("--").replace("-", "_")
        if name in ("no_conditional", "conditional", "skip_bad", "compile"):
            options[name.removeprefix("no_")] = not name.startswith("no_")
        else:
            kind = type(getattr(Config, name))
            value = waiting.pop(0)
            options[name] = kind(value) if kind in (int, float) else value
    whole = ("labels", "latent_dim", "train_images", "test_images", "validation", "patience")
    options |= {name: int(options[name]) for name in whole if name in options}
    return resolve(config_from_layers(options))


@pytest.mark.parametrize("preset", PRESETS)
def test_the_command_of_a_preset_gives_its_configuration(preset):
    config = resolve(config_from_layers({"preset": preset}))
    command = train_command(config, "mnist", None, ())
    assert parsed(command) == config
    expected = "vaecli train" if preset == "vae" else f"vaecli train --preset {preset}"
    assert command == expected


@pytest.mark.parametrize("preset", ["vae", "sharp-conditional", "m2"])
def test_the_command_of_other_options_gives_them(preset):
    options = {"preset": preset, **OTHER}
    if preset == "m2":
        del options["objective"]
    config = resolve(config_from_layers(options))
    assert parsed(train_command(config, "mnist", None, ())) == config


def test_what_a_preset_sets_can_be_taken_back():
    config = resolve(config_from_layers({"preset": "m2", "labels": None, "conditional": False}))
    found = parsed(train_command(config, "mnist", None, ()))
    assert found.with_values(preset="m2") == config
    sharp = resolve(config_from_layers({"preset": "sharp-conditional", "conditional": False}))
    command = train_command(sharp, "mnist", None, ())
    assert command == "vaecli train --preset sharp-conditional --no-conditional"
    assert parsed(command) == sharp


def test_derived_options_are_left_out_and_names_are_quoted():
    config = resolve(Config(data="/home/me/my photos", image_size="64", channels="3", epochs=2))
    command = train_command(config, "./my photos", None, ("image_size", "channels"))
    assert command == "vaecli train --data './my photos' --epochs 2"
    listed = train_command(config, "mnist", "./a'b", ("epochs",))
    assert shlex.split(listed)[2:4] == ["--data-dir", "./a'b"]
    assert "/home" not in command


def test_a_spec_has_only_the_options_that_differ_from_those_of_its_part():
    config = resolve(Config(prior="vamp:components=7", objective="elbo:beta=1,capacity=3"))
    changed = changed_options(config)
    assert {name: str(value) for name, value in changed.items()} == {
        "prior": "vamp:components=7",
        "objective": "elbo:capacity=3.0",
    }
    assert changed_options(resolve(Config())) == {}

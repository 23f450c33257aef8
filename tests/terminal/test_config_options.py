"""The fields of `Config` as options: their groups, and which of them were given."""

from dataclasses import fields

import pytest
import typer

from vaecli.config import aliases
from vaecli.config.build import resolve
from vaecli.config.config import PART_KINDS, Config
from vaecli.config.presets import config_from_layers
from vaecli.terminal import config_options
from vaecli.terminal.config_options import GROUPS, MOST_USED, explicit_options, takes_config

FIELDS = [field.name for field in fields(Config) if field.name != "schema_version"]


def groups_in_help(text):
    """The options in a help text, by the title they stand under."""
    found = {}
    for line in text.splitlines():
        if line.endswith(":") and not line.startswith(" "):
            title = line.removesuffix(":")
            found[title] = []
        elif line.startswith("  -"):
            words = line.replace(",", " ").split()
            found[title].append(next(word for word in words if word.startswith("--")))
    return found


def test_every_field_of_config_is_in_exactly_one_group():
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(FIELDS)


def test_help_shows_every_option_once_in_its_group(cli):
    found = groups_in_help(cli("train", "--help").out)
    for group, names in GROUPS.items():
        flags = ["--" + name.replace("_", "-") for name in names]
        assert found[group][: len(flags)] == flags
    shown = [flag for flags in found.values() for flag in flags]
    assert len(shown) == len(set(shown))
    assert [title for title in found if title != "Options"][: len(GROUPS)] == list(GROUPS)


def test_the_first_group_has_the_options_that_everybody_uses(cli):
    found = groups_in_help(cli("train", "--help").out)
    assert next(iter(found)) == MOST_USED
    assert found[MOST_USED] == [
        "--data",
        "--image-size",
        "--preset",
        "--epochs",
        "--latent-dim",
        "--run-dir",
        "--resume",
    ]


def test_beta_stands_with_the_model_and_the_display_last(cli):
    found = groups_in_help(cli("train", "--help").out)
    assert found["Model"][-1] == "--beta"
    assert list(found)[-2:] == ["Display", "Options"]
    assert found["Options"] == ["--json", "--help"]


def test_an_option_has_the_default_the_type_and_the_help_of_its_field():
    parameters = {parameter.name: parameter for _, parameter in config_options.config_options()}
    assert list(parameters)[: len(FIELDS)] == [n for names in GROUPS.values() for n in names]
    for name in FIELDS:
        default = getattr(Config, name)
        assert parameters[name].default == (default.name if name in PART_KINDS else default)
    epochs = parameters["epochs"].annotation
    assert epochs.__origin__ is int
    assert epochs.__metadata__[-1].help == "Passes over the training images, 1 or more."
    assert epochs.__metadata__[-1].envvar == "VAECLI_EPOCHS"


def test_the_name_shown_as_the_default_of_a_part_stands_for_the_default():
    by_name = {kind: getattr(Config, kind).name for kind in PART_KINDS}
    assert resolve(config_from_layers(by_name)) == resolve(Config())


def test_an_old_name_is_a_hidden_option_of_the_type_of_its_field(cli):
    parameters = {parameter.name: parameter for _, parameter in config_options.config_options()}
    shown = cli("train", "--help").out
    for old, name in aliases.KEYS.items():
        flag = parameters[old].annotation.__metadata__[-1]
        assert flag.hidden
        assert parameters[old].annotation.__origin__ == parameters[name].annotation.__origin__
        assert f"--{old.replace('_', '-')} " not in shown


@pytest.fixture
def given():
    """The options that a command line set explicitly."""
    app = typer.Typer(add_completion=False)
    seen = []

    @app.command()
    @takes_config
    def command(context: typer.Context, **options):
        seen.append(explicit_options(context, options))

    def parse(*arguments):
        app(list(arguments), standalone_mode=False)
        return seen.pop()

    return parse


def test_only_options_that_were_given_are_explicit(given, monkeypatch):
    assert given() == {}
    assert given("--epochs", "50") == {"epochs": 50}  # even if it is the default
    monkeypatch.setenv("VAECLI_LATENT_DIM", "7")
    monkeypatch.setenv("VAECLI_LR", "0.5")
    assert given("--lr", "0.25", "--conditional") == {
        "latent_dim": 7,
        "lr": 0.25,
        "conditional": True,
    }


def test_the_options_of_a_command_stand_at_the_end_of_their_groups():
    from inspect import signature

    from vaecli.commands.train import train

    names = list(signature(train).parameters)
    assert names[0] == "context"
    assert names.index("beta") == names.index("conditional") + 1
    assert names.index("run_dir") == names.index("latent_dim") + 1
    assert set(FIELDS) <= set(names)

"""What the help texts say of defaults and formats is what the commands do."""

import re
from dataclasses import fields
from typing import get_args, get_type_hints

import pytest
from typer.main import get_command

from vaecli.commands.app import app
from vaecli.config import defaults
from vaecli.config.config import PART_KINDS, Config, OptionHelp
from vaecli.evaluation import embeddings
from vaecli.parts.latent_maps import DEFAULT_CHANNELS
from vaecli.parts.networks import DEFAULT_LATENT_DIM
from vaecli.pictures import grids, style
from vaecli.run import names

COMMANDS = get_command(app).commands


def option(command, name):
    """An option of a command by its name in Python."""
    (found,) = [p for p in COMMANDS[command].params if p.name == name]
    return found


def help_of(cli, command):
    """The help of each option, by its long flag, in one line."""
    text = cli(command, "--help").out.partition("Examples:")[0]
    found = {}
    for line in text.splitlines():
        start = re.match(r"  (?:-\w, )?(--[\w-]+)", line)
        if start:
            name = start[1]
            found[name] = line
        elif line.startswith("     ") and found:
            found[name] += " " + line.strip()
        elif not line.startswith("  "):
            name = None
    return found


def default_in(text):
    """The default that a help text ends with, or None."""
    found = re.search(r"\[default: (.*)\]$", text)
    return found[1] if found else None


def test_the_help_of_train_shows_the_default_of_every_field(cli):
    """Except where the text says what happens without a value."""
    shown = help_of(cli, "train")
    for field in fields(Config):
        flag = f"--{field.name.replace('_', '-')}"
        if field.name == "schema_version":
            assert flag not in shown
            continue
        default = getattr(Config, field.name)
        if field.name in PART_KINDS:
            wanted = default.name
        elif field.name == "threads":
            wanted = "one per physical core"
        elif field.name == "image_size":
            wanted = "their own size if all have the same, at most 64; else 64"
        elif field.name == "latent_dim":
            wanted = f"{DEFAULT_LATENT_DIM}, or {DEFAULT_CHANNELS} for each position of a map"
        elif default is None or default is False:
            wanted = None
        else:
            wanted = str(default)
        assert default_in(shown[flag]) == wanted, flag


def test_the_help_of_train_shows_the_placeholder_of_every_field(cli):
    shown = help_of(cli, "train")
    for name, hint in get_type_hints(Config, include_extras=True).items():
        (note, *_) = [n for n in get_args(hint) if isinstance(n, OptionHelp)] or [None]
        if note and note.placeholder:
            flag = f"--{name.replace('_', '-')}"
            assert shown[flag].split()[:2] == [flag, note.placeholder]


@pytest.mark.parametrize(
    ("command", "name", "endings"),
    [
        ("sample", names.SAMPLES, grids.ENDINGS),
        ("reconstruct", names.RECONSTRUCTIONS, grids.ENDINGS),
        ("embed", names.EMBEDDINGS, embeddings.ENDINGS),
        ("plot-loss", names.LOSS_PLOT, style.ENDINGS),
    ],
)
def test_the_help_of_an_output_names_its_default_file_and_its_formats(cli, command, name, endings):
    text = help_of(cli, command)["--output"]
    assert default_in(text).startswith(f"{name} in the run directory")
    assert "or - for stdout" in text
    listed = re.findall(r"\.\w+", text.partition("(")[2].partition(")")[0])
    assert listed == [ending for ending in endings if ending != ".jpeg"]


@pytest.mark.parametrize(
    ("command", "flag", "name", "default"),
    [
        ("sample", "--count", "count", defaults.SAMPLES),
        ("sample", "--seed", "seed", defaults.SEED),
        ("evaluate", "--seed", "seed", defaults.SEED),
        ("classify", "--seed", "seed", defaults.SEED),
        ("classify", "--labels", "labels", 100),
    ],
)
def test_a_default_that_help_shows_is_that_of_the_command(cli, command, flag, name, default):
    assert default_in(help_of(cli, command)[flag]) == str(default)
    assert option(command, name).default == default


def test_defaults_that_help_texts_spell_out_are_true(cli):
    """The constants and the words are written apart."""
    assert default_in(help_of(cli, "reconstruct")["--count"]) == str(defaults.RECONSTRUCTIONS)
    assert f"up to {grids.MAX_SINGLE_ROW} images in one row" in help_of(cli, "sample")["--columns"]
    for command in ("reconstruct", "embed", "evaluate"):
        assert default_in(help_of(cli, command)["--split"]) == "test"
    for command in ("sample", "reconstruct", "embed", "evaluate", "classify", "plot-loss"):
        text = default_in(help_of(cli, command)["--run-dir"])
        assert text == f"the newest run under {defaults.RUNS}/"
    for command in ("sample", "reconstruct", "embed", "evaluate", "classify"):
        assert (
            default_in(help_of(cli, command)["--checkpoint"]) == "best if there is one, else last"
        )


def test_the_splits_are_those_that_a_run_can_have(cli):
    for command in ("reconstruct", "embed", "evaluate"):
        assert "--split train|validation|test " in help_of(cli, command)["--split"]


def test_a_seed_is_0_or_more(cli, run_dir):
    assert cli("sample", "-r", run_dir, "-n", 1, "--seed", 0).status == 0
    for command in ("sample", "evaluate", "classify"):
        done = cli(command, "-r", run_dir, "--seed", -1)
        assert (done.status, done.out) == (2, "")


def test_every_option_with_a_variable_has_the_name_of_its_flag():
    for command, found in COMMANDS.items():
        for parameter in found.params:
            if getattr(parameter, "envvar", None):
                if parameter.param_type_name == "argument":
                    assert (parameter.name, parameter.envvar) == ("run", "VAECLI_RUN_DIR")
                    continue
                long = next(flag for flag in parameter.opts if flag.startswith("--"))
                assert parameter.envvar == "VAECLI_" + long[2:].replace("-", "_").upper(), command

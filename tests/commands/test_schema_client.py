"""A program that reads `vaecli schema` and nothing else builds commands that work."""

import itertools
import json
import random
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.json_schema import problems
from tests.tools import random_commands
from tests.tools.random_commands import Choice, train_command
from vaecli.config.build import TABLES
from vaecli.config.config import Config
from vaecli.config.spec import Spec
from vaecli.system.errors import ConfigError

# What takes long, or depends on the machine or the images, as the page says.
LEFT = ("compile", "threads", "latent-dim", "posterior.quantized.dim")


def test_the_client_imports_nothing_of_vaecli():
    text = Path(random_commands.__file__).read_text(encoding="utf-8")
    imported = re.findall(r"(?m)^\s*(?:import|from) (\w+)", text)
    assert set(imported) <= sys.stdlib_module_names


def assert_random_commands_are_accepted(schema, accepts, seed, count):
    choose = random.Random(seed)
    for _ in range(count):
        words = train_command(schema, choose, LEFT)
        assert accepts(words), shlex.join(words)


@pytest.mark.parametrize("seed", range(3))
def test_random_commands_are_accepted(schema, accepts, seed):
    assert_random_commands_are_accepted(schema, accepts, seed, 10)


@pytest.mark.slow
def test_many_random_commands_are_accepted(schema, accepts):
    assert_random_commands_are_accepted(schema, accepts, 100, 400)


@pytest.mark.slow
def test_random_commands_train(schema, tmp_path):
    choose = random.Random(0)
    limits = {"train-images": 2500, "test-images": 50, "epochs": 1, "batch-size": 100}
    small = [word for name, value in limits.items() for word in (f"--{name}", str(value))]
    for number in range(4):
        words = train_command(schema, choose, (*LEFT, *limits))
        command = [sys.executable, "-m", "vaecli", *words, *small, "--run-dir", f"{number}"]
        done = subprocess.run([*command, "--json"], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, (words, done.stderr)
        result = json.loads(done.stdout)
        assert problems(result, schema["results"]["train"]) == []
        assert (tmp_path / result["run_dir"] / "config.json").exists()


def ends(value):
    """The values at the ends of a range or a choice, and those just outside."""
    step = 1 if value["type"] == "integer" else 1e-6
    inside = list(value.get("enum", []))
    outside = ["nonsense"] * bool(inside)
    for key, sign in (("minimum", -1), ("maximum", 1)):
        if key in value:
            inside.append(value[key])
            outside.append(value[key] + sign * step)
        if (key := f"exclusiveM{key[1:]}") in value:
            inside.append(value[key] - sign * step)
            outside.append(value[key])
    return inside, outside


def test_the_ends_of_a_range_of_a_field_are_accepted_and_what_is_outside_is_not(schema, cli):
    for name, field in schema["config"].items():
        inside, outside = ends(field)
        for value in inside:
            assert Config(**{"validation": 1, name: value})
        for value in outside if name != "schema_version" else []:
            done = cli(
                "train", "--dry-run", "--validation", 1, f"--{name.replace('_', '-')}", value
            )
            assert (done.status, done.out) == (2, "")
            assert str(value) in done.err


def test_the_ends_of_a_range_of_a_part_are_accepted_and_what_is_outside_is_not(schema):
    for kind, table in schema["parts"].items():
        for name, part in table.items():
            for option, value in part["options"].items():
                inside, outside = ends(value)
                for right in inside:
                    Spec(name, {option: str(right)}).resolve(TABLES[kind], kind)
                for wrong in outside:
                    with pytest.raises(ConfigError, match=f"'{option}' should be "):
                        Spec(name, {option: str(wrong)}).resolve(TABLES[kind], kind)


def test_values_just_outside_of_the_range_of_a_command_are_refused(cli, schema, run_dir):
    for name, command in schema["commands"].items():
        for option in command["options"].values():
            for value in () if "config" in option else ends(option)[1]:
                words = [*name.split(), option["flags"][0], value]
                if name == "refit":
                    words += ["--prior", "none"]
                done = cli(*words, *["-r", run_dir] * ("run-dir" in command["options"]))
                assert (done.status, done.out) == (2, ""), words


# The rules


def other_value(schema, path):
    """A value of an option of a part that is not its default."""
    kind, name, option = path.split(".")
    described = schema["parts"][kind][name]["options"][option]
    if "enum" in described:
        return next(value for value in described["enum"] if value != described["default"])
    if described["type"] == "boolean":
        return str(not described["default"]).lower()
    return described["default"] + 1 if described["type"] == "integer" else 0.5


def put(choice, path, wanted=None):
    """Set what a name of a rule stands for."""
    kind, _, rest = path.partition(".")
    name, _, option = rest.partition(".")
    if not rest:
        field = choice.schema["config"][path]
        default = True if field["type"] == "boolean" else field.get("examples", [None])[0]
        choice.changes[path] = default if wanted is None else wanted
        return
    choice.changed.add(kind)
    chosen, given = choice.specs[kind]
    given = dict(given) if chosen == name else {}
    if option:
        given[option] = other_value(choice.schema, path) if wanted is None else wanted
    choice.specs[kind] = (name, given)


def broken(schema, rule):
    """Choices that break a rule."""
    if "equal" in rule:
        kinds = [path.partition(".")[0] for path in rule["equal"]]
        if rule["equal"][0].count(".") == 1:
            fact = rule["equal"][0].partition(".")[2]
            tables = [schema["parts"][kind] for kind in kinds]
            firsts = [{part.get(fact): name for name, part in table.items()} for table in tables]
            for (a, first), (b, second) in itertools.product(*(f.items() for f in firsts)):
                if a != b and None not in (a, b):
                    choice = Choice(schema, "vae")
                    put(choice, f"{kinds[0]}.{first}")
                    put(choice, f"{kinds[1]}.{second}")
                    yield choice
        else:
            choice = Choice(schema, "vae")
            for path in rule["equal"]:
                put(choice, path.rpartition(".")[0])
            put(choice, rule["equal"][0])
            yield choice
    for path in rule.get("excludes", []):
        choice = Choice(schema, "vae")
        for needed, wanted in rule.get("requires", {}).items():
            put(choice, needed, wanted)
        put(choice, rule["when"])
        put(choice, path)
        yield choice
    for path in rule.get("requires", {}):
        choice = Choice(schema, "vae")
        for other, wanted in rule["requires"].items():
            if other != path:
                put(choice, other, wanted)
        put(choice, rule["when"])
        if path == "posterior.gaussian":
            put(choice, "posterior.flow")
        yield choice


def test_what_breaks_a_rule_is_refused(schema, accepts):
    for rule in schema["rules"]:
        choices = list(broken(schema, rule))
        assert choices
        for choice in choices:
            assert not choice.follows(rule)
            assert not accepts(choice.words()), (rule, choice.words())


def test_every_preset_follows_the_rules(schema):
    for name in schema["presets"]:
        choice = Choice(schema, name)
        if name != "aae-labels":  # its prior has a component for each class
            assert all(map(choice.follows, schema["rules"])), name

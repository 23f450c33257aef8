"""Makes random `vaecli train` commands from the document of `vaecli schema` alone.

    vaecli schema | python -m tests.tools.random_commands [--count N] [--seed N]

It imports nothing of vaecli, and knows only what the page on machine-readable output says: where
options, presets, parts and rules stand in the document, and the words of JSON Schema.
"""

import argparse
import json
import math
import random
import shlex
import sys

SPAN = 4  # how many times a value may be larger or smaller than the default
MOST_TRIES = 1000


class Choice:
    """Options for a command: a preset, what it sets, and changes.

    Attributes:
        preset: Its name.
        changes: Fields with values other than those of the preset.
        specs: The name and the given options of the part in use, by kind.
        changed: Kinds whose part is changed.
    """

    def __init__(self, schema, preset):
        self.schema = schema
        self.preset = preset
        self.set = dict(schema["presets"][preset]["options"])
        self.changes = {}
        self.specs = {}
        self.changed = set()
        for kind in schema["parts"]:
            spec = self.set.pop(kind, schema["config"][kind]["default"])
            name, _, rest = spec.partition(":")
            self.specs[kind] = (name, dict(item.split("=") for item in rest.split(",") if item))

    def value(self, path):
        """What is set under a name of a rule; None if it is not set or not in use."""
        kind, _, rest = path.partition(".")
        if kind not in self.specs:
            return {**self.set, **self.changes}.get(path)
        name, _, option = rest.partition(".")
        chosen, given = self.specs[kind]
        part = self.schema["parts"][kind][chosen]
        if not option and chosen != name:
            return part.get(name)
        if chosen != name:
            return None
        return given.get(option) if option else name

    def final(self, path):
        """The same with the default of an option that is not given."""
        if self.value(path) is None and path.count(".") == 2:
            kind, name, option = path.split(".")
            if self.specs[kind][0] == name:
                return self.schema["parts"][kind][name]["options"][option]["default"]
        return self.value(path)

    def follows(self, rule):
        """Whether the options follow a rule."""
        if "equal" in rule:
            a, b = map(self.final, rule["equal"])
            return a is None or b is None or same(a, b)
        unless = rule.get("unless")
        if unless and all(same(self.value(path), wanted) for path, wanted in unless.items()):
            return True
        if self.value(rule["when"]) in (None, False):
            return True
        if any(self.value(path) not in (None, False) for path in rule.get("excludes", [])):
            return False
        return all(
            self.value(path) not in (None, False) and wanted in (None, self.value(path))
            for path, wanted in rule.get("requires", {}).items()
        )

    def words(self):
        """The words of the command."""
        options = self.schema["commands"]["train"]["options"]
        words = ["train", options["preset"]["flags"][0], self.preset]
        for kind in sorted(self.changed):
            name, given = self.specs[kind]
            text = ",".join(f"{option}={value}" for option, value in given.items())
            words += [flag(options, kind), f"{name}:{text}" if text else name]
        for field, value in self.changes.items():
            if isinstance(value, bool):
                words.append(flag(options, field, "flags" if value else "off_flags"))
            else:
                words += [flag(options, field), str(value)]
        return words


def same(a, b):
    """Whether two values are the same; those of a spec are text."""
    try:
        return float(a) == float(b)
    except (TypeError, ValueError):
        return a == b


def flag(options, field, which="flags"):
    """The flag of a field of the configuration."""
    (option,) = [option for option in options.values() if option.get("config") == field]
    return option[which][0]


def random_value(option, choose):
    """A value within the range of an option, not far from its default."""
    if "enum" in option:
        return choose.choice(option["enum"])
    if option["type"] == "boolean":
        return not option["default"]
    default = option["default"]
    if default is None:
        return choose.choice(option["examples"])
    least = option.get("minimum", option.get("exclusiveMinimum", -math.inf))
    most = option.get("maximum", option.get("exclusiveMaximum", math.inf))
    low, high = max(least, (default or 1) / SPAN), min(most, (default or 1) * SPAN)
    if option["type"] == "integer":
        return choose.randint(math.ceil(low), math.floor(high))
    return round(choose.uniform(low, high), 6)


def change_part(schema, choose, choice, without):
    """Choose another part, or another value of one of the options of a part in use."""
    kind = choose.choice(sorted(schema["parts"]))
    table = schema["parts"][kind]
    name, given = choice.specs[kind]
    options = {
        option: value
        for option, value in table[name]["options"].items()
        if f"{kind}.{name}.{option}" not in without
    }
    if choose.random() < 0.3 or not options:
        choice.specs[kind] = (choose.choice(sorted(table)), {})
    else:
        option = choose.choice(sorted(options))
        value = random_value(options[option], choose)
        choice.specs[kind] = (name, {**given, option: json.dumps(value).strip('"')})
    choice.changed.add(kind)


def train_command(schema, choose, without=()):
    """The words of a command: a preset, a change of one of its parts, and up to 3 other options.

    Args:
        schema: The document of `vaecli schema`.
        choose: A `random.Random`.
        without: Options to leave as they are, such as `compile` and `prior.mixture.components`.
    """
    plain = [
        option
        for name, option in schema["commands"]["train"]["options"].items()
        if "config" in option and name not in (*without, "preset") and is_plain(option)
    ]
    for _ in range(MOST_TRIES):
        choice = Choice(schema, choose.choice(sorted(schema["presets"])))
        change_part(schema, choose, choice, without)
        for option in choose.sample(plain, choose.randint(0, 3)):
            choice.changes[option["config"]] = random_value(option, choose)
        if all(map(choice.follows, schema["rules"])):
            return choice.words()
    raise RuntimeError("no options follow the rules")


def is_plain(option):
    """Whether an option is a number, a choice, or can be switched on and off."""
    if option["type"] == "boolean":
        return bool(option["off_flags"]) or not option["default"]
    return "enum" in option or option["type"] in ("integer", "number")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    schema = json.load(sys.stdin)
    choose = random.Random(given.seed)
    for _ in range(given.count):
        print(shlex.join(["vaecli", *train_command(schema, choose)]))


if __name__ == "__main__":
    main()

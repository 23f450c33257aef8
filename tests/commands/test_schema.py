"""`vaecli schema` prints what there is, and the same on every machine."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from typer.main import get_command

from tests.json_schema import problems
from tests.tools.random_commands import flag
from vaecli.commands.app import app
from vaecli.terminal.results import RESULTS


def printed(**variables):
    command = [sys.executable, "-m", "vaecli", "schema"]
    environment = {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, env=environment, check=True).stdout


def test_the_document_is_described_by_itself_and_the_same_everywhere(schema, tmp_path):
    assert problems(schema, schema["results"]["schema"]) == []
    places = {"HOME": str(tmp_path), "PYTHONHASHSEED": "1", "LC_ALL": "C", "COLUMNS": "40"}
    text = printed(**places)
    assert json.loads(text) == schema
    assert text.count(b"\n") == 1
    assert str(Path.home()).encode() not in text
    assert str(Path(__file__).parents[2]).encode() not in text


def test_every_command_and_every_visible_option_is_described(schema):
    def commands(group, prefix=""):
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from commands(command, f"{prefix}{name} ")
            else:
                yield f"{prefix}{name}", command

    every = dict(commands(get_command(app)))
    assert list(schema["commands"]) == list(every)
    for name, command in every.items():
        described = schema["commands"][name]
        visible = [p for p in command.params if not p.hidden]
        flags = [p.opts for p in visible if p.param_type_name == "option"]
        assert [option["flags"] for option in described["options"].values()] == flags
        assert list(described["arguments"]) == [
            p.name for p in visible if p.param_type_name == "argument"
        ]
        values = [*described["options"].values(), *described["arguments"].values()]
        assert [v["description"] for v in values] == [
            p.help for p in sorted(visible, key=lambda p: p.param_type_name == "argument")
        ]
        for value in values:
            assert value["type"] in ("string", "integer", "number", "boolean")
            if value["default"] is not None:
                assert not problems(value["default"], {"type": value["type"]})
        assert all(line.startswith(f"vaecli {name}") for line in described["examples"][:1])


def test_every_command_that_prints_a_result_takes_json(schema):
    for name, command in schema["commands"].items():
        assert ("json" in command["options"]) == (name != "schema")
        assert command["results"][0] == name
    named = [result for command in schema["commands"].values() for result in command["results"]]
    assert sorted(named) == sorted(RESULTS) == sorted(schema["results"])


def test_objects_have_no_keys_that_are_not_described(schema):
    described = [*schema["results"].values()]
    for result in schema["results"].values():
        described += result.get("$defs", {}).values()
    assert all(each["additionalProperties"] is False for each in described)


def test_every_option_of_a_part_has_a_type_a_default_and_a_text(schema):
    for kind, table in schema["parts"].items():
        assert f"--{kind.replace('_', '-')}" == flag(schema["commands"]["train"]["options"], kind)
        for part in table.values():
            assert part["summary"]
            for option in part["options"].values():
                assert not problems(option["default"], {"type": option["type"]})
                assert re.fullmatch(r"[A-Z].*\.", option["description"])
                if "enum" in option:
                    assert option["default"] in option["enum"]


def test_a_run_has_the_files_and_columns_of_the_schema(schema, trained):
    files = {str(path.relative_to(trained)) for path in trained.rglob("*") if path.is_file()}
    always = {name.format(1) for name, file in schema["files"].items() if not file["when"]}
    assert always == files - {"samples/epoch-0002.png"}
    head = (trained / "losses.csv").read_text().partition("\n")[0].split(",")
    assert head == [name for name, column in schema["columns"].items() if not column["when"]]

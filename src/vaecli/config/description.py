"""Presets, parts and the fields of `Config` as data: `vaecli schema` and `vaecli parts` print it.

A value is described in the vocabulary of JSON Schema: type, enum, minimum, exclusiveMinimum,
maximum, exclusiveMaximum, default, description. Everything comes from constructors, annotations and
docstrings; under `python -OO` there are no docstrings, and the texts are empty.
"""

import inspect
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter

from ..parts.ranges import Unit
from .build import TABLES
from .catalogue import GLOSSARY_NAME, Named, Part, documentation, find_named, references, summary
from .config import PART_KINDS, Config, OptionHelp
from .glossary import GLOSSARY
from .preset_table import PRESETS
from .spec import Spec, lookup, part_options

Value = dict[str, Any]  # a schema of JSON Schema, with the further key unit

# Attributes of the classes of parts that decide which of them fit together, or what is monitored.
FACTS = ("space", "has_density", "monitor")

FIELD_UNITS = {
    "labels": "images",
    "epochs": "epochs",
    "batch_size": "images",
    "lr_warmup": "fraction",
    "latent_dim": "dimensions",
    "image_size": "pixels",
    "test_fraction": "fraction",
    "train_images": "images",
    "test_images": "images",
    "validation": "images",
    "patience": "epochs",
    "save_every": "epochs",
    "sample_every": "epochs",
}
# Of fields whose default is that they are not set, or whose values are text.
FIELD_EXAMPLES: dict[str, list[Any]] = {
    "labels": [100],
    "latent_dim": [20],
    "data": ["mnist", "fashion-mnist", "photos/", "photos.zip"],
    "image_size": ["64", "48x32"],
    "train_images": [10_000],
    "test_images": [1000],
    "validation": [5000],
    "patience": [10],
    "max_time": ["2h", "1h30m", "45s"],
    "device": ["auto", "cpu", "cuda", "cuda:1", "mps"],
    "threads": [2],
    "save_every": [10],
}


def value_schema(annotation: Any) -> Value:
    """The type and the range of a value; None, which stands for no value, is left out."""
    schema = TypeAdapter(annotation).json_schema()
    for variant in schema.pop("anyOf", []):
        if variant != {"type": "null"}:
            schema |= variant
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    return schema


def describe_field(name: str) -> Value:
    """A field of `Config`: its type, range, default, unit and text."""
    annotation = get_type_hints(Config, include_extras=True)[name]
    default = getattr(Config, name)
    if name in PART_KINDS:
        schema: Value = {"type": "string", "part": name}
        default = str(default)
    else:
        schema = value_schema(annotation)
    if name == "preset":
        schema["enum"] = list(PRESETS)
    schema |= {"default": default, **_with_unit(FIELD_UNITS.get(name, ""))}
    if name in FIELD_EXAMPLES:
        schema["examples"] = FIELD_EXAMPLES[name]
    for note in get_args(annotation):
        if isinstance(note, OptionHelp):
            schema["description"] = note.text
    return schema


def describe_fields() -> dict[str, Value]:
    """Every field of `Config` by name."""
    return {field.name: describe_field(field.name) for field in fields(Config)}


def describe_part(kind: str, name: str) -> dict[str, Any]:
    """A part: what it is, its options and its papers."""
    part = TABLES[kind][name]
    texts = _argument_texts(part)
    options = {
        option: _describe_option(parameter, texts.get(option, ""))
        for option, parameter in part_options(part).items()
    }
    facts = {fact: getattr(part, fact) for fact in FACTS if hasattr(part, fact)}
    return {
        "summary": summary(kind, name),
        "description": _further_text(part),
        "options": options,
        **facts,
        "papers": references(part),
    }


def describe_preset(name: str) -> dict[str, Any]:
    """A preset: the options that it sets, its paper, and where it differs from that."""
    preset = lookup(PRESETS, name, "preset")
    paper = preset.paper
    return {
        "options": {
            option: str(value) if isinstance(value, Spec) else value
            for option, value in preset.changes.items()
        },
        "paper": None if paper is None else {**paper._asdict(), "text": str(paper)},
        "departures": preset.departures,
    }


def describe_parts() -> dict[str, dict[str, dict[str, Any]]]:
    """Every part, by kind and name."""
    return {
        kind: {name: describe_part(kind, name) for name in table} for kind, table in TABLES.items()
    }


def describe_presets() -> dict[str, dict[str, Any]]:
    """Every preset by name."""
    return {name: describe_preset(name) for name in PRESETS}


def describe_named(name: str | None) -> dict[str, Any]:
    """What `vaecli parts NAME` explains: the preset and every part of this name, or the glossary.

    An old name warns (`RenamedWarning`).

    Args:
        name: None for all presets and parts.

    Raises:
        ConfigError: Nothing has this name.
    """
    if name is None:
        return {"presets": describe_presets(), "parts": describe_parts(), "glossary": {}}
    is_glossary = name == GLOSSARY_NAME
    named = Named([], []) if is_glossary else find_named(name)
    return {
        "presets": {preset: describe_preset(preset) for preset in named.presets},
        "parts": {kind: {part: describe_part(kind, part)} for kind, part in named.parts},
        "glossary": GLOSSARY if is_glossary else {},
    }


def _describe_option(parameter: inspect.Parameter, text: str) -> Value:
    schema = value_schema(parameter.annotation)
    schema["default"] = parameter.default
    if get_origin(parameter.annotation) is Annotated:
        for note in get_args(parameter.annotation):
            if isinstance(note, Unit):
                schema |= _with_unit(note.name)
    schema["description"] = text
    return schema


def _with_unit(unit: str) -> Mapping[str, str]:
    return {"unit": unit} if unit else {}


def _argument_texts(part: Part) -> dict[str, str]:
    """The texts under `Args:` in a part's docstring, by option."""
    section = re.search(r"(?m)^Args:\n((?:    .*\n?)+)", documentation(part))
    items = re.split(r"(?m)^    (?=\w+: )", section[1]) if section else []
    named = (" ".join(item.split()).partition(": ") for item in items if item.strip())
    return {name: text for name, _, text in named}


def _further_text(part: Part) -> str:
    """The paragraphs of a part's docstring between its first line and its sections, as one line."""
    body = re.split(r"(?m)^(?:Args|References|Attributes):$", documentation(part))[0]
    return " ".join(body.partition("\n")[2].split())

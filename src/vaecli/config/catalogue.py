"""What parts and presets say of themselves, as text: lists, explanations, glossary.

Options, types and defaults come from the constructors of the parts, sentences from their
docstrings. Under `python -OO` there are no docstrings; the rest remains.
"""

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from textwrap import indent
from typing import Annotated, Any, Literal, get_args, get_origin

from . import aliases
from .build import TABLES
from .glossary import GLOSSARY
from .presets import PRESETS
from .spec import Spec, lookup, part_options

Part = Callable[..., Any]


def overview() -> str:
    """Every preset with its paper, and every part with a sentence."""
    papers = {name: str(preset.paper) for name, preset in PRESETS.items()}
    lines = ["presets, by vaecli train --preset NAME", *_columns(papers)]
    for kind, table in TABLES.items():
        sentences = {name: summary(kind, name) for name in table}
        lines += ["", f"{kind}, by --{kind} NAME:OPTION=VALUE,...", *_columns(sentences)]
    return "\n".join(lines)


def explanation(name: str) -> str:
    """What is known of a preset and of every part of this name; or the glossary.

    An old name warns (`RenamedWarning`).

    Raises:
        ConfigError: Nothing has this name.
    """
    if name == "glossary":
        return glossary()
    name = aliases.current_name(name, PRESETS, aliases.PRESETS, "preset")
    for kind, table in TABLES.items():
        name = aliases.current_name(name, table, aliases.PARTS.get(kind, {}), kind)
    found = []
    if name in PRESETS:
        found.append(_explain_preset(name))
    for kind, table in TABLES.items():
        if name in table:
            found.append(_explain_part(kind, name))
    if not found:
        parts = [part for table in TABLES.values() for part in table]
        lookup(dict.fromkeys([*PRESETS, *parts, "glossary"]), name, "preset or part")
    return "\n\n".join(found)


def glossary() -> str:
    """Every term of the glossary with its meaning."""
    return "\n".join(["glossary", *_columns(GLOSSARY)])


def summary(kind: str, name: str) -> str:
    """The first line of a part's docstring, or its default options where there is none."""
    if documentation := _documentation(TABLES[kind][name]):
        return documentation.partition("\n")[0]
    spec = Spec(name).resolve(TABLES[kind], kind)
    return f"By default {spec}." if spec.options else "Takes no options."


def references(part: Part) -> list[str]:
    """The citations in a part's docstring, one line each."""
    section = re.search(r"(?m)^References:\n((?:    .*\n?)+)", _documentation(part))
    items = re.split(r"\n    (?! )", section[1]) if section else []
    return [" ".join(item.split()) for item in items]


def _documentation(part: Part) -> str:
    """A part's docstring; empty under `python -OO`, where a dataclass makes one up."""
    if sys.flags.optimize >= 2:
        return ""
    return inspect.getdoc(part) or ""


def _columns(table: Mapping[str, str]) -> list[str]:
    width = max(map(len, table))
    return [f"  {name:{width}}  {text}" for name, text in table.items()]


def _explain_preset(name: str) -> str:
    preset = PRESETS[name]
    lines = [f"preset {name}"]
    for option, value in preset.changes.items():
        flag = f"--{option.replace('_', '-')}"
        lines.append(flag if value is True else f"{flag} {value}")
    if not preset.changes:
        lines.append("the defaults")
    return "\n  ".join([*lines, str(preset.paper), preset.paper.url])


def _explain_part(kind: str, name: str) -> str:
    """The part's docstring, with type and default of every option."""
    part = TABLES[kind][name]
    options = {
        option: f"{option} ({_type(parameter.annotation)}, {parameter.default})"
        for option, parameter in part_options(part).items()
    }
    text = _documentation(part)
    if text:
        names = "|".join(options) or "(?!)"
        text = re.sub(rf"(?m)^    ({names}): ", lambda m: f"    {options[m[1]]}: ", text)
    elif options:
        text = "\n".join(["Args:", *(f"    {described}" for described in options.values())])
    return f"{kind} {name}\n{indent(text, '  ')}"


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    return getattr(annotation, "__name__", str(annotation))

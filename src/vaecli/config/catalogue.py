"""What `vaecli parts` prints: lists and explanations of presets and parts, and the glossary.

Options, types and defaults come from the constructors of the parts, sentences from their
docstrings. Under `python -OO` there are no docstrings; the rest remains.
"""

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from textwrap import indent, wrap
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

from . import aliases
from .build import TABLES
from .glossary import GLOSSARY
from .preset import Preset
from .preset_table import PRESETS
from .spec import Spec, lookup, part_options

Part = Callable[..., Any]

GLOSSARY_NAME = "glossary"  # what explains it in place of a part

WIDTH = 100  # characters in a line of the list of presets
NO_BREAK = "\N{NO-BREAK SPACE}"  # keeps an option and its value in one line


def overview() -> str:
    """Every preset with what it sets and its paper in short, and every part with a sentence."""
    settings = {name: _preset_summary(preset) for name, preset in PRESETS.items()}
    lines = ["presets (vaecli train --preset NAME)", *_wrapped_columns(settings)]
    for kind, table in TABLES.items():
        sentences = {name: summary(kind, name) for name in table}
        lines += [
            "",
            f"{kind.replace('_', ' ')} (--{kind.replace('_', '-')} NAME:OPTION=VALUE,...)",
            *_columns(sentences),
        ]
    return "\n".join(lines)


class Named(NamedTuple):
    """What a name stands for.

    Attributes:
        presets: The preset of this name, if there is one.
        parts: The kind and the name of every part.
    """

    presets: list[str]
    parts: list[tuple[str, str]]


def find_named(name: str) -> Named:
    """The preset and every part with this name; neither for "glossary".

    An old name warns (`RenamedWarning`).

    Raises:
        ConfigError: Nothing has this name.
    """
    name = aliases.current_name(name, PRESETS, aliases.PRESETS, "preset")
    for kind, table in TABLES.items():
        name = aliases.current_name(name, table, aliases.PARTS.get(kind, {}), kind)
    presets = [name] if name in PRESETS else []
    parts = [(kind, name) for kind, table in TABLES.items() if name in table]
    if not presets and not parts:
        known = [part for table in TABLES.values() for part in table]
        lookup(dict.fromkeys([*PRESETS, *known, GLOSSARY_NAME]), name, "preset or part")
    return Named(presets, parts)


def explanation(name: str) -> str:
    """The explanation of the preset and of every part with this name; or the glossary.

    An old name warns (`RenamedWarning`).

    Raises:
        ConfigError: Nothing has this name.
    """
    if name == GLOSSARY_NAME:
        return glossary()
    named = find_named(name)
    found = [_explain_preset(preset) for preset in named.presets]
    found += [_explain_part(kind, part) for kind, part in named.parts]
    return "\n\n".join(found)


def glossary() -> str:
    """Every term of the glossary with its meaning."""
    return "\n".join([GLOSSARY_NAME, *_columns(GLOSSARY)])


def summary(kind: str, name: str) -> str:
    """The first line of a part's docstring, or its default options where there is none."""
    if text := documentation(TABLES[kind][name]):
        return text.partition("\n")[0]
    spec = Spec(name).resolve(TABLES[kind], kind)
    return f"By default {spec}." if spec.options else "Takes no options."


def references(part: Part) -> list[str]:
    """The citations in a part's docstring, one line each."""
    section = re.search(r"(?m)^References:\n((?:    .*\n?)+)", documentation(part))
    items = re.split(r"\n    (?! )", section[1]) if section else []
    return [" ".join(item.split()) for item in items]


def documentation(part: Part) -> str:
    """A part's docstring; empty under `python -OO`, where a dataclass makes one up."""
    if sys.flags.optimize >= 2:
        return ""
    return inspect.getdoc(part) or ""


def _columns(table: Mapping[str, str]) -> list[str]:
    width = max(map(len, table))
    return [f"  {name:{width}}  {text}" for name, text in table.items()]


def _wrapped_columns(table: Mapping[str, str]) -> list[str]:
    """The columns in lines of at most WIDTH characters.

    They are broken at spaces other than NO_BREAK, and a longer word after a comma.
    """
    width = max(map(len, table))
    margin = " " * (width + 4)
    lines: list[str] = []
    for name, text in table.items():
        for line in wrap(
            text,
            WIDTH,
            initial_indent=f"  {name:{width}}  ",
            subsequent_indent=margin,
            break_long_words=False,
            break_on_hyphens=False,
        ):
            while len(line) > WIDTH and "," in line[len(margin) : WIDTH]:
                cut = line.rindex(",", 0, WIDTH) + 1
                lines.append(line[:cut])
                line = margin + line[cut:]
            lines.append(line)
    return [line.replace(NO_BREAK, " ") for line in lines]


def flags(changes: Mapping[str, Any]) -> list[str]:
    """Options of a preset as `vaecli train` takes them, such as `--labels 100`."""
    found = []
    for option, value in changes.items():
        flag = f"--{option.replace('_', '-')}"
        found.append(flag if value is True else f"{flag} {value}")
    return found


def _preset_summary(preset: Preset) -> str:
    words = flags(preset.changes) or ["the defaults"]
    if preset.paper is not None:
        words.append(f"({preset.paper.short})")
    return " ".join(word.replace(" ", NO_BREAK) for word in words)


def _explain_preset(name: str) -> str:
    preset = PRESETS[name]
    lines = [f"preset {name}", *flags(preset.changes)]
    if not preset.changes:
        lines.append("the defaults")
    if preset.paper is not None:
        lines += [str(preset.paper), preset.paper.url]
    if preset.departures:
        departures = f"Differs from the paper: {preset.departures}"
        lines += wrap(departures, WIDTH - 2, subsequent_indent="  ", break_on_hyphens=False)
    return "\n  ".join(lines)


def _explain_part(kind: str, name: str) -> str:
    """The part's docstring, with type and default of every option."""
    part = TABLES[kind][name]
    options = {
        option: f"{option} ({_type(parameter.annotation)}, {parameter.default})"
        for option, parameter in part_options(part).items()
    }
    text = documentation(part)
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

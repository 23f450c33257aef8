"""`vaecli parts`."""

import inspect
import re
from collections.abc import Callable, Mapping
from textwrap import indent
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from ..terminal.completion import complete_preset_or_part
from ..terminal.output import print_result as announce_text

EXAMPLES = ["vaecli parts", "vaecli parts iwae", "vaecli parts mlp"]


def parts(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Of a preset or a part.",
            show_default=False,
            autocompletion=complete_preset_or_part,
        ),
    ] = None,
) -> None:
    """List presets and parts, or explain one.

    Options, their types and defaults, and papers are read from the code of the parts.
    """
    from ..config.build import TABLES
    from ..config.presets import PRESETS
    from ..config.spec import lookup

    if name is None:
        announce_text(_overview())
        return
    found = [_explain(kind, name, table[name]) for kind, table in TABLES.items() if name in table]
    if name in PRESETS:
        found.insert(0, _explain_preset(name))
    if not found:
        names = [*PRESETS, *(n for table in TABLES.values() for n in table)]
        lookup(dict.fromkeys(names), name, "preset or part")
    announce_text("\n\n".join(found))


def paper(name: str) -> tuple[str, str]:
    """Title (authors, year) and URL of a preset's paper, from the docstring of a part."""
    from ..config.build import TABLES
    from ..config.presets import PRESETS
    from ..config.presets import config_from_layers as resolve

    config = resolve({"preset": name})
    ours = [table[getattr(config, kind).partition(":")[0]] for kind, table in TABLES.items()]
    others = [part for table in TABLES.values() for part in table.values()]
    for part in (*ours, *others):
        for cited in references(part):
            if match := re.fullmatch(rf"(.*?\)), .*?(http\S*{PRESETS[name].paper})\b.*", cited):
                return match[1], match[2]
    raise LookupError(name)


def references(part: Callable[..., Any]) -> list[str]:
    """What a docstring cites: an item for each line that begins where the section does."""
    section = re.search(r"(?m)^References:\n((?:    .*\n?)+)", inspect.getdoc(part) or "")
    items = re.split(r"\n    (?! )", section[1]) if section else []
    return [" ".join(item.split()) for item in items]


def _overview() -> str:
    from ..config.build import TABLES
    from ..config.presets import PRESETS

    presets = {name: paper(name)[0] for name in PRESETS}
    lines = ["presets, by vaecli train --preset NAME", *_columns(presets)]
    for kind, table in TABLES.items():
        sentences = {name: summary(part) for name, part in table.items()}
        lines += ["", f"{kind}, by --{kind} NAME:OPTION=VALUE,...", *_columns(sentences)]
    return "\n".join(lines)


def _columns(table: Mapping[str, str]) -> list[str]:
    width = max(map(len, table))
    return [f"  {name:{width}}  {text}" for name, text in table.items()]


def summary(part: Callable[..., Any]) -> str:
    """The first line of a part's docstring."""
    return (inspect.getdoc(part) or "").partition("\n")[0]


def _explain(kind: str, name: str, part: Callable[..., Any]) -> str:
    """The part's docstring, with type and default of every option."""
    from ..config.spec import schema

    options = schema(part)

    def describe(argument: re.Match[str]) -> str:
        option = options[argument[1]]
        return f"    {argument[1]} ({_type(option.annotation)}, {option.default}): "

    names = "|".join(options) or "(?!)"
    text = re.sub(rf"(?m)^    ({names}): ", describe, inspect.getdoc(part) or "")
    return f"{kind} {name}\n" + indent(text, "  ")


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    return getattr(annotation, "__name__", str(annotation))


def _explain_preset(name: str) -> str:
    from ..config.presets import PRESETS

    changes = [
        f"--{option.replace('_', '-')}" + ("" if value is True else f" {value}")
        for option, value in PRESETS[name].changes.items()
    ]
    return "\n  ".join([f"preset {name}", *(changes or ["the defaults"]), *paper(name)])

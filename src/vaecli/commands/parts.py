"""`vaecli parts`."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from .options import announce_text

EXAMPLES = ["vaecli parts", "vaecli parts iwae", "vaecli parts mlp"]


def parts(
    name: Annotated[
        str | None, typer.Argument(help="Of a preset or a part.", show_default=False)
    ] = None,
) -> None:
    """List presets and parts, or explain one.

    Options, their types and defaults, and papers are read from the code of the parts.
    """
    from ..build import TABLES as tables
    from ..config import lookup
    from ..presets import PRESETS

    if name is None:
        announce_text(_overview(tables))
        return
    found = [_explain(kind, name, table[name]) for kind, table in tables.items() if name in table]
    if name in PRESETS:
        found.insert(0, _explain_preset(name))
    if not found:
        names = [*PRESETS, *(n for table in tables.values() for n in table)]
        lookup(dict.fromkeys(names), name, "preset or part")
    announce_text("\n\n".join(found))


def _overview(tables: Mapping[str, Mapping[str, Callable[..., Any]]]) -> str:
    from ..presets import PRESETS

    width = max(map(len, PRESETS))
    lines = ["presets, by vaecli train --preset NAME"]
    lines += [
        f"  {name:{width}}  {preset.paper.rsplit(', ', 1)[0]}" for name, preset in PRESETS.items()
    ]
    for kind, table in tables.items():
        width = max(map(len, table))
        lines += ["", f"{kind}, by --{kind} NAME:OPTION=VALUE,..."]
        lines += [f"  {name:{width}}  {_sentence(part)}" for name, part in table.items()]
    return "\n".join(lines)


def _sentence(part: Callable[..., Any]) -> str:
    """The first line of a part's docstring."""
    return (inspect.getdoc(part) or "").partition("\n")[0]


def _explain(kind: str, name: str, part: Callable[..., Any]) -> str:
    lines = [f"{kind} {name}", f"  {_sentence(part)}"]
    if options := list(_options(part)):
        widths = [max(map(len, column)) for column in zip(*options, strict=True)]
        lines += ["", "  options"]
        for row in options:
            cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
            lines.append(("    " + "  ".join(cells)).rstrip())
    if papers := _papers(part):
        lines += ["", "  papers", *(f"    {line}" for line in papers)]
    return "\n".join(lines)


def _options(part: Callable[..., Any]) -> Iterator[tuple[str, str, str, str]]:
    """Name, type, default and meaning of each option."""
    from ..config import schema

    meanings = _arguments(part)
    for name, parameter in schema(part).items():
        yield name, _type(parameter.annotation), f"{parameter.default}", meanings.get(name, "")


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    return getattr(annotation, "__name__", str(annotation))


def _section(part: Callable[..., Any], title: str) -> list[str]:
    """The indented lines under a title of the docstring."""
    lines = (inspect.getdoc(part) or "").splitlines()
    if f"{title}:" not in lines:
        return []
    rest = lines[lines.index(f"{title}:") + 1 :]
    end = next((i for i, line in enumerate(rest) if not line.startswith("    ")), len(rest))
    return [line[4:] for line in rest[:end]]


def _papers(part: Callable[..., Any]) -> list[str]:
    return _section(part, "References")


def _arguments(part: Callable[..., Any]) -> dict[str, str]:
    """What the docstring says of each argument, on one line each."""
    said: dict[str, str] = {}
    last = ""
    for line in _section(part, "Args"):
        if line.startswith(" "):
            said[last] += " " + line.strip()
        else:
            last, _, text = line.partition(": ")
            said[last] = text
    return said


def _explain_preset(name: str) -> str:
    from ..presets import PRESETS

    preset = PRESETS[name]
    changes = [
        f"  --{option.replace('_', '-')} {value}" if value is not True else f"  --{option}"
        for option, value in preset.changes.items()
    ]
    title, url = preset.paper.rsplit(", ", 1)
    return "\n".join([f"preset {name}", *(changes or ["  the defaults"]), f"  {title}", f"  {url}"])

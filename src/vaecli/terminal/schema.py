"""The document of `vaecli schema`: everything that a program must know to use vaecli."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from ..config.description import describe_fields, describe_parts, describe_presets
from ..config.glossary import GLOSSARY
from ..config.rules import RULES
from ..objectives import METRICS
from ..run import history, names
from ..system.version import __version__
from .command_schema import describe_commands, describe_options
from .exit_statuses import EXIT_STATUSES
from .results import RESULTS

if TYPE_CHECKING:
    from .results import Schema

# Incremented when a key of the document changes its meaning or goes; keys may be added.
SCHEMA_VERSION = 1

ENVIRONMENT = {
    "VAECLI_CACHE": "Folder of decoded images. [default: vaecli in the user's cache folder]",
    "VAECLI_DEBUG": "1: print the traceback of a defect of vaecli on stderr.",
}


def schema_document(app: Any) -> "Schema":
    """The document, always in the same order.

    Args:
        app: The command line, a group of commands of typer.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "version": __version__,
        "options": describe_options(app),
        "commands": {
            name: {**command, "results": _results_of(name)}
            for name, command in describe_commands(app)
        },
        "environment": ENVIRONMENT,
        "exit_statuses": {str(status): text for status, text in EXIT_STATUSES.items()},
        "config": describe_fields(),
        "presets": describe_presets(),
        "parts": describe_parts(),
        "rules": [{**rule} for rule in RULES],
        "metrics": {name: metric._asdict() for name, metric in METRICS.items()},
        "columns": dict(_columns()),
        "files": {name: file._asdict() for name, file in names.FILES.items()},
        "results": {name: result_schema(kind) for name, kind in RESULTS.items()},
        "glossary": GLOSSARY,
    }


def result_schema(kind: Any) -> dict[str, Any]:
    """The JSON Schema of a `TypedDict`; its objects have no other keys."""
    schema: dict[str, Any] = _closed(TypeAdapter(kind).json_schema())
    return schema


def _closed(schema: Any) -> Any:
    """The same without the titles that pydantic makes up, and without further keys of objects."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: _closed(value) for name, value in schema.items() if not _is_title(name, value)}
    if isinstance(kept.get("properties"), dict):
        kept.setdefault("additionalProperties", False)
    return kept


def _is_title(name: str, value: Any) -> bool:
    return name == "title" and isinstance(value, str)


def _results_of(command: str) -> list[str]:
    """The names of what a command prints with --json."""
    return [name for name in RESULTS if name.partition(" --")[0] == command]


def _columns() -> Iterable[tuple[str, dict[str, str]]]:
    """Each column of losses.csv with its unit, its meaning, and which tables have it."""
    yield "epoch", {"unit": "epochs", "meaning": "Number of the epoch, from 1.", "when": ""}
    for split in history.SPLITS:
        for name, metric in METRICS.items():
            validated = "with --validation" if split == "valid" else ""
            logged = "" if name in history.TERMS else "if the objective logs it"
            when = ", ".join(filter(None, [validated, logged]))
            yield f"{split}_{name}", {**metric._asdict(), "when": when}
    for name in history.SECONDS:
        yield name, {"unit": "seconds", "meaning": history.SECONDS[name], "when": ""}

"""`vaecli schema`."""

import typer

EXAMPLES = ["vaecli schema", "vaecli schema > schema.json"]


def schema(context: typer.Context) -> None:
    """Print options, parts and results as one JSON document.

    It has every command with its options, presets, parts with their options and ranges, exit
    statuses, files and columns of a run, and the JSON Schema of what --json prints: all that a
    program needs to use vaecli. The document is the same on all machines.
    """
    from ..terminal.output import print_json
    from ..terminal.schema import schema_document

    print_json(schema_document(context.find_root().command))

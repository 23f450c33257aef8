"""`vaecli parts`."""

from typing import Annotated

import typer

from ..terminal.completion import complete_preset_or_part
from ..terminal.options import AsJson

EXAMPLES = ["vaecli parts", "vaecli parts iwae", "vaecli parts mlp", "vaecli parts glossary"]


def parts(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Preset or part to explain, or glossary.",
            metavar="NAME",
            show_default=False,
            autocompletion=complete_preset_or_part,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List presets and parts, explain one, or print the glossary.

    Each option of a part is shown as: name (type, default).
    """
    from ..config import catalogue, description
    from ..terminal.output import print_json, print_result

    if as_json:
        print_json(description.describe_named(name))
    elif name is None:
        print_result(catalogue.overview())
    else:
        print_result(catalogue.explanation(name))

"""`vaecli parts`."""

from typing import Annotated

import typer

from .options import announce_text

EXAMPLES = ["vaecli parts", "vaecli parts iwae", "vaecli parts mlp", "vaecli parts glossary"]


def parts(
    name: Annotated[
        str | None,
        typer.Argument(help="Name of a preset or a part, or glossary.", show_default=False),
    ] = None,
) -> None:
    """List presets and parts, explain one, or print the glossary.

    Options, their types and their defaults are read from the code of the parts.
    """
    from ..config import catalogue

    announce_text(catalogue.overview() if name is None else catalogue.explanation(name))

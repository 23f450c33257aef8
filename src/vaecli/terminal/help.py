"""Help texts: options in groups, examples at the end."""

import re
from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand


class GroupedCommand(TyperCommand):
    """A command whose help shows its options in groups, in the order in which they first appear.

    An option names its group as `rich_help_panel`; those without one stand under "Options".
    """

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and options of the command."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            title = getattr(parameter, "rich_help_panel", None) or "Options"
            if parameter.param_type_name == "argument":
                title = "Arguments"
            groups.setdefault(title, []).append(_tidy(*record))
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)


def _tidy(names: str, text: str) -> tuple[str, str]:
    """The names and the text of an option in the notation of all help pages.

    Choices are shown as `a|b`, without angle brackets, and no other type. Ranges such as `[x>=1]`
    are left out: the text says a range where the reader needs it.
    """
    names = re.sub(r"<(.+\|.+)>$", r"\1", names)
    names = re.sub(r" <\w+>$", "", names)
    text = re.sub(
        r"(; |  \[)(\d+<=?)?x[<>]=?\d+\]$", lambda range: "]" if range[1] == "; " else "", text
    )
    return names, text.replace("  [", " [")


def examples(commands: Sequence[str]) -> str:
    """The end of a help text, with examples."""
    return "\b\nExamples:\n" + "\n".join(f"  {command}" for command in commands)

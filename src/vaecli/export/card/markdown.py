"""Markdown in which no text of a user has a meaning of its own."""

import re
from collections.abc import Iterable, Sequence

from ...system.text import shorten

MAX_CHARACTERS = 80  # of a user's text
# What may begin a mark, a tag, an entity, a link, a formula or a mention, inside a line.
SPECIAL = "\\`*_{}[]<>()#|~$&:@!^=."
OWN_SPECIAL = "\\`*_[]<>|~$&"  # the same in sentences of vaecli
PLAIN = r"[\w./,:= +-]*[\w./]"  # text that a code span shows as it is, also in a table


def escape(text: str) -> str:
    """Text of a user in one line, of at most `MAX_CHARACTERS`, that a viewer shows as it is.

    It must not stand at the beginning of a line, where a dash would begin a list.
    """
    return _escape(shorten(text, MAX_CHARACTERS), SPECIAL)


def _escape(text: str, marks: str) -> str:
    return "".join(f"\\{c}" if c in marks else c for c in text)


def code(text: str) -> str:
    """The text as a code span; as plain text if it has marks, which a code span cannot escape."""
    if len(text) <= MAX_CHARACTERS and re.fullmatch(PLAIN, text):
        return f"`{text}`"
    return escape(text)


def prose(text: str) -> str:
    """Text of vaecli, such as the summary of a part, whose code spans and URLs stay."""
    pieces = re.split(r"(`[^`|]*`|https?://[^\s,]+)", text)
    for number, piece in enumerate(pieces):
        if number % 2 == 0:
            pieces[number] = _escape(piece, OWN_SPECIAL)
        elif piece[0] != "`":
            pieces[number] = f"<{piece}>"
    return "".join(pieces)


def counted(number: int, what: str) -> str:
    """Such as `1 epoch` and `2,000 epochs`."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def rounded(value: float) -> str:
    """A figure with two decimals, or with four digits if it is small."""
    return f"{value:,.2f}" if abs(value) >= 10 else f"{value:.4g}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def bullets(items: Iterable[str]) -> str:
    """A list of items that are Markdown."""
    return "\n".join(f"- {item}" for item in items)


def fence(language: str, lines: Sequence[str]) -> str:
    """A block of code; none of its lines may begin with a fence."""
    return "\n".join([f"```{language}", *lines, "```"])

"""Text made safe to show and to record."""

import re
import unicodedata

JOINERS = "\u200c\u200d"  # inside words of some scripts, and inside emoji


def escape_controls(text: str) -> str:
    r"""The text with its control characters written as in Python, such as `\x1b`.

    A name of a file or a value in one could otherwise move the cursor, hide text or turn its
    direction. Newlines and tabs are kept.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(character) for character in text)


def _escape(character: str) -> str:
    is_control = unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp")
    if not is_control or character in "\n\t" or character in JOINERS:
        return character
    return character.encode("unicode_escape").decode()


def shorten(text: str, most: int) -> str:
    """The text in one line of at most `most` characters; an ellipsis stands for what is left out.

    Its control characters are escaped as in `escape_controls`, and of white space one blank stays.
    """
    line = escape_controls(" ".join(text.split()))
    if len(line) <= most:
        return line
    return line[: most - 1].rstrip() + "…"


def without_passwords(text: str) -> str:
    """The text with three asterisks for the password of a URL in it, such as `db://me:***@host`."""
    text = re.sub(r"(://[^:/@]*:).*@", r"\1***@", text)
    return re.sub(r"([?&](?:password|passwd|pwd)=)[^&]*", r"\1***", text)

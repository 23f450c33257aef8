"""Control characters in what is shown."""

import pytest

from vaecli.system.text import escape_controls


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\rb", r"a\rb"),
        ("a\x07\x00\x7fb", r"a\x07\x00\x7fb"),
        ("a\x9b31mb", r"a\x9b31mb"),  # an escape of one character, of C1
        ("a\u202eb\u2066c\u200f", r"a\u202eb\u2066c\u200f"),  # they turn the direction of text
        ("a\u2028b\u2029\x85", r"a\u2028b\u2029\x85"),  # line ends
        ("a\ufeffb\u200b", r"a\ufeffb\u200b"),  # invisible
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_control_characters_are_written_out(text, shown):
    assert escape_controls(text) == shown


@pytest.mark.parametrize(
    "text", ["", "plain", "two\nlines\tand a tab", "größe 日本 👩\u200d🔬 β", r"\x1b"]
)
def test_any_other_text_stays_as_it_is(text):
    assert escape_controls(text) == text

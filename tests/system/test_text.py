"""What is shown or recorded: control characters in it, and passwords."""

import pytest

from vaecli.system.text import escape_controls, without_passwords


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:p4ss@host/db", "postgresql://me:***@host/db"),
        (
            "--storage=mysql+pymysql://me:p@s/s:x@host:1/db",
            "--storage=mysql+pymysql://me:***@host:1/db",
        ),
        ("redis://:p4ss@host", "redis://:***@host"),
        ("mysql://host/db?user=me&password=p4ss&a=1", "mysql://host/db?user=me&password=***&a=1"),
    ],
)
def test_a_password_in_a_url_is_hidden(text, shown):
    assert without_passwords(text) == shown


@pytest.mark.parametrize("text", ["sqlite:///me@home/x.db", "db://me@host/x", "lr=1..2", "a:b@c"])
def test_text_without_a_password_stays_as_it_is(text):
    assert without_passwords(text) == text

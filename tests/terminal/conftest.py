"""A stderr that is a terminal."""

import io
import sys

import pytest


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def on_terminal(monkeypatch):
    """Let stderr be a terminal of 80 columns from now on: `shown = on_terminal()`."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)

    def start():
        monkeypatch.setattr(sys, "stderr", Terminal())
        return sys.stderr

    return start

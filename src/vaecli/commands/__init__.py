"""The commands: a module each, with a signature, one call and what is printed.

Importing this room imports neither torch nor matplotlib nor pydantic: `--help` must not wait for
them. A command imports the rooms that it calls at the head of its body.
"""

from .app import app, main

__all__ = ["app", "main"]

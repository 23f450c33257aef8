"""The commands, one module each: a signature, one call, and what is printed.

Importing this package imports neither torch nor matplotlib nor pydantic: `--help` must not wait for
them. A command imports the packages that it calls at the head of its body.
"""

from .app import app, main

__all__ = ["app", "main"]

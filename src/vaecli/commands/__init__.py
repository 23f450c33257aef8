"""The commands, one module each: a signature, one call, and what is printed.

Importing the commands imports neither torch nor matplotlib nor pydantic: `--help` must not wait for
them. A command imports the packages that it calls at the head of its body.
"""

from ..terminal.process import prepare_process


def main() -> None:
    """Run the command line, and exit with its status."""
    prepare_process()  # before the imports that take time
    from .app import run

    run()

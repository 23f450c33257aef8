"""`python -m vaecli`."""

from .commands import main

main()

"""Whole training runs, from the choice of a new or old run to its last picture.

Generators yield steps, epochs and notices. Nothing here prints; `terminal` does."""

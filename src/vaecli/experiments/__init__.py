"""Trainings as a whole, from the choice of a run to its last picture.

Functions and generators that yield what happens. Nothing here prints: `terminal` does."""

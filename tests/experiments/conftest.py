"""What makes trainings quick whose files are looked at, but not how they reach the disk."""

import os

import pytest

from vaecli.pictures.run_pictures import RunPictures


@pytest.fixture
def quick(monkeypatch):
    """Nothing waits for a disk, and the plot of the losses, which is slow, is not drawn."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    monkeypatch.setattr(RunPictures, "_plot_losses", lambda pictures: b"a plot")

"""What makes studies quick: nothing waits for a disk, and runs have no pictures."""

import os
from types import SimpleNamespace

import pytest

from vaecli.experiments.tune import worker
from vaecli.pictures.run_pictures import RunPictures


@pytest.fixture(scope="package", autouse=True)
def bare():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        patch.setattr(RunPictures, "_save", lambda pictures, wanted: [])
        yield


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """A worker that waits for a trial that nobody trains fails, and does not hang."""
    waits = []

    def wait(seconds):
        waits.append(seconds)
        assert len(waits) < 100, "the worker waits for ever"

    monkeypatch.setattr(worker, "time", SimpleNamespace(sleep=wait))

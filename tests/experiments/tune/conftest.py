"""What makes studies quick: nothing waits for a disk, and runs have no pictures."""

import os

import pytest

from vaecli.pictures.run_pictures import RunPictures


@pytest.fixture(scope="package", autouse=True)
def bare():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        patch.setattr(RunPictures, "_save", lambda pictures, wanted: [])
        yield

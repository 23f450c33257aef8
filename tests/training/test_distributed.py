"""Several processes that share every batch train what one process does, but for rounding."""

import pytest

from tests.together import run_together
from tests.training.sharing_cases import MAIN, OPTIONS, presets

TOLERANCE = 1e-8  # relative, in double precision, after 20 steps


def too_far(cases, count, folder):
    """The cases in which `count` processes train something else than one."""
    (worst, *_) = run_together("tests.training.sharing:compare", count, folder, cases)
    assert list(worst) == list(cases)
    return {name: result for name, result in worst.items() if not result[0] <= TOLERANCE}


def test_two_processes_train_what_one_does(tmp_path):
    every = presets()
    assert too_far({name: every[name] for name in MAIN}, 2, tmp_path) == {}


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_several_processes_train_what_one_does_with_every_preset(count, tmp_path):
    assert too_far(presets(), count, tmp_path) == {}


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_several_processes_train_what_one_does_with_what_couples_a_batch(count, tmp_path):
    assert too_far(OPTIONS, count, tmp_path) == {}

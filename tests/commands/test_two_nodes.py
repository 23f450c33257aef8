"""Two agents of torchrun, as on two machines; the second has no access to the run directory."""

import pytest

from tests.benchmarks.two_nodes import lose_a_node, rehearse
from tests.conftest import TINY

pytestmark = pytest.mark.slow


def test_two_machines_train_evaluate_and_embed_as_one_process(digits, tmp_path):
    options = ("--data-dir", digits, *TINY, "--epochs", 2)
    assert len(rehearse(tmp_path / "rehearsal", 1, options)) == 2


@pytest.mark.parametrize("lost", ["agent", "machine"])
def test_if_a_machine_is_lost_the_other_ends_and_its_checkpoint_is_resumed(digits, tmp_path, lost):
    options = ("--data-dir", digits, *TINY)
    lines = lose_a_node(tmp_path / "loss", options, lost)
    assert "Stopped by SIGTERM" in lines[0] or "another process" in lines[0]

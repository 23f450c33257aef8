"""What the command says and which status it has when one of its processes has failed."""

import signal
import sys
from pathlib import Path

import pytest
from torch.distributed.elastic.multiprocessing import ProcessFailure

from vaecli.system.errors import ConfigError, VaecliError
from vaecli.system.launcher import ADVICE, _serve_store, _status, launch

KILLED = "Process {} was ended by SIGKILL, as when memory runs out."
LOST = 6  # a process that has lost another one


@pytest.fixture
def store():
    return _serve_store()


def failures(*codes):
    """Processes that ended in this order, each a pair of its number and its exit code."""
    return {n: ProcessFailure(n, pid=0, exitcode=code, error_file="") for n, code in codes}


@pytest.mark.parametrize(
    ("codes", "received", "status"),
    [
        ((), [], 0),
        (((1, -9),), [], 0),  # process 0 had done all
        (((0, 2), (1, 2)), [], 2),
        (((1, 3), (0, 3)), [], 3),
        (((0, 5), (1, -15)), [], 5),
        (((0, 130), (1, 130)), [signal.SIGINT], 130),
        (((1, 130), (0, LOST)), [signal.SIGINT], 130),
        (((1, 130), (0, -15)), [signal.SIGINT], 130),
        (((0, 143), (1, -15)), [], 143),
    ],
)
def test_the_status_is_that_of_process_0_which_says_why(store, codes, received, status):
    assert _status(failures(*codes), received, store) == status


@pytest.mark.parametrize(
    ("codes", "status", "text"),
    [
        (((1, -9), (0, LOST)), 137, KILLED.format(1)),
        (((0, LOST), (1, -11)), 139, "Process 1 was ended by SIGSEGV."),
        (((0, -9), (1, LOST)), 137, KILLED.format(0)),
        (((2, -9), (0, -15), (1, -15)), 137, KILLED.format(2)),
        (((1, -15), (0, -15)), 143, "Process 1 was ended by SIGTERM."),
        (((1, 1), (0, -15)), 1, "Process 1 has failed."),
    ],
)
def test_a_process_that_cannot_speak_is_named_with_what_to_do(store, codes, status, text):
    for advice in ("", "Resume it."):
        if advice:
            store.set(ADVICE, advice)
        with pytest.raises(VaecliError) as caught:
            _status(failures(*codes), [], store)
        assert caught.value.status == status
        assert str(caught.value) == f"{text} {advice}".strip()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_only_this_machine_reaches_the_table_of_the_processes(store):
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            if local.endswith(f":{store.port:04X}") and state == "0A":
                listening.append(local)
    assert listening == [f"0100007F:{store.port:04X}"]  # 127.0.0.1, in the order of its bytes


def test_more_processes_than_four_a_core_are_refused_before_any_starts():
    with pytest.raises(ConfigError, match=r"^devices=100000: at most \d+ on this machine"):
        launch(100_000)

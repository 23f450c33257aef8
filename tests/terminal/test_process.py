"""Standard streams that are closed, and Ctrl-C while modules are imported."""

import os
import signal
import subprocess
import sys

import pytest

from tests.processes import posix
from vaecli.terminal import process

pytestmark = posix

PREPARED = """
import os, sys
from vaecli.terminal.process import prepare_process
prepare_process()
"""


def child(code, redirection=""):
    script = f'"$@" {redirection}'
    command = ["bash", "-c", script, "bash", sys.executable, "-c", PREPARED + code]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_no_file_gets_the_number_of_a_closed_stream(tmp_path, number):
    path = tmp_path / "number"
    code = f"file = open({str(path)!r}, 'w'); file.write(str(file.fileno()))"
    assert child(code, f"{number}>&-").returncode == 0
    assert int(path.read_text()) > 2


def test_what_goes_to_a_closed_stderr_goes_nowhere(tmp_path):
    code = "print('gr\\xf6\\xdfe \\udcff', file=sys.stderr); os.write(2, b'raw'); print('result')"
    done = child(code, "2>&-")
    assert (done.returncode, done.stdout) == (0, "result\n")


@pytest.fixture
def interrupt():
    """The handler of SIGINT in this process, which gets back its own after the test."""
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    process.prepare_process()
    yield signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, old)


def test_an_interrupt_raises_as_ever(interrupt):
    assert interrupt is not signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("name", ["module", "has_begun"])
def test_in_an_import_it_ends_the_process_unless_training_has_begun(
    interrupt, tmp_path, monkeypatch, name
):
    """Compiled modules may abort if Python raises in them; what was written must be cleaned up."""
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    (tmp_path / f"interrupted_{name}.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    where = {"__name__": "vaecli.experiments.train" if name == "has_begun" else "vaecli.terminal"}
    with pytest.raises(KeyboardInterrupt):
        exec(f"import interrupted_{name}", where)
    assert ended == ([] if name == "has_begun" else [130])


def test_an_ignored_interrupt_stays_ignored():
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.prepare_process()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, old)

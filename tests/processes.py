"""The command line in processes of its own, and what must hold after each fault."""

import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Outcome

PATIENCE = 300  # seconds until a process counts as hanging, even on a busy machine

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals and terminals")

# As a shell starts it: the process that runs the tests may ignore signals, and children inherit it.
FRESH = """
import signal
for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    signal.signal(getattr(signal, name), signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
from vaecli.commands import main
main()
"""

WITHOUT_TORCH = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision"):
            raise ImportError(f"{name} is not to be imported")
sys.meta_path.insert(0, Refuse())
sys.argv = ["vaecli", *sys.argv[1:]]
from vaecli.commands import main
main()
"""

# The training loop pauses after every batch and epoch, as on a slow machine.
SLOW = """
import time
from vaecli.experiments import train
def slow(*arguments, fit=train.fit):
    for event in fit(*arguments):
        yield event
        time.sleep({seconds})
train.fit = slow
"""

# A session of its own has no controlling terminal yet: with one, Ctrl-C and a hang-up are signals.
CONTROLLED = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
"""


def begin(*arguments: object, fault: str = "", **options: Any) -> subprocess.Popen[str]:
    """The command line in a process of its own, after the code `fault`."""
    command = [sys.executable, "-c", fault + FRESH, *map(str, arguments)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(command, start_new_session=True, encoding="utf-8", **streams)


def end(process: subprocess.Popen[str]) -> Outcome:
    """The status of a process that ends, and what it printed."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return Outcome(process.returncode, out or "", err or "")


def run_process(*arguments: object, fault: str = "", **options: Any) -> Outcome:
    """The command line in a process of its own, after the code `fault`, to its end."""
    return end(begin(*arguments, fault=fault, **options))


def run_without_torch(*arguments: object) -> Outcome:
    """The command line in a process in which importing torch fails."""
    command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    return Outcome(done.returncode, done.stdout, done.stderr)


def wait_for(path: Path) -> None:
    """Wait until a file exists."""
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)


def assert_clean(
    done: Outcome, folder: Path, result: str = "", old: dict[Path, bytes] | None = None
) -> None:
    """No traceback, nothing on stdout but the result, nothing half written, old files unchanged."""
    assert "Traceback" not in done.err
    assert "Exception ignored" not in done.err
    assert done.out == result
    assert not list(folder.rglob(".tmp-*"))
    for path, content in (old or {}).items():
        assert path.read_bytes() == content, path


def assert_refused(
    done: Outcome, status: int, folder: Path, old: dict[Path, bytes] | None = None
) -> None:
    """As `assert_clean`, with an error of ours in a line or two."""
    assert done.status == status, done.err
    assert done.err.startswith("Error: "), done.err
    assert len(done.err.splitlines()) <= 2
    assert_clean(done, folder, old=old)


def plain(shown: str) -> str:
    """What a terminal shows, without colours and cursor movements."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", shown)


def epoch_lines(text: str) -> list[str]:
    """The first cells of the lines of the table of epochs, such as 1/3."""
    return re.findall(r" (\d+/\d+)(?: +\d+\.\d+){7}", text)


def assert_cursor_is_back(shown: str) -> None:
    """The cursor was hidden, and shown as often."""
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") > 0


class Terminal:
    """The command line on a terminal of its own, of 80 columns unless `environment` says so."""

    def __init__(self, *arguments: object, fault: str = "", **environment: str) -> None:
        import pty

        self.master, slave = pty.openpty()
        surroundings = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **environment}
        streams = {"stdin": slave, "stdout": slave, "stderr": slave}
        self.process = begin(*arguments, fault=CONTROLLED + fault, env=surroundings, **streams)
        os.close(slave)
        self.shown = b""

    def press(self, key: bytes) -> None:
        os.write(self.master, key)

    def hang_up(self) -> None:
        os.close(self.master)

    def read(self) -> str:
        """Everything that is shown until the process ends."""
        deadline = time.monotonic() + PATIENCE
        while select.select([self.master], [], [], deadline - time.monotonic())[0]:
            try:
                self.shown += os.read(self.master, 65536)
            except OSError:  # the other end is closed
                break
        os.close(self.master)
        return self.shown.decode()

    def end(self) -> tuple[int, str]:
        """The status, and everything that was shown."""
        shown = self.read()
        return end(self.process).status, shown

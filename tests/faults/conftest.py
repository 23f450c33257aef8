"""Processes to hurt, and what must hold after every fault."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from tests.commands.test_process import FRESH
from tests.conftest import Outcome

PATIENCE = 60  # seconds until a process counts as hanging


def contents(folder: Path) -> dict[Path, bytes]:
    """Every file in a folder and below."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_clean(done, folder, result="", old=None):
    """No traceback, nothing on stdout but the result, nothing half written, old files as before."""
    assert "Traceback" not in done.err
    assert "Exception ignored" not in done.err
    assert done.out == result
    assert not list(folder.rglob(".tmp-*"))
    for path, content in (old or {}).items():
        assert path.read_bytes() == content, path


def assert_refused(done, status, folder, old=None):
    """The same, with one of our errors in a line or two."""
    assert (done.status, done.err[:7]) == (status, "Error: "), done.err
    assert len(done.err.splitlines()) <= 2
    assert_clean(done, folder, old=old)


def begin(*arguments, fault="", **options):
    """The command line in a process of its own, after the code `fault`."""
    command = [sys.executable, "-c", fault + FRESH, *map(str, arguments)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(command, start_new_session=True, encoding="utf-8", **streams)


def end(process) -> Outcome:
    """What a process printed, and its status."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return Outcome(process.returncode, out or "", err or "")


def hurt(*arguments, fault="", **options) -> Outcome:
    return end(begin(*arguments, fault=fault, **options))


def plain(shown: str) -> str:
    """What a terminal shows, without its colours and the moves of its cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", shown)


def lines_of_epochs(text: str) -> list[str]:
    """The rows of the table of epochs, by the number they begin with."""
    return re.findall(r" (\d+/\d+)(?: +\d+\.\d+){7}", text)


# A session of its own has no controlling terminal yet: with one, Ctrl-C and a hang-up are signals.
CONTROLLED = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
"""


class Terminal:
    """The command line on a terminal of its own, of 80 columns unless `environment` says so."""

    def __init__(self, *arguments, fault="", **environment):
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
        import select

        until = time.monotonic() + PATIENCE
        while select.select([self.master], [], [], until - time.monotonic())[0]:
            try:
                self.shown += os.read(self.master, 65536)
            except OSError:  # nobody holds the other end
                break
        os.close(self.master)
        return self.shown.decode()

    def end(self) -> tuple[int, str]:
        """The status, and everything that was shown."""
        shown = self.read()
        return end(self.process).status, shown


# Code for a child: the loop pauses after every batch and epoch, as on a slow machine.
SLOW = """
import time
from vaecli.training import loop
def slow(*arguments, fit=loop.fit):
    for event in fit(*arguments):
        yield event
        time.sleep({seconds})
loop.fit = slow
"""

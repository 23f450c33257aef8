"""Dies at every single change of the disk while it replaces a run, and then while it recovers.

A program of its own: it forks, which a process that used torch must not. It prints how many deaths
it died and how many of them gave the old run back.
"""

import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from vaecli.config.config import Config
from vaecli.run import names
from vaecli.run.create import make_run, new_run
from vaecli.run.replace import delete_replaced, recover

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree")
DIED = 9


def dies(number: int, work: Callable[[], None]) -> bool:
    """Whether a child dies right before its change of the disk with this number."""
    child = os.fork()
    if child == 0:
        left = number

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            writes = event == "open" and arguments[1] is not None and str(arguments[1]) != "rb"
            left -= event in CHANGES or writes
            if left == 0:
                os._exit(DIED)

        sys.addaudithook(count)
        work()
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, DIED), status
    return status == DIED


def contents(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def replace_run(run: Path) -> None:
    with new_run(Config(epochs=7), run, overwrite=True) as new:
        (run / names.LOG).write_text("epoch 1")
        new.checkpoint.write_bytes(b"new")
        delete_replaced(run)
        (run / names.LOSSES).write_text("epoch 1")


def fail_to_start(run: Path) -> None:
    try:
        with new_run(Config(epochs=7), run, overwrite=True):
            raise MemoryError
    except MemoryError:
        pass


def die_everywhere(work: Callable[[Path], None]) -> tuple[int, int]:
    """How many deaths there were, and how many of them gave the old run back."""
    deaths, restored, first = 0, 0, 0
    while True:
        first += 1
        died_again = True
        second = 0
        while died_again:  # until recovering survives
            second += 1
            folder = Path(tempfile.mkdtemp())
            run = make_run(Config(epochs=3), folder / "run").folder
            (run / names.CHECKPOINT).write_bytes(b"old")
            old = contents(run)
            if not dies(first, lambda run=run: work(run)):
                shutil.rmtree(folder)
                return deaths, restored
            has_new = contents(run).get(names.CHECKPOINT) == b"new"
            died_again = dies(second, lambda run=run: recover(run))
            recover(run)
            found = contents(run)
            found.pop(names.LOCK, None)  # free, although a process that was killed left it
            assert os.listdir(folder) == ["run"], (first, second)
            assert found[names.CHECKPOINT] == (b"new" if has_new else b"old"), (first, second)
            assert has_new or found == old, (first, second)
            shutil.rmtree(folder)
            deaths += 1
            restored += not has_new


os.fsync = lambda handle: None  # slow, and of use only if the machine dies
warnings.simplefilter("ignore")
for work in (replace_run, fail_to_start):
    print(*die_everywhere(work))

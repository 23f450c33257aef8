"""The journal of a study survives its writers."""

import multiprocessing
import time

import optuna
import pytest
from optuna.storages.journal import JournalStorage

from vaecli.experiments.tune.locks import JournalLock, claim, journal_backend


def storage(journal):
    return JournalStorage(journal_backend(journal))


@pytest.fixture
def study(tmp_path):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(storage=storage(tmp_path / "journal.log"), study_name="s")


def read_again(tmp_path):
    return optuna.load_study(study_name="s", storage=storage(tmp_path / "journal.log"))


@pytest.mark.parametrize("left", [b"", b"{", b'{"op_code":4,"worker', b'{"op_code":4}'])
def test_a_line_that_a_killed_process_left_unfinished_is_cut(study, tmp_path, left):
    study.tell(study.ask(), 1.0)
    with (tmp_path / "journal.log").open("ab") as journal:
        journal.write(left)
    other = read_again(tmp_path)
    other.tell(other.ask(), 2.0)
    assert [trial.value for trial in study.trials] == [1.0, 2.0]
    assert [trial.value for trial in read_again(tmp_path).trials] == [1.0, 2.0]


def hold(journal, is_held):
    JournalLock(journal).acquire()
    is_held.set()
    time.sleep(60)


def test_the_lock_of_a_killed_process_is_free_at_once(study, tmp_path):
    processes = multiprocessing.get_context("spawn")
    is_held = processes.Event()
    holder = processes.Process(target=hold, args=(tmp_path / "journal.log", is_held))
    holder.start()
    assert is_held.wait(60)
    holder.kill()
    holder.join()
    began = time.monotonic()
    study.tell(study.ask(), 1.0)
    assert time.monotonic() - began < 5  # Optuna's own locks wait for 30 seconds


def test_a_trial_is_claimed_once(tmp_path):
    lock = claim(tmp_path, 3)
    assert lock is not None
    assert claim(tmp_path, 3) is None
    other = claim(tmp_path, 4)
    assert other is not None
    lock.release()
    assert claim(tmp_path, 3) is not None

"""Requests to stop: signals and --max-time."""

import os
import signal
import time

import pytest

import vaecli
from tests.processes import posix
from vaecli.experiments import stopping
from vaecli.experiments.stopping import StopRequest
from vaecli.system.errors import Interrupted

pytestmark = posix


@pytest.fixture(autouse=True)
def handlers():
    """The handlers of a shell's child, and what was there before afterwards."""
    before = {n: signal.getsignal(getattr(signal, n)) for n in stopping.NAMES}
    for name in before:
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    yield
    for name, handler in before.items():
        signal.signal(getattr(signal, name), handler)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_the_first_signal_is_noted_and_a_second_acts_at_once(name):
    number = getattr(signal, name)
    with StopRequest(vaecli.Config()) as stop:
        assert not stop.is_due()
        stop.raise_signal("Resume it.")
        os.kill(os.getpid(), number)
        assert stop.is_due()
        assert stop.signal is number
        assert signal.getsignal(number) is signal.SIG_DFL
        with pytest.raises(Interrupted, match=rf"^Stopped by {name}\. Resume it\.$") as caught:
            stop.raise_signal("Resume it.")
    assert caught.value.status == 128 + number


def test_handlers_are_restored_at_the_end():
    def mine(number, frame):
        pass

    signal.signal(signal.SIGTERM, mine)
    with StopRequest(vaecli.Config()):
        assert signal.getsignal(signal.SIGTERM) is not mine
    assert signal.getsignal(signal.SIGTERM) is mine


def test_a_signal_that_was_ignored_stays_ignored():
    """As SIGHUP is under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopRequest(vaecli.Config()) as stop:
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.signal is signal.SIGTERM
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_the_time_limit_counts_from_the_start(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    stop = StopRequest(vaecli.Config(max_time="1m"))
    now[0] += 59.9
    assert not stop.is_due()
    now[0] += 0.2
    assert stop.is_due()
    assert stop.is_time_over()
    stop.raise_signal("The time limit is no signal.")


def test_without_a_limit_time_is_never_over(monkeypatch):
    stop = StopRequest(vaecli.Config())
    monkeypatch.setattr(time, "monotonic", lambda: 1e12)
    assert not stop.is_due()

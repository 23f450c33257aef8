"""Streams that are files, pipes, closed or gone, and terminals that can do little."""

import os
import re
import subprocess
import sys

import pytest

from tests.processes import FRESH, PATIENCE, Terminal, epoch_lines, plain, posix, run_process
from tests.runs import arguments, record

EPOCHS = 3
POOR = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "COLUMNS": "20", "GITHUB_ACTIONS": "true"}
COLOR = re.compile(r"\x1b\[[0-9;]*m")


def shell(script, *line, **options):
    """A script whose "$@" is the command line."""
    command = ["bash", "-c", script, "bash", sys.executable, "-c", FRESH, *map(str, line)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, **options)


def assert_trained(run):
    found = record(run)
    assert (found["status"], found["epochs_done"]) == ("completed", EPOCHS)
    assert not list(run.rglob(".tmp-*"))


@posix
@pytest.mark.parametrize(
    ("redirection", "shown"), [("2>&-", ""), ("<&- >&- 2>&-", ""), (">&-", "Error: No such")]
)
def test_a_message_never_goes_to_stdout(redirection, shown):
    done = shell(f'"$@" {redirection}', "trian")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr[:14] == shown


@posix
@pytest.mark.parametrize("arguments", [["plot-loss", "-r"], ["--help"]])
def test_a_reader_that_leaves_ends_the_command_quietly(trained, tmp_path, arguments):
    """The status is that of a process which SIGPIPE ends."""
    line = [*arguments, trained, "-o", tmp_path / "x.png"] if "-r" in arguments else arguments
    reader, writer = os.pipe()
    os.close(reader)
    done = run_process(*line, stdout=writer)
    os.close(writer)
    assert (done.status, done.err) == (141, "")
    assert list(tmp_path.iterdir()) == ([tmp_path / "x.png"] if "-r" in arguments else [])


@posix
@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirection", "status"),
    [
        ('"$@" <&- 2>"$ERRORS"', 0),
        ('"$@" </dev/null 2>/dev/null', 0),
        ('"$@" 2>&1 >/dev/null | head -1; exit ${PIPESTATUS[0]}', 0),
        ('"$@" 2>"$ERRORS" | true; exit ${PIPESTATUS[0]}', 0),
        ('"$@" 2>&-', 0),
        ('"$@" >&- 2>"$ERRORS"', 0),
    ],
)
def test_any_redirection_in_poor_surroundings_trains_to_the_end(
    digits, tmp_path, redirection, status
):
    run, errors = tmp_path / "größe", tmp_path / "errors"
    homeless = {name: value for name, value in os.environ.items() if name != "HOME"}
    line = arguments(digits, run, "--epochs", EPOCHS)
    done = shell(redirection, *line, env={**homeless, **POOR, "ERRORS": str(errors)})
    assert done.returncode == status
    assert done.stderr == ""
    if "head" in redirection:
        assert re.fullmatch(r"Training .*\n", done.stdout)
    else:
        is_lost = "true" in redirection or ">&- " in redirection
        assert done.stdout == ("" if is_lost else f"{run}\n")
    if errors.exists():
        said = errors.read_text()
        assert "Traceback" not in said
        assert "Exception ignored" not in said
        assert "\x1b" not in said
        assert "\r" not in said
        assert epoch_lines(said) == ["1/3", "2/3", "3/3"]
    assert_trained(run)


@posix
@pytest.mark.slow
@pytest.mark.parametrize(
    "more", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, POOR], ids=["NO_COLOR", "dumb", "poor"]
)
def test_any_terminal_sees_a_run_to_its_end(digits, tmp_path, more, monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    run = tmp_path / "größe"
    status, shown = Terminal(*arguments(digits, run, "--epochs", EPOCHS), **more).end()
    assert status == 0
    assert "Traceback" not in shown
    assert epoch_lines(plain(shown)) == ["1/3", "2/3", "3/3"]
    assert plain(shown).endswith(f"\n{run}\n")
    if "NO_COLOR" in more:
        assert not COLOR.search(shown)
    if "TERM" in more:
        assert "\x1b" not in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h")
    assert_trained(run)

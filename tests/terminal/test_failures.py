"""From an exception to a sentence on stderr and an exit status."""

import errno
import signal
import sys
from pathlib import Path

import pytest
import typer

from vaecli.system.errors import (
    ConfigError,
    ConfigFileError,
    DataError,
    Interrupted,
    NoTrialCompleted,
    ResourceError,
    RunError,
    TrainingDiverged,
)
from vaecli.terminal.failures import format_warning, report_failure, with_flags

OUT_OF_MEMORY = (
    "Error: Out of memory. Try a smaller --batch-size, a smaller network or fewer images.\n"
)


@pytest.mark.parametrize(
    ("kind", "status"),
    [(ConfigError, 2), (DataError, 3), (RunError, 4), (TrainingDiverged, 5), (ResourceError, 6)],
)
def test_an_error_of_the_user_is_its_sentence_and_its_status(capsys, kind, status):
    assert report_failure(kind("It is wrong: mend it.")) == status
    assert capsys.readouterr() == ("", "Error: It is wrong: mend it.\n")


def test_a_mistake_in_the_command_line_is_status_2(capsys):
    assert report_failure(typer.BadParameter("No such option: --epoch")) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: ")
    assert "No such option: --epoch" in err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_by_a_signal_is_no_error(capsys, number, status):
    assert report_failure(Interrupted(number, "Stopped by a signal. Resume it.")) == status
    assert capsys.readouterr().err == "Stopped by a signal. Resume it.\n"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:98] DefaultCPUAllocator: not enough memory"),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB."),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        RuntimeError("Storage size calculation overflowed with sizes=[2147483647, 4294967294]"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_out_of_memory_is_status_6_with_advice(capsys, error):
    assert report_failure(error) == 6
    assert capsys.readouterr().err == OUT_OF_MEMORY


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EFBIG"])
def test_a_full_disk_is_status_6(capsys, name):
    if hasattr(errno, name):
        assert report_failure(OSError(getattr(errno, name), "full")) == 6
        assert capsys.readouterr().err == "Error: No space left to write to.\n"


def test_another_error_of_the_system_is_a_defect(capsys, monkeypatch):
    monkeypatch.setenv("VAECLI_DEBUG", "1")
    assert report_failure(OSError(errno.EIO, "Input/output error")) == 1
    assert report_failure(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) == 1
    assert "No space left" not in capsys.readouterr().err


def broken():
    raise ZeroDivisionError("oops \udcff")


def failure():
    try:
        broken()
    except ZeroDivisionError as error:
        return error


def test_a_defect_is_short_and_keeps_its_traceback(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("VAECLI_DEBUG", raising=False)
    error = failure()
    error.args = ("oops",)
    assert report_failure(error) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first == "Error: unexpected ZeroDivisionError: oops"
    path = Path(second.removeprefix("The traceback is in ").removesuffix("."))
    assert path.parent == tmp_path
    assert "in broken" in path.read_text()


def test_a_traceback_that_is_no_unicode_is_kept_too(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("vaecli.terminal.failures.print_stderr", lambda text: None)
    assert report_failure(failure()) == 1
    (path,) = tmp_path.iterdir()
    assert r"oops \udcff" in path.read_text()


def test_a_defect_is_shown_where_no_file_can_take_its_traceback(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    monkeypatch.delenv("VAECLI_DEBUG", raising=False)
    error = failure()
    error.args = ("oops",)
    assert report_failure(error) == 1
    shown = capsys.readouterr().err
    assert "in broken" in shown
    *_, first, second = shown.splitlines()
    assert first == "Error: unexpected ZeroDivisionError: oops"
    assert second == "The traceback is above."


def test_a_defect_is_shown_on_demand(capsys, monkeypatch):
    monkeypatch.setenv("VAECLI_DEBUG", "1")
    error = failure()
    error.args = ("oops",)
    assert report_failure(error) == 1
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "in broken" in shown
    assert shown.endswith("Error: unexpected; the traceback is above.\n")


def test_a_reader_that_left_is_not_complained_of(capfd, monkeypatch):
    """Python would, when it flushes stdout at its end."""
    replaced = []
    monkeypatch.setattr("os.dup2", lambda old, new: replaced.append(new))
    assert report_failure(BrokenPipeError()) == 141  # as a shell says of a process without reader
    assert replaced == [sys.stdout.fileno()]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("epochs=0: should be 1 or more.", "--epochs 0: should be 1 or more."),
        ("lr=-1.5 and lr=1e-05 differ.", "--lr -1.5 and --lr 1e-05 differ."),
        ("max_time='1 h': write 2h.", "--max-time '1 h': write 2h."),
        ("Try on_nan='rollback'.", "Try --on-nan rollback."),
        (
            "conditional=True needs labels: use labels=N.",
            "--conditional needs labels: use --labels N.",
        ),
        ("Write NAME=RANGE, such as lr=1e-4..1e-2:log.",) * 2,
        ("style_of=40: there are 40 images.", "--style-of 40: there are 40 images."),
        ("adversarial:labels=true needs labels.", "adversarial:labels=true needs labels."),
        ("Cannot make runs/lr=0.1: it is there.", "Cannot make runs/lr=0.1: it is there."),
        ("Cannot make lr=0.1/seed=3/x: no.", "Cannot make lr=0.1/seed=3/x: no."),
        (r"Cannot make C:\lr=0.1\run: no.", r"Cannot make C:\lr=0.1\run: no."),
        (
            "The option 'warmup' is now called 'lr_warmup'.",
            "--warmup is now called --lr-warmup.",
        ),
        (
            "The option 'warmup' is the old name of 'lr_warmup': leave one out.",
            "--warmup is the old name of --lr-warmup: leave one out.",
        ),
        (
            "The elbo option 'cycle' is now called 'cycle_epochs'.",
            "The elbo option 'cycle' is now called 'cycle_epochs'.",
        ),
    ],
)
def test_options_of_the_library_are_shown_as_flags_but_not_in_specs_and_paths(message, shown):
    assert with_flags(message) == shown


def test_text_that_was_typed_stays_as_it_is(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["vaecli", "train", "--run-dir", "lr=0.1", "--epochs=0"])
    report_failure(ConfigError("lr=0.1 is not empty, and epochs=0 is too few."))
    assert capsys.readouterr().err == "Error: lr=0.1 is not empty, and --epochs 0 is too few.\n"


@pytest.mark.parametrize("word", ["--run-dir=lr=0.1", "-rlr=0.1"])
def test_a_path_that_is_typed_in_one_word_with_its_flag_stays_as_it_is(monkeypatch, word):
    monkeypatch.setattr("sys.argv", ["vaecli", "train", word])
    assert with_flags("lr=0.1 is not empty.") == "lr=0.1 is not empty."


def test_what_a_file_holds_is_not_shown_as_a_flag(capsys):
    report_failure(RunError("x.safetensors has a broken header: epochs=0: should be 1 or more."))
    assert "header: epochs=0: should" in capsys.readouterr().err


def test_why_a_trial_failed_is_said_with_flags(capsys):
    assert report_failure(NoTrialCompleted("Diverged: try on_nan='rollback'.")) == 4
    assert capsys.readouterr().err == "Error: Diverged: try --on-nan rollback.\n"


def test_a_value_of_a_config_file_is_not_shown_as_a_flag(capsys):
    report_failure(ConfigFileError("c.json: epochs=True: should be a valid integer."))
    assert capsys.readouterr().err == "Error: c.json: epochs=True: should be a valid integer.\n"


def test_a_warning_is_one_line():
    assert format_warning("old is new", FutureWarning, "x.py", 3) == "Warning: old is new\n"
    assert format_warning("a\x1b[2Jb", UserWarning, "x.py", 3) == "Warning: a\\x1b[2Jb\n"

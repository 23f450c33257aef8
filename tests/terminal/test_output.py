"""Results on stdout or in a file, messages on stderr."""

import io
import json
import math
import os
import sys
from pathlib import Path

import pytest

import vaecli
from tests.processes import posix
from vaecli.system.errors import ConfigError, ResourceError
from vaecli.terminal import output
from vaecli.terminal.output import (
    output_path,
    print_finished_run,
    print_json,
    print_path,
    print_result,
    print_stderr,
    write_result,
)

ENDINGS = (".png", ".jpg")


@pytest.fixture
def run(trained):
    return vaecli.open(trained)


class Stream(io.TextIOWrapper):
    """A stdout that is a terminal, or refuses bytes."""

    def __init__(self, is_terminal=False, error=None, encoding="utf-8"):
        class Buffer(io.BytesIO):
            def write(self, content):
                if error:
                    raise error
                return super().write(content)

        self.bytes = Buffer()
        super().__init__(self.bytes, encoding=encoding)
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal


def test_a_result_goes_into_the_run_unless_a_file_is_named(run, tmp_path):
    assert output_path(None, run, "grid.png", ENDINGS) == (run.folder / "grid.png", ".png")
    chosen = tmp_path / "x.JPG"
    assert output_path(chosen, run, "grid.png", ENDINGS) == (chosen, ".jpg")


@posix
def test_a_device_or_stdout_takes_the_first_format(run):
    assert output_path(Path("-"), run, "grid.png", ENDINGS) == (Path("-"), ".png")
    assert output_path(Path("/dev/null"), run, "grid.png", ENDINGS) == (Path("/dev/null"), ".png")


@pytest.mark.parametrize("name", ["x", "x.exe", "x.png.txt"])
def test_an_unknown_ending_is_answered_with_the_known_ones(run, tmp_path, name):
    with pytest.raises(ConfigError, match=r"chooses the format; use one of \.png, \.jpg\.$"):
        output_path(tmp_path / name, run, "grid.png", ENDINGS)


def test_a_folder_is_no_device(run, tmp_path):
    with pytest.raises(ConfigError, match=r"chooses the format; use one of \.png, \.jpg\.$"):
        output_path(tmp_path, run, "grid.png", ENDINGS)


def test_a_path_that_cannot_be_is_named(run, tmp_path):
    with pytest.raises(ConfigError, match=r"Cannot write .*: File name too long"):
        output_path(tmp_path / ("a" * 300 + ".png"), run, "grid.png", ENDINGS)


def test_a_result_is_written_whole_and_its_path_printed(tmp_path, capfd):
    path = tmp_path / "größe.bin"
    path.write_bytes(b"old")
    reader = path.open("rb")
    write_result(b"new" * 1000, path)
    with reader:  # it is replaced, not written over
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new" * 1000
    assert capfd.readouterr() == (f"{path}\n", "")


def test_a_dash_writes_the_result_itself(capfdbinary):
    write_result(b"\x00\xff\n", Path("-"))
    assert capfdbinary.readouterr() == (b"\x00\xff\n", b"")


@pytest.mark.parametrize("stream", [Stream(is_terminal=True), None])
def test_binary_data_never_reach_a_terminal(monkeypatch, stream):
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(ConfigError, match="writes binary data: send it to a file or a pipe"):
        write_result(b"x", Path("-"))


def test_a_path_is_printed_as_its_bytes_whatever_the_encoding(monkeypatch):
    stream = Stream(encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    print_path(Path("größe [red].png"))
    assert stream.bytes.getvalue() == os.fsencode("größe [red].png") + os.linesep.encode()


def test_a_result_that_the_encoding_lacks_is_printed_with_question_marks(monkeypatch):
    stream = Stream(encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    print_result("größe")
    assert stream.bytes.getvalue() == b"gr??e" + os.linesep.encode()


def test_a_closed_stdout_takes_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert print_path(Path("x")) is None
    assert print_result("x") is None


def test_a_full_stdout_is_an_error_and_a_reader_that_left_is_none_of_ours(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Stream(error=OSError(28, "No space left on device")))
    with pytest.raises(ResourceError, match="Cannot write to stdout: No space left on device"):
        print_result("x")
    monkeypatch.setattr(sys, "stdout", Stream(error=BrokenPipeError()))
    with pytest.raises(BrokenPipeError):
        print_result("x")


def test_of_a_finished_run_a_reader_that_left_is_no_failure(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert print_finished_run(Path("runs/mnist-vae-1")) is None
        stream.flush()  # as Python does at its end


def test_a_message_is_printed_as_it_is(capsys):
    print_stderr("my [red] " + "x" * 200)
    assert capsys.readouterr() == ("", "my [red] " + "x" * 200 + "\n")


def test_a_closed_stderr_is_no_error(monkeypatch):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(output.sys, "stderr", Gone())
    assert print_stderr("x") is None


def test_control_characters_in_a_message_or_on_a_terminal_are_escaped(capsys, monkeypatch):
    """A folder or a file may be called so."""
    print_stderr("Cannot read \x1b]0;title\x07run\u202e:\n  denied.")
    assert capsys.readouterr().err == "Cannot read \\x1b]0;title\\x07run\\u202e:\n  denied.\n"
    for is_terminal, shown in ((True, rb"a\x1b[31m"), (False, b"a\x1b[31m")):
        stream = Stream(is_terminal=is_terminal)
        monkeypatch.setattr(sys, "stdout", stream)
        print_path(Path("a\x1b[31m"))
        assert stream.bytes.getvalue() == shown + os.linesep.encode()


def test_json_is_one_strict_line_and_what_is_not_finite_is_null(capfd):
    figures = {"a": [1.5, math.nan, (math.inf, True)], "ä": {"b": -math.inf}, "n": None}
    print_json(figures)
    out = capfd.readouterr().out
    assert out.count("\n") == 1
    assert out.isascii()
    assert json.loads(out, parse_constant=pytest.fail) == {
        "a": [1.5, None, [None, True]],
        "ä": {"b": None},
        "n": None,
    }


def test_a_result_as_json_prints_its_description_in_place_of_its_path(capfd, tmp_path):
    path = tmp_path / "grid.png"
    write_result(b"x", path, True, {"output": "grid"})
    assert capfd.readouterr().out == '{"output": "grid"}\n'
    write_result(b"y", path, True)
    assert capfd.readouterr().out == ""
    assert path.read_bytes() == b"y"

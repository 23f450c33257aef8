"""`vaecli data check`, as an application of its own."""

import json
import sys

import numpy as np
import pytest
import typer
from PIL import Image
from rich.text import Text

from tests.commands.pictures import picture
from tests.conftest import Outcome
from tests.data.check.drawings import drawing
from vaecli.commands.data_check import EXAMPLES, check
from vaecli.terminal.failures import report_failure


@pytest.fixture
def run(capsys):
    """Run the command as `run(folder, "--json").status`."""
    app = typer.Typer(rich_markup_mode=None)
    app.command()(check)

    def run(*words):
        capsys.readouterr()
        try:
            status = app(list(map(str, words)), standalone_mode=False) or 0
        except Exception as error:
            status = report_failure(error)
        return Outcome(status, *capsys.readouterr())

    return run


@pytest.fixture
def folder(tmp_path):
    """Two classes of 20 images, one copy, and one broken file."""
    for seed in range(40):
        path = tmp_path / "images" / "ab"[seed % 2] / f"{seed}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        drawing(seed).save(path)
    drawing(2).save(path.parent.parent / "a" / "copy.png")
    broken = path.parent / "broken.png"
    broken.write_bytes(path.read_bytes()[:200])
    return tmp_path / "images"


def test_the_report_is_plain_on_a_pipe(run, folder):
    done = run(folder)
    assert done.status == 0
    assert done.err == ""
    pixels = np.stack([drawing(seed) for seed in range(40)])
    low, high = pixels.min(), pixels.max()
    assert (
        done.out
        == f"""{folder}: 42 images, 1 of them broken
  classes  21 a, 20 b
  sizes    41 40x40
  modes    41 RGB
  range    {low} to {high}, of 0 to 255

error: broken
  1 image cannot be read.
  Replace or remove each, or train with --skip-bad, which leaves them out.
    {done.out.split("leaves them out.")[1].splitlines()[1].strip()}

warning: exact duplicate
  1 image has the same pixels as another image.
  Keep one image of each group: remove 1 image.
    a/2.png, a/copy.png

2 kinds of fault found: 1 error, 1 warning.
"""
    )
    assert "b/broken.png is damaged" in done.out


def test_a_good_folder_has_no_faults(run, folder):
    (folder / "b" / "broken.png").unlink()
    (folder / "a" / "copy.png").unlink()
    assert run(folder).out.endswith("\n\nNo faults found.\n")


def test_nothing_is_written_without_plot(run, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in folder.rglob("*.png")}
    run(folder)
    assert {p for p in tmp_path.rglob("*") if p.is_file()} == set(before)
    assert {path: path.read_bytes() for path in before} == before


def test_json_is_one_strict_object_with_all_names(run, folder, tmp_path):
    done = run(folder, "--json", "--plot", tmp_path / "faults.png")
    assert done.out.count("\n") == 1
    result = json.loads(done.out, parse_constant=lambda name: pytest.fail(name))
    assert result["path"] == str(folder)
    assert result["images"] == 42
    assert [finding["kind"] for finding in result["findings"]] == ["broken", "exact-duplicate"]
    assert result["findings"][1]["groups"] == [["a/2.png", "a/copy.png"]]
    assert done.err == f"The images with faults are in {tmp_path / 'faults.png'}.\n"


def test_the_picture_shows_the_faults(run, folder, tmp_path):
    target = tmp_path / "faults.png"
    run(folder, "--plot", target)
    light = picture(target)
    copy = np.asarray(drawing(2)).repeat(2, 0).repeat(2, 1)
    for line in copy[[0, 40, -1]]:
        assert max(row.tobytes().count(line.tobytes()) for row in light) == 2
    run(folder, "--plot", target, "--dark")
    assert (picture(target)[0, 0] == 0x11).all()


def test_no_picture_without_faults(run, folder, tmp_path):
    (folder / "b" / "broken.png").unlink()
    (folder / "a" / "copy.png").unlink()
    done = run(folder, "--plot", tmp_path / "faults.png")
    assert done.err.startswith("No picture is written")
    assert not (tmp_path / "faults.png").exists()


@pytest.mark.parametrize(
    ("plot", "text"),
    [("-", "--plot - would mix the picture with the report"), ("x.gif", "x.gif: the file ending")],
)
def test_a_wrong_plot_is_refused_before_the_images_are_read(run, plot, text):
    done = run("missing", "--plot", plot)
    assert (done.status, done.out) == (2, "")
    assert text in done.err


def test_without_readable_images_the_status_is_3(run, tmp_path):
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 100)
    done = run(tmp_path)
    assert done.status == 3
    assert "x.png" in done.out
    assert done.err.endswith(f"Error: {tmp_path}: none of its 1 image can be read.\n")
    missing = run(tmp_path / "missing")
    assert (missing.status, missing.out) == (3, "")


def test_markup_and_controls_in_names_are_printed_as_they_are(run, folder):
    for name in ("[red]x.png", "[bold]y.png", "a\x1b[31m.png"):
        Image.new("RGB", (40, 40), "red").save(folder / "a" / name)
    out = run(folder).out
    assert "a/[red]x.png" in out
    assert "a/[bold]y.png" in out
    assert "\x1b" not in out


def test_a_terminal_gets_colour_and_wrapped_lines(run, folder, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert sys.stdout.isatty()
    out = run(folder).out
    assert "\x1b[1;31merror: broken" in out
    plain = Text.from_ansi(out).plain
    assert max(map(len, plain.splitlines())) <= 40
    assert "Keep one image of each group: remove" in plain


def test_the_examples_name_the_command():
    assert all(example.startswith("vaecli data check ") for example in EXAMPLES)

"""The bar of images that are being loaded."""

import pytest

from vaecli.terminal.loading import load_progress


def load(mode="auto", quiet=False):
    with load_progress(mode, quiet) as on_progress:
        on_progress("[b]decoding", 5, 20)
        on_progress("[b]decoding", 15, 20)


def test_a_terminal_shows_what_is_done_and_clears_it(on_terminal, capsys):
    terminal = on_terminal()
    load()
    shown = terminal.getvalue()
    assert "[b]decoding" in shown
    assert "15/20" in shown
    assert "20/20" not in shown
    assert shown.endswith(("\x1b[1A\x1b[2K", "\x1b[2K"))
    assert capsys.readouterr().out == ""


def test_before_anything_is_loaded_nothing_is_shown(on_terminal):
    terminal = on_terminal()
    with load_progress():
        pass
    assert "/" not in terminal.getvalue()


@pytest.mark.parametrize(("mode", "quiet"), [("auto", True), ("plain", False), ("none", False)])
def test_who_wants_no_bar_sees_none(on_terminal, mode, quiet):
    terminal = on_terminal()
    load(mode, quiet)
    assert terminal.getvalue() == ""


def test_a_file_gets_no_bar(capsys):
    load()
    assert capsys.readouterr() == ("", "")

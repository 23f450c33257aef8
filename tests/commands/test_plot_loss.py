"""`vaecli plot-loss`: the curves of one run or several."""

import shutil

import pytest
from matplotlib.colors import to_hex

import vaecli
from tests.commands.pictures import picture
from tests.pictures.conftest import legend_entries
from tests.processes import run_without_torch
from vaecli.run.create import make_run


def test_the_losses_are_drawn_into_the_run(cli, run_dir):
    path = run_dir / "loss.png"
    path.unlink()
    assert cli("plot-loss", "-r", run_dir) == (0, f"{path}\n", "")
    assert picture(path).shape[1] == 1800


def test_several_runs_are_drawn_in_one_picture(cli, run_dir, tmp_path):
    one = tmp_path / "1.png"
    two = tmp_path / "2.png"
    cli("plot-loss", "-r", run_dir, "-o", one)
    cli("plot-loss", "-r", run_dir, "-r", run_dir / "checkpoints/last.safetensors", "-o", two)
    assert picture(one).shape == picture(two).shape
    cli("plot-loss", "-r", run_dir, "-r", tmp_path / "run" / ".." / "run", "-o", two)
    assert (picture(one) != picture(two)).any()


def test_each_run_has_its_losses_in_the_colour_of_its_name(cli, run_dir, tmp_path, figures):
    """The picture goes into the first run that is named."""
    other = shutil.copytree(run_dir, tmp_path / "other")
    table = (other / "losses.csv").read_text().splitlines()
    (other / "losses.csv").write_text("\n".join(table[:2]) + "\n")  # one epoch
    assert cli("plot-loss", "-r", other, "-r", run_dir).out == f"{other / 'loss.png'}\n"
    (figure,) = figures
    entries = legend_entries(figure)
    assert list(entries) == ["train", "test", str(other), str(run_dir)]
    for panel in figure.axes:
        assert len(panel.lines) == 4
        for folder in (other, run_dir):
            losses = vaecli.open(folder).losses()
            for split in ("train", "test"):
                look = (entries[str(folder)].get_color(), entries[split].get_linestyle())
                (line,) = [
                    line for line in panel.lines if (line.get_color(), line.get_linestyle()) == look
                ]
                assert list(line.get_xdata()) == losses["epoch"]
                assert list(line.get_ydata()) == losses[f"{split}_{panel.get_title()}"]


@pytest.mark.parametrize("ending", [".png", ".pdf", ".svg"])
def test_the_ending_chooses_the_format(cli, trained, tmp_path, figures, ending):
    path = tmp_path / f"x{ending}"
    assert cli("plot-loss", "-r", trained, "-o", path) == (0, f"{path}\n", "")
    assert path.read_text() == ending


def test_a_dash_writes_a_png_to_stdout(result_of, trained, figures):
    assert result_of("plot-loss", "-r", trained) == b".png"


def test_before_the_first_epoch_there_is_nothing_to_plot(cli, tmp_path):
    run = make_run(vaecli.Config(), tmp_path / "new")
    done = cli("plot-loss", "-r", run.folder)
    assert (done.status, done.out) == (4, "")
    assert "its first epoch has not ended" in done.err


def test_a_plot_needs_no_torch(run_dir):
    done = run_without_torch("plot-loss", "-r", run_dir)
    assert done == (0, f"{run_dir / 'loss.png'}\n", "")


@pytest.mark.parametrize(("more", "background"), [((), "#ffffff"), (("--dark",), "#111111")])
def test_the_losses_can_be_dark(cli, run_dir, figures, more, background):
    assert cli("plot-loss", "-r", run_dir, *more).status == 0
    assert to_hex(figures[0].get_facecolor()) == background

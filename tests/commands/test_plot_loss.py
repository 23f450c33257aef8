"""`vaecli plot-loss`: the curves of one run or several."""

import vaecli
from tests.commands.pictures import picture
from tests.processes import run_without_torch
from vaecli.run.create import make_run


def test_the_losses_are_drawn_into_the_run(cli, run_dir):
    path = run_dir / "loss.png"
    path.unlink()
    assert cli("plot-loss", "-r", run_dir) == (0, f"{path}\n", "")
    assert picture(path).shape[1] == 1440


def test_several_runs_are_drawn_in_one_picture(cli, run_dir, tmp_path):
    one = tmp_path / "1.png"
    two = tmp_path / "2.png"
    cli("plot-loss", "-r", run_dir, "-o", one)
    cli("plot-loss", "-r", run_dir, "-r", run_dir / "checkpoints/last.safetensors", "-o", two)
    assert picture(one).shape == picture(two).shape
    cli("plot-loss", "-r", run_dir, "-r", tmp_path / "run" / ".." / "run", "-o", two)
    assert (picture(one) != picture(two)).any()


def test_before_the_first_epoch_there_is_nothing_to_plot(cli, tmp_path):
    run = make_run(vaecli.Config(), tmp_path / "new")
    done = cli("plot-loss", "-r", run.folder)
    assert (done.status, done.out) == (4, "")
    assert "its first epoch has not ended" in done.err


def test_a_plot_needs_no_torch(run_dir):
    done = run_without_torch("plot-loss", "-r", run_dir)
    assert done == (0, f"{run_dir / 'loss.png'}\n", "")

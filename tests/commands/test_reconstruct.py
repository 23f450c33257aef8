"""`vaecli reconstruct`: images over their reconstructions."""

import vaecli
from tests.commands.pictures import grid, picture
from tests.conftest import bars


def test_inputs_stand_over_their_reconstructions(cli, run_dir, tmp_path):
    target = tmp_path / "r.png"
    done = cli("reconstruct", "-r", run_dir, "--split", "train", "-n", 6, "-o", target)
    assert done == (0, f"{target}\n", "")
    x = bars(96).pixels(slice(6))
    sheet = picture(target)
    assert (sheet[:8] == grid(x)).all()
    assert (sheet[10:] == grid(vaecli.open(run_dir).model().reconstruct(x))).all()


def test_reconstruct_repeats_the_picture_of_train(cli, run_dir):
    trained = (run_dir / "reconstructions.png").read_bytes()
    assert cli("reconstruct", "-r", run_dir).out == f"{run_dir / 'reconstructions.png'}\n"
    assert (run_dir / "reconstructions.png").read_bytes() == trained


def test_a_conditional_model_is_given_the_labels(cli, conditional, tmp_path):
    cli("reconstruct", "-r", conditional, "-n", 4, "-o", tmp_path / "r.png")
    test = bars(40, seed=1)
    x = test.pixels(slice(4))
    decoded = vaecli.open(conditional).model().reconstruct(x, test.one_hot_labels(slice(4)))
    assert (picture(tmp_path / "r.png")[10:] == grid(decoded)).all()


def test_more_images_than_there_are_are_refused(cli, run_dir):
    done = cli("reconstruct", "-r", run_dir, "-n", 41)
    assert (done.status, done.out) == (2, "")
    assert "--count 41: the split has only 40 images" in done.err

"""`vaecli refit`, and what the terminal shows while a prior is fitted."""

import json
import re
import shlex

import pytest
import torch

from tests import runs
from tests.conftest import vaecli as run_vaecli
from vaecli.evaluation import samples
from vaecli.experiments.stopping import StopRequest
from vaecli.parts.priors import FittedMixture
from vaecli.run import names
from vaecli.training import runtime

SPEC = "mixture:components=3,iterations=2"
WHOLE_SPEC = "mixture:components=3,covariance=full,noise=0.5,iterations=2"
FITTING = f"Fitting {WHOLE_SPEC} to 96 latents (last)."


@pytest.fixture(scope="module")
def fitted(digits, tmp_path_factory):
    """A run of one epoch with a fitted prior; do not write to it."""
    folder = tmp_path_factory.mktemp("fitted") / "run"
    more = ("-q", "--epochs", 1, "--threads", 1, "--fitted-prior", SPEC)
    assert run_vaecli(*runs.arguments(digits, folder, *more)) == 0
    return folder


def location(run):
    return runs.tensors(run)[f"{names.FITTED_PRIOR}loc"]


def test_a_refit_writes_a_run_with_another_prior(cli, fitted, tmp_path):
    before = runs.contents(fitted)
    output = tmp_path / "other"
    done = cli("refit", fitted, "--prior", "mixture:components=2", "-o", output)
    assert (done.status, done.out) == (0, f"{output}\n")
    assert location(output).shape == (1, 2, 3)
    assert runs.config(output)["fitted_prior"].startswith("mixture:components=2,")
    assert runs.record(output)["stages"][1]["prior"].startswith("mixture:components=2,")
    assert runs.contents(fitted) == before


def test_a_refit_with_none_removes_the_prior(cli, fitted, tmp_path):
    output = tmp_path / "plain"
    assert cli("refit", fitted, "--prior", "none", "-q", "-o", output).status == 0
    assert not any(name.startswith(names.FITTED_PRIOR) for name in runs.tensors(output))
    assert runs.record(output)["stages"] == []


def test_without_names_the_newest_run_is_refitted_in_the_next_free_directory(
    cli, digits, tmp_path, monkeypatch
):
    """From its last checkpoint, though it has a best one."""
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        run = tmp_path / f"runs/mnist-vae-{number}"
        more = ("-q", "--epochs", 1, "--validation", 32, "--seed", number)
        assert cli(*runs.arguments(digits, run, *more)).status == 0
    done = cli("refit", "--prior", "mixture:components=2", "-q")
    assert (done.status, done.out) == (0, "runs/mnist-vae-3\n")
    found = tmp_path / "runs" / "mnist-vae-3"
    assert location(found).shape == (1, 2, 3)
    assert runs.config(found)["seed"] == 2
    assert (found / names.BEST).is_file()


def test_the_fit_is_told_in_plain_lines_and_in_the_log(cli, fitted, tmp_path):
    output = tmp_path / "again"
    done = cli("refit", fitted, "--prior", SPEC, "-o", output, "--progress", "plain")
    lines = done.err.splitlines()
    at = lines.index(FITTING)
    assert re.fullmatch(r"Fitted the prior in \d+\.\d s \(last\)\.", lines[at + 1])
    assert "fitting the prior" not in done.err  # the words of the bar
    assert lines[0].startswith(f"Goes on from {fitted}")
    assert f"  vaecli plot-loss -r {output}" in lines
    log = (output / names.LOG).read_text().splitlines()
    assert log[log.index(FITTING) + 1] == lines[at + 1]
    assert torch.equal(location(output), location(fitted))


def test_a_refit_uses_the_threads_of_its_run(cli, fitted, tmp_path, monkeypatch):
    chosen = []
    monkeypatch.setattr(runtime, "setup_runtime", lambda *threads: chosen.append(threads))
    assert cli("refit", fitted, "--prior", SPEC, "-q", "-o", tmp_path / "other").status == 0
    assert chosen == [(), (1,)]


@pytest.mark.parametrize("options", [["--quiet"], ["--progress", "none"]])
def test_a_quiet_refit_shows_no_bar_and_still_logs(cli, fitted, tmp_path, options):
    output = tmp_path / "again"
    done = cli("refit", fitted, "--prior", SPEC, "-o", output, *options)
    assert (done.status, done.out) == (0, f"{output}\n")
    assert "fitting the prior" not in done.err
    assert (FITTING in done.err) == (options != ["--quiet"])
    if options == ["--quiet"]:
        assert done.err == ""
    assert FITTING in (output / names.LOG).read_text()


def test_the_bar_is_drawn_during_a_refit(cli, fitted, tmp_path, monkeypatch):
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "100", "FORCE_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    done = cli("refit", fitted, "--prior", SPEC, "-o", tmp_path / "again", "--progress", "bar")
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", done.err)
    assert re.search(r"fitting the prior \(last\) .*\d:\d\d:\d\d elapsed", text)
    assert FITTING in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--prior", "nonsense"], "Unknown fitted prior 'nonsense'"),
        (["--prior", "mixture:components=30"], "use components=19 or fewer"),
        (["--prior", "autoregressive"], "The autoregressive prior is of codes"),
    ],
)
def test_a_prior_that_cannot_be_fitted_is_refused(cli, fitted, tmp_path, words, message):
    output = tmp_path / "other"
    done = cli("refit", fitted, *words, "-o", output)
    assert done.status == 2
    assert message in done.err
    assert not output.exists()


def test_a_run_whose_training_has_not_ended_is_refused_with_the_command(
    cli, digits, tmp_path, monkeypatch
):
    run = tmp_path / "a run"
    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "is_due", lambda stop: True)
        stopped = cli(*runs.arguments(digits, run, "--epochs", 1))
    assert stopped.status == 0
    assert "vaecli sample" not in stopped.err  # what to do next is to resume
    assert runs.record(run)["status"] == "interrupted"
    done = cli("refit", run, "--prior", SPEC, "-o", tmp_path / "other")
    assert done.status == 2
    assert f"vaecli train --resume {shlex.quote(str(run))}." in done.err


def test_weights_alone_and_a_missing_run_are_refused(cli, digits, tmp_path):
    run = tmp_path / "run"
    more = ("-q", "--epochs", 1, "--validation", 32)
    assert cli(*runs.arguments(digits, run, *more)).status == 0
    done = cli("refit", run / names.BEST, "--prior", SPEC)
    assert done.status == 2
    assert f"{run / names.BEST} has the weights alone" in done.err
    assert cli("refit", tmp_path / "nothing", "--prior", SPEC).status != 0


def test_an_output_that_exists_is_refused(cli, fitted, tmp_path):
    output = tmp_path / "full"
    output.mkdir()
    (output / "mine.txt").write_text("mine")
    done = cli("refit", fitted, "--prior", SPEC, "-o", output)
    assert done.status == 2
    assert (output / "mine.txt").read_text() == "mine"


def test_evaluate_scores_the_fitted_prior_and_beside_it_the_one_of_training(cli, fitted, tmp_path):
    plain = tmp_path / "plain"
    assert cli("refit", fitted, "--prior", "none", "-q", "-o", plain).status == 0
    words = ("--samples", 20, "--seed", 1)
    result = json.loads(cli("evaluate", "-r", fitted, *words).out)
    alone = json.loads(cli("evaluate", "-r", plain, *words).out)
    assert "trained_prior" not in alone
    assert result["prior"] == WHOLE_SPEC
    beside = result.pop("trained_prior")
    assert beside.pop("prior") == "normal"
    assert beside.keys() == {"rate", "negative_elbo", "negative_bound", "standard_error"}
    assert beside == {name: alone[name] for name in beside}
    assert result["distortion"] == alone["distortion"]
    assert all(result[name] != alone[name] for name in beside)
    assert result["loss"] == result["negative_elbo"]


def test_metrics_of_samples_are_those_of_the_fitted_prior(cli, fitted, monkeypatch):
    """And a warning says so if there are fewer samples than by default."""
    judged = []

    def judge(model, config, count, seed, on_progress):
        judged.append((type(model.prior), count, seed))
        return {"samples": count}

    monkeypatch.setattr(samples, "evaluate_samples", judge)
    command = ("evaluate", "-r", fitted, "--metrics", "samples")
    assert cli(*command) == (0, '{"samples": 10000}\n', "")
    assert "grows with fewer samples" in cli(*command, "-n", 9999, "--seed", 3).err
    assert judged == [(FittedMixture, 10_000, 0), (FittedMixture, 9999, 3)]

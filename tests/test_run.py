import csv
import json
from datetime import UTC, datetime, timedelta

import pytest
import torch

import vaecli
from vaecli import run as runs
from vaecli.config.config import Config, to_json
from vaecli.run import names, record
from vaecli.system.errors import RunError, TrainingDiverged

MEANS = {"loss": 1.0, "distortion": 1.0, "rate": 0.0}
EPOCH = {"number": 1, "train": MEANS, "test": MEANS, "train_seconds": 1.0, "test_seconds": 1.0}


def test_a_run_directory_holds_what_the_readme_says(trained):
    found = {str(p.relative_to(trained)) for p in trained.rglob("*") if p.is_file()}
    assert found == {
        "config.json",
        "run.json",
        "losses.csv",
        "train.log",
        "checkpoints/last.safetensors",
        "data.png",
        "samples/epoch-0001.png",
        "samples/epoch-0002.png",
        "samples.png",
        "real-and-generated.png",
        "reconstructions.png",
        "loss.png",
    }


def test_the_record_says_how_it_was_made_and_fared(trained):
    found = json.loads((trained / "run.json").read_text())
    assert found["status"] == "completed"
    assert found["reason"] is None
    assert found["argv"][:2] == ["vaecli", "train"]
    assert found["versions"]["torch"] == torch.__version__
    assert (found["epochs_done"], found["seed"]) == (2, 0)
    assert found["threads"] == torch.get_num_threads()
    assert found["parameters"] == (64 * 16 + 16) + (16 * 6 + 6) + (3 * 16 + 16) + (16 * 64 + 64)
    assert len(found["data"]["train"]) == len(found["data"]["test"]) == 64
    assert found["started"] < found["ended"]


def test_losses_have_a_row_for_every_epoch_in_full_precision(trained):
    with (trained / "losses.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    terms = ["loss", "distortion", "rate"]
    assert list(rows[0]) == [
        "epoch",
        *(f"train_{t}" for t in terms),
        *(f"test_{t}" for t in terms),
        "train_seconds",
        "test_seconds",
    ]
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert b"\r" not in (trained / "losses.csv").read_bytes()
    _, header = vaecli.open(trained)._contents
    assert float(rows[1]["test_loss"]) == header.history[1].test["loss"]


def test_config_json_holds_every_option_and_is_read_back(trained):
    values = json.loads((trained / "config.json").read_text())
    assert values["network"] == "mlp:width=16,depth=1,activation=relu,norm=none,bias=zero"
    assert Config.from_values(values) == vaecli.open(trained).config


def test_a_model_is_read_from_the_directory_or_from_the_file_alone(trained, tmp_path):
    lone = tmp_path / "copy.safetensors"
    lone.write_bytes((trained / names.CHECKPOINT).read_bytes())
    images = []
    for path in (trained, str(trained), trained / names.CHECKPOINT, lone):
        model = vaecli.open(path).model()
        assert not model.training
        torch.manual_seed(0)
        images.append(model.sample(4))
    for other in images[1:]:
        torch.testing.assert_close(other, images[0], rtol=0, atol=0)
    assert vaecli.open(trained / names.CHECKPOINT).folder == trained
    assert vaecli.open(lone).folder == tmp_path
    assert vaecli.open(lone).losses() == vaecli.open(trained).losses()


def test_the_saved_model_is_the_trained_one(tmp_path):
    from tests.conftest import bars

    config = Config(network="mlp:width=8,depth=1", latent_dim=2, epochs=1)
    state = vaecli.start(config, bars(8))
    list(vaecli.fit(state, bars(32), bars(8)))
    run = runs.create(config, tmp_path / "run")
    run.save(state)
    saved = run.model().state_dict()
    for name, tensor in state.model.state_dict().items():
        torch.testing.assert_close(saved[name], tensor, rtol=0, atol=0)


def test_opening_what_is_no_run_says_how_to_make_one(tmp_path):
    with pytest.raises(
        RunError, match=r"is not a run directory: it has no config.json. Make a run"
    ):
        vaecli.open(tmp_path)
    with pytest.raises(RunError, match=r"does not exist. Make a run with: vaecli train"):
        vaecli.open(tmp_path / "none")


def test_a_run_without_a_checkpoint_yet_says_so(tmp_path):
    run = runs.create(Config(), tmp_path / "run")
    with pytest.raises(RunError, match="has no checkpoint yet"):
        vaecli.open(run.folder).model()
    assert to_json(vaecli.open(run.folder).config) == to_json(Config())


def test_a_checkpoint_that_does_not_fit_its_configuration_is_refused(run_dir):
    from vaecli.run import checkpoint

    tensors, header = checkpoint.load(run_dir / names.CHECKPOINT)
    header.pop("format")
    header["config"]["latent_dim"] = 4
    checkpoint.save(run_dir / names.CHECKPOINT, tensors, header)
    with pytest.raises(RunError, match=r"posterior.head.bias: expected \(8,\), found \(6,\)"):
        vaecli.open(run_dir).model()


def test_the_latest_run_is_the_one_started_last(run_dir, tmp_path):
    """Whatever the times of the files are, and whatever else lies there."""
    import shutil

    root = tmp_path / "runs"
    (root / "foreign").mkdir(parents=True)
    (root / "broken" / "checkpoints").mkdir(parents=True)
    (root / "broken" / names.CHECKPOINT).write_bytes(b"")
    (root / "broken" / "run.json").write_text("{")
    assert runs.find_latest(root) is None
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for name, day in (("b", 2), ("a", 3), ("c", 1)):
        shutil.copytree(run_dir, root / name)
        runs.Run(root / name, root / name / names.CHECKPOINT).note(started=start + timedelta(day))
    (root / "a" / names.CHECKPOINT).touch()
    assert runs.latest(root).folder == root / "a"
    (root / "a" / names.CHECKPOINT).unlink()
    assert runs.latest(root).folder == root / "b"


def test_no_run_at_all_says_how_to_make_one(tmp_path):
    with pytest.raises(RunError, match=r"There is no trained run under .* vaecli train"):
        runs.latest(tmp_path)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TrainingDiverged("the loss became nan"), "diverged"),
        (KeyboardInterrupt(), "interrupted"),
        (ZeroDivisionError("x"), "failed"),
    ],
)
def test_the_record_says_how_a_run_ended(run_dir, error, status):
    run = vaecli.open(run_dir)
    run.note(status="running", ended=None)
    with pytest.raises(type(error)), run.recording():
        raise error
    assert run.record.status == status
    assert run.record.ended is not None


def test_a_foreign_record_is_refused(tmp_path):
    (tmp_path / "run.json").write_text('{"status": "finished"}')
    with pytest.raises(RunError, match="not written by vaecli"):
        record.read(tmp_path)


def test_a_lone_checkpoint_never_takes_the_losses_of_a_neighbour(run_dir, trained, monkeypatch):
    (run_dir / "losses.csv").write_text("epoch\n9\n")
    lone = run_dir / "other" / "model.safetensors"
    lone.parent.mkdir()
    lone.write_bytes((trained / names.CHECKPOINT).read_bytes())
    assert vaecli.open(lone).folder == lone.parent
    assert vaecli.open(lone).losses()["epoch"] == [1, 2]
    monkeypatch.chdir(lone.parent)
    (lone.parent / "losses.csv").write_text("epoch\\n9\\n")
    assert vaecli.open(lone.name).losses()["epoch"] == [1, 2]
    for broken in ("epoch\n9\n", "epoch\n" + 200_000 * "9" + "\n"):
        (run_dir / "losses.csv").write_text(broken)
        with pytest.raises(RunError, match="is not a table of losses"):
            vaecli.open(run_dir).losses()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shape", [28, 28]),
        ("shape", [1, -8, 8]),
        ("shape", [3, 2**31, 2**31]),
        ("config", [1]),
        ("config", {"epoch": 3}),
        ("config", {"schema_version": 3}),
        ("config", {"objective": "nonsense"}),
        ("history", [{}]),
        ("history", [EPOCH | {"number": 0}]),
        ("history", [EPOCH | {"train": {}}]),
        ("history", [EPOCH | {"valid": {"rate": 1.0}}]),
        ("history", [EPOCH | {"notes": "none"}]),
        ("position", None),
    ],
)
def test_a_header_that_cannot_be_built_from_is_refused(run_dir, key, value):
    from vaecli.run import checkpoint

    tensors, header = checkpoint.load(run_dir / names.CHECKPOINT)
    checkpoint.save(run_dir / names.CHECKPOINT, tensors, {**header, key: value})
    with pytest.raises(RunError, match="has a broken header"):
        vaecli.open(run_dir).model()


@pytest.mark.parametrize(
    "false", [{"latent_dim": 2**31 - 1}, {"network": "mlp:width=1000000,depth=9"}]
)
def test_a_false_header_cannot_ask_for_memory(run_dir, false):
    """Its sizes are compared with the tensors before anything so large is made."""
    from vaecli.run import checkpoint

    tensors, header = checkpoint.load(run_dir / names.CHECKPOINT)
    header["config"].update(false)
    checkpoint.save(run_dir / names.CHECKPOINT, tensors, header)
    with pytest.raises(RunError, match=r"does not fit its own configuration|broken header"):
        vaecli.open(run_dir).model()


def test_a_checkpoint_with_numbers_that_are_not_finite_is_refused(run_dir):
    from vaecli.run import checkpoint

    tensors, header = checkpoint.load(run_dir / names.CHECKPOINT)
    tensors["model.posterior.head.bias"][0] = float("nan")
    checkpoint.save(run_dir / names.CHECKPOINT, tensors, header)
    with pytest.raises(RunError, match=r"not finite, in model.posterior.head.bias"):
        vaecli.open(run_dir).model()


def test_what_may_not_be_read_is_said(run_dir, monkeypatch):
    from pathlib import Path

    def denied(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    run = vaecli.open(run_dir)
    monkeypatch.setattr(Path, "is_file", denied)
    for read in (lambda: vaecli.open(run_dir), run.model):
        with pytest.raises(RunError, match="Permission denied"):
            read()
    monkeypatch.undo()
    monkeypatch.setattr(Path, "read_text", denied)
    with pytest.raises(RunError, match="Permission denied"):
        run.losses()

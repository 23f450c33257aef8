"""What only training does to a run: checkpoints, losses.csv, run.json and config.json."""

import os
import platform
import signal
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

import vaecli
from tests import runs
from tests.conftest import bars
from vaecli.config.config import Config
from vaecli.data.images import Images
from vaecli.data.splits import Splits
from vaecli.run import names
from vaecli.run.create import make_run
from vaecli.run.lock import run_lock
from vaecli.run.writer import RunWriter, check_start, required_disk, restore_state
from vaecli.system import machine
from vaecli.system.errors import ConfigError, Interrupted, ResourceError, RunError, TrainingDiverged
from vaecli.training.epoch import Epoch
from vaecli.training.loop import Step, fit
from vaecli.training.state import start

CONFIG = Config(latent_dim=3, network="mlp:width=16,depth=1", epochs=3, batch_size=32, lr=1e-2)
TRAIN = bars(100)
TEST = bars(40, seed=1)


@pytest.fixture
def run(tmp_path):
    """A new run of `CONFIG`."""
    return make_run(CONFIG, tmp_path / "run")


def trained_state(config=CONFIG, epochs=1, validation=None):
    """The state after some epochs, at the first batch of the next."""
    state = start(config, TRAIN)
    for event in fit(state, TRAIN, TEST, validation):
        if isinstance(event, Epoch) and event.number == epochs:
            return state
    raise AssertionError("there are not so many epochs")


def stopped_state(batches, config=CONFIG):
    """The state after some batches, in the middle of an epoch."""
    state = start(config, TRAIN)
    events = fit(state, TRAIN, TEST)
    while batches:
        batches -= isinstance(next(events), Step)
    return state


def test_a_writer_holds_the_lock_and_names_its_process(run):
    with RunWriter(run):
        assert runs.record(run.folder)["pid"] == os.getpid()
        assert runs.record(run.folder)["host"] == platform.node()
        with pytest.raises(ConfigError, match="is being trained by process"), RunWriter(run):
            pass
    with RunWriter(run):
        pass


def test_a_writer_of_a_run_without_a_record_releases_the_lock(run):
    (run.folder / names.RECORD).unlink()
    with pytest.raises(RunError, match="is missing"), RunWriter(run):
        pass
    with run_lock(run.folder):
        assert not (run.folder / names.RECORD).exists()


def test_leftovers_of_a_killed_writer_are_removed(run_dir):
    stale = [place / f".tmp-0123456{i}" for i, place in enumerate(places(run_dir))]
    for path in stale:
        path.write_bytes(b"half")
    with RunWriter(vaecli.open(run_dir)):
        assert not any(path.exists() for path in stale)


def places(run_dir):
    """The folders that vaecli writes into."""
    return run_dir, run_dir / names.CHECKPOINTS, run_dir / names.EPOCHS


def test_nothing_that_resembles_a_leftover_is_removed(run_dir, tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    for place in places(run_dir):
        for name in (".tmp-notes", ".tmp-", ".tmp-0123456", ".tmp-0123456789", ".tmp-0123ABCD"):
            (place / name).write_bytes(b"precious")
        (place / ".tmp-0000000a").mkdir()
        (place / ".tmp-0000000a" / "thesis.txt").write_bytes(b"precious")
        (place / ".tmp-0000000b").symlink_to(victim)
    before = set(run_dir.rglob("*"))
    with RunWriter(vaecli.open(run_dir)):
        pass
    assert set(run_dir.rglob("*")) == before
    assert victim.read_bytes() == b"precious"


def test_the_saved_model_is_the_trained_one(run):
    state = trained_state()
    with RunWriter(run) as writer:
        writer.save(state)
    runs.assert_same_tensors(run.model().state_dict(), state.model.state_dict())


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("batches", [1, 2, 3, 4, 5, 8, 11])
def test_a_run_stopped_after_any_batch_goes_on_as_if_it_had_not(run, optimizer, batches):
    config = replace(CONFIG, optimizer=optimizer, lr=1e-3)
    whole = start(config, TRAIN)
    list(fit(whole, TRAIN, TEST))
    first = stopped_state(batches, config)
    with RunWriter(run) as writer:
        writer.save(first)
    second = start(config, TRAIN)
    restore_state(run, second)
    assert (second.batch, len(second.history)) == (first.batch, len(first.history))
    assert second.means.read() == first.means.read()
    torch.manual_seed(batches)  # random numbers drawn elsewhere do not matter
    list(fit(second, TRAIN, TEST))
    runs.assert_same_tensors(second.tensors(), whole.tensors())
    assert [(e.train, e.test) for e in second.history] == [(e.train, e.test) for e in whole.history]


def test_a_restored_state_knows_its_rollbacks_and_its_seconds(run):
    state = stopped_state(2)
    state.rollbacks = 2
    with RunWriter(run) as writer:
        writer.save(state)
    restored = start(CONFIG, TRAIN)
    restore_state(run, restored)
    assert restored.rollbacks == 2
    assert restored.seconds == state.seconds > 0


def test_a_restored_state_shares_nothing_with_the_file(run):
    with RunWriter(run) as writer:
        writer.save(stopped_state(1))
    saved = run.checkpoint.read_bytes()
    other = start(CONFIG, TRAIN)
    restore_state(run, other)
    next(fit(other, TRAIN, TEST))
    assert run.checkpoint.read_bytes() == saved


def test_without_a_checkpoint_a_state_stays_new(run):
    state = start(CONFIG, TRAIN)
    restore_state(run, state)
    assert (state.batch, state.history) == (0, [])


def test_a_checkpoint_of_another_shape_is_refused(run_dir):
    state = start(replace(CONFIG, latent_dim=5), TRAIN)
    with pytest.raises(
        RunError, match=r"model.likelihood.decoder.net.0.weight: expected \(16, 5\)"
    ):
        restore_state(vaecli.open(run_dir), state)


def test_a_state_that_is_not_finite_is_not_saved(run):
    state = trained_state()
    with RunWriter(run) as writer:
        writer.save(state)
        good = run.checkpoint.read_bytes()
        with torch.no_grad():
            next(iter(state.model.parameters()))[0, 0] = float("inf")
        with pytest.raises(TrainingDiverged, match=r"model\.posterior.* is no longer finite"):
            writer.save(state)
    assert run.checkpoint.read_bytes() == good


def test_a_checkpoint_in_the_middle_of_an_epoch_writes_no_row_and_no_other_checkpoint(run):
    config = replace(CONFIG, save_every=1, validation=10)
    with RunWriter(run) as writer:
        writer.save(stopped_state(2, config))
        assert not (run.folder / names.LOSSES).exists()
        writer.save(stopped_state(6, config))
    assert [row["epoch"] for row in runs.losses(run.folder)] == ["1"]
    assert [p.name for p in (run.folder / names.CHECKPOINTS).iterdir()] == ["last.safetensors"]


def test_checkpoints_are_kept_every_n_epochs(run):
    config = replace(CONFIG, save_every=2)
    with RunWriter(run) as writer:
        writer.save(trained_state(config, epochs=1))
        writer.save(trained_state(config, epochs=2))
        writer.save(trained_state(config, epochs=3))
    found = {p.name for p in (run.folder / names.CHECKPOINTS).iterdir()}
    assert found == {"last.safetensors", "epoch-0002.safetensors"}
    kept = runs.tensors(run.folder, names.EPOCH_CHECKPOINT.format(2))
    runs.assert_same_tensors(kept, trained_state(config, epochs=2).tensors())


def test_the_best_checkpoint_is_the_model_of_the_best_epoch(run):
    config = replace(CONFIG, validation=20)
    state = trained_state(config, validation=TEST)
    with RunWriter(run) as writer:
        writer.save(state)
        best = runs.tensors(run.folder, names.BEST)
        assert best.keys() == {n for n in state.tensors() if n.startswith("model.")}
        worse = {name: value + 1 for name, value in state.history[0].valid.items()}
        state.history.append(replace(state.history[0], number=2, valid=worse))
        with torch.no_grad():
            next(iter(state.model.parameters())).add_(1)
        writer.save(state)
    runs.assert_same_tensors(runs.tensors(run.folder, names.BEST), best)


def test_the_bad_means_of_a_diverged_epoch_are_a_row_that_the_next_save_removes(run):
    state = stopped_state(6)
    state.means.sums = state.means.sums * float("nan")
    with RunWriter(run) as writer:
        writer.record_divergence(state)
        assert [row["epoch"] for row in runs.losses(run.folder)] == ["1", "2"]
        assert runs.losses(run.folder)[1]["train_loss"] == "nan"
        assert runs.losses(run.folder)[1]["test_loss"] == ""
        assert float(runs.losses(run.folder)[1]["train_seconds"]) == state.seconds > 0
        writer.save(trained_state())
    assert [row["epoch"] for row in runs.losses(run.folder)] == ["1"]


def test_a_divergence_in_the_first_epoch_has_columns_for_validation(run):
    with RunWriter(run) as writer:
        writer.record_divergence(stopped_state(2, replace(CONFIG, validation=10)))
    (row,) = runs.losses(run.folder)
    assert (row["epoch"], row["valid_loss"], row["test_loss"]) == ("1", "", "")
    assert float(row["train_loss"]) > 0


def test_a_divergence_before_the_first_batch_writes_no_row(run):
    with RunWriter(run) as writer:
        writer.record_divergence(start(CONFIG, TRAIN))
    assert not (run.folder / names.LOSSES).exists()


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (TrainingDiverged("the loss became nan"), "diverged", "the loss became nan"),
        (Interrupted(signal.SIGTERM, "Stopped by SIGTERM."), "interrupted", "Stopped by SIGTERM."),
        (KeyboardInterrupt(), "interrupted", ""),
        (
            GeneratorExit(),
            "interrupted",
            "The caller closed the training generator before it ended.",
        ),
        (ZeroDivisionError("x"), "failed", "ZeroDivisionError('x')"),
        (ResourceError("the disk is full"), "failed", "ResourceError('the disk is full')"),
    ],
)
def test_the_record_says_how_a_run_ended(run_dir, error, status, reason):
    runs.set_record(run_dir, status="running", ended=None)
    with (
        RunWriter(vaecli.open(run_dir)) as writer,
        pytest.raises(type(error)),
        writer.record_outcome(),
    ):
        raise error
    found = runs.record(run_dir)
    assert (found["status"], found["reason"]) == (status, reason)
    assert found["ended"] is not None


def test_a_new_run_begins_with_what_is_known_of_the_machine_and_the_data(run):
    state = start(CONFIG, TRAIN)
    (run.folder / names.CONFIG).unlink()
    with RunWriter(run) as writer:
        writer.begin(state, {"data": {"train": "x"}}, resumed=False)
    assert not (run.folder / names.CONFIG).exists()  # it was written when the run was made
    found = runs.record(run.folder)
    assert (found["status"], found["resumes"], found["rollbacks"]) == ("running", 0, 0)
    assert (found["device"], found["threads"]) == ("cpu", torch.get_num_threads())
    assert found["versions"] == {
        "vaecli": vaecli.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    assert found["data"] == {"train": "x"}
    assert found["parameters"] == state.parameters


def test_a_resumed_run_begins_again_with_its_new_configuration(run_dir):
    runs.set_record(run_dir, reason="the loss was NaN", status="diverged", rollbacks=3)
    state = start(replace(CONFIG, epochs=9), TRAIN)
    state.rollbacks = 2  # of its checkpoint
    for resumes in (1, 2):
        with RunWriter(vaecli.open(run_dir)) as writer:
            writer.begin(state, {"data": {"train": "x"}}, resumed=True)
        found = runs.record(run_dir)
        assert (found["status"], found["reason"], found["ended"]) == ("running", None, None)
        assert (found["resumes"], found["rollbacks"]) == (resumes, 2)
    assert runs.config(run_dir)["epochs"] == 9


def test_other_data_are_refused_unless_they_are_allowed(run):
    state = start(CONFIG, TRAIN)
    images = Splits(TRAIN, TEST)
    found = check_start(run, None, state, images)
    assert found == {"train": TRAIN.fingerprint(), "test": TEST.fingerprint()}
    record = run.record.model_copy(update={"data": found})
    assert check_start(run, record, state, images) == found
    other = Splits(bars(99), TEST)
    with pytest.raises(ConfigError, match=r"The data differ from those .*--allow-data-change"):
        check_start(run, record, state, other)
    allowed = check_start(run, record, state, other, allow_data_change=True)
    assert allowed["train"] == bars(99).fingerprint()


def changed_in_one_place(images, what):
    """The images with another last pixel, first pixel, last label or shape."""
    x, labels = images.x.clone(), images.labels.clone()
    if what == "last pixel":
        x[-1, 0, -1, -1] ^= 1
    elif what == "first pixel":
        x[0, 0, 0, 0] ^= 1
    elif what == "last label":
        labels[-1] ^= 1
    elif what == "first label":
        labels[0] ^= 1
    elif what == "order":
        x = x.flip(0)
    elif what == "shape":
        x = x.reshape(len(x), 1, 4, 16)
    return Images(x, labels, images.classes)


@pytest.mark.parametrize("what", ["last pixel", "first pixel", "last label", "order", "shape"])
@pytest.mark.parametrize("split", ["train", "test", "validation"])
def test_data_that_differ_anywhere_are_other_data(run, split, what):
    """In any split, whatever part of it."""
    state = start(CONFIG, TRAIN)
    images = Splits(TRAIN, TEST, bars(20, seed=2))
    found = check_start(run, None, state, images)
    assert found.keys() == {"train", "test", "validation"}
    assert len(set(found.values())) == 3
    record = run.record.model_copy(update={"data": found})
    other = images._replace(**{split: changed_in_one_place(getattr(images, split), what)})
    with pytest.raises(ConfigError, match="The data differ from those"):
        check_start(run, record, state, other)
    allowed = check_start(run, record, state, other, allow_data_change=True)
    assert {name for name, digest in allowed.items() if digest != found[name]} == {split}


def test_every_image_of_a_large_split_counts():
    """The last pixel and the last label of 3,000 images."""
    images = Images(torch.zeros(3000, 1, 2, 2, dtype=torch.uint8), torch.zeros(3000), 2)
    for what in ("last pixel", "last label"):
        x, labels = images.x.clone(), images.labels.clone()
        (x if what == "last pixel" else labels).view(-1)[-1] = 1
        assert Images(x, labels, 2).fingerprint() != images.fingerprint()


def test_a_split_that_was_not_there_before_is_other_data(run):
    state = start(CONFIG, TRAIN)
    found = check_start(run, None, state, Splits(TRAIN, TEST))
    record = run.record.model_copy(update={"data": found})
    with pytest.raises(ConfigError, match="The data differ from those"):
        check_start(run, record, state, Splits(TRAIN, TEST, bars(20)))


@pytest.mark.parametrize("lacking", [0, 1])
def test_a_disk_without_room_is_refused(run, monkeypatch, lacking):
    state = start(CONFIG, TRAIN)
    usage = SimpleNamespace(free=required_disk(state) - lacking)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: usage)
    if not lacking:
        assert check_start(run, None, state, Splits(TRAIN, TEST))
        return
    with pytest.raises(ResourceError, match="of disk"):
        check_start(run, None, state, Splits(TRAIN, TEST))


def test_the_estimate_of_disk_counts_checkpoints_and_pictures(run):
    checkpoint = sum(tensor.nbytes for tensor in start(CONFIG, TRAIN).tensors().values())
    picture = 64 * 64  # 64 samples of 8x8 pixels

    def needed(**changes):
        return required_disk(start(replace(CONFIG, **changes), TRAIN))

    assert needed() == 2 * checkpoint + (4 + 3) * picture  # the old and the new one at a time
    assert needed(validation=10) == 3 * checkpoint + (4 + 3) * picture
    assert needed(save_every=2) == 3 * checkpoint + (4 + 3) * picture
    assert needed(sample_every=3) == 2 * checkpoint + (4 + 1) * picture
    with RunWriter(run) as writer:
        writer.save(trained_state())
    state = start(CONFIG, TRAIN)
    restore_state(run, state)
    assert required_disk(state) == checkpoint + (4 + 2) * picture


@pytest.mark.parametrize("every", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("epochs", [1, 3, 4, 7])
def test_the_estimate_of_disk_counts_the_epochs_that_are_written(every, epochs):
    """Those whose number is a multiple, among the epochs that are left."""
    config = replace(CONFIG, epochs=epochs, save_every=every, sample_every=every)
    state = start(config, TRAIN)
    checkpoint = sum(t.numel() * t.element_size() for t in state.tensors().values())
    picture = 64 * 1 * 8 * 8
    epoch = Epoch(1, {"loss": 1.0}, {"loss": 1.0}, 0.0, 0.0)
    for done in range(epochs + 1):
        state.history = [replace(epoch, number=n) for n in range(1, done + 1)]
        written = sum(number % every == 0 for number in range(done + 1, epochs + 1))
        last = 1 if done else 2
        assert required_disk(state) == (last + written) * checkpoint + (4 + written) * picture


def test_a_run_that_is_resumed_in_its_first_epoch_needs_room_for_one_more_checkpoint(run):
    new = start(CONFIG, TRAIN)
    with RunWriter(run) as writer:
        writer.save(stopped_state(2))
    resumed = start(CONFIG, TRAIN)
    restore_state(run, resumed)
    size = sum(tensor.nbytes for tensor in resumed.tensors().values())
    less = required_disk(new) - required_disk(resumed)
    assert less == pytest.approx(size, abs=16)  # the sums of the means are part of it by now


def test_colour_pictures_need_three_times_the_room():
    def pictures(channels):
        x = torch.zeros(8, channels, 8, 8, dtype=torch.uint8)
        state = start(CONFIG, Images(x, torch.zeros(8, dtype=torch.uint8)))
        size = sum(tensor.nbytes for tensor in state.tensors().values())
        return required_disk(state) - 2 * size

    assert (pictures(1), pictures(3)) == (7 * 64 * 64, 7 * 64 * 64 * 3)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("group", ["model", "objective", "optimizer", "means"])
def test_a_number_that_is_not_finite_is_never_saved_whatever_it_belongs_to(run, group, number):
    """The last element of the last tensor of each group."""
    state = stopped_state(2, replace(CONFIG, posterior="dirac", objective="adversarial"))
    with RunWriter(run) as writer:
        writer.save(state)
        good = run.checkpoint.read_bytes()
        name = [n for n in state.tensors() if n.startswith(f"{group}.")][-1]
        if group == "means":
            name = "means.sums"
        with torch.no_grad():
            state.tensors()[name].view(-1)[-1] = number
        with pytest.raises(TrainingDiverged, match=f"{name} is no longer finite"):
            writer.save(state)
    assert run.checkpoint.read_bytes() == good

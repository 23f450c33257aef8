"""The start of a training: images, state and a locked run, or nothing at all."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import vaecli
from tests import runs
from tests.conftest import bars, write_idx
from tests.experiments.trainings import options
from vaecli.experiments import prepare as module
from vaecli.experiments.prepare import prepare, start_run
from vaecli.experiments.resume import make_plan
from vaecli.run import directory, names
from vaecli.run.lock import run_lock
from vaecli.system import machine
from vaecli.system.errors import ConfigError, DataError, ResourceError


def start(chosen, run_dir=None, existing=None, **more):
    """Start a run and end it at once; its state and its folder."""
    plan = make_plan(chosen, run_dir=run_dir, resume=existing)
    with start_run(plan.config, plan.run, run_dir, **more) as started:
        return started.state, started.writer.folder


def test_images_and_state_are_those_of_the_configuration(digits):
    config = make_plan(options(digits, validation=32, lr=0.5)).config
    prepared = prepare(config)
    assert (len(prepared.images.train), len(prepared.images.test)) == (64, 40)
    assert len(prepared.images.validation) == 32
    assert prepared.state.config == config
    assert (prepared.state.batch, prepared.state.history) == (0, [])
    assert prepared.notices == []


@pytest.fixture
def photos(tmp_path):
    """A folder of 12 images of noise, so that no check finds fault with them."""
    random = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for number in range(12):
        pixels = random.integers(0, 256, (6, 6), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    return tmp_path / "photos"


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (0, None),
        (1, "1 image is left out; run.json names it. "),
        (2, "2 images are left out; run.json names them. "),
        (3, "3 images are left out; run.json names them. "),
    ],
)
def test_images_that_are_left_out_are_counted_and_the_first_is_named(
    photos, tmp_path, monkeypatch, bad, text
):
    monkeypatch.setattr(module, "MAX_RECORDED", 2)
    for number in range(bad):
        (photos / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    calls = []
    chosen = options("unused", data=str(photos), data_dir=None, skip_bad=True)
    plan = make_plan(chosen, run_dir=tmp_path / "run")
    watch = {"on_progress": lambda *call: calls.append(call)}
    with start_run(plan.config, None, tmp_path / "run", **watch) as started:
        names_of_bad = started.bad_images
    assert ("reading sizes", 12, 12) in calls
    recorded = runs.record(tmp_path / "run")
    assert len(names_of_bad) == bad
    assert recorded["bad_images"] == names_of_bad[:2]
    assert recorded["derived"] == ["image_size", "channels"]
    found = [(notice.level, notice.text) for notice in started.notices]
    assert found == ([("warning", text + names_of_bad[0])] if text else [])
    size = started.state.config.image_size
    assert (size, runs.config(tmp_path / "run")["image_size"]) == ("6", "6")


def test_notices_about_the_images_and_faults_in_them_are_passed_on(photos):
    (photos / "notes.txt").write_text("hello")
    (photos / "copy.png").write_bytes((photos / "1.png").read_bytes())
    chosen = options("unused", data=str(photos), data_dir=None, test_fraction=0.01)
    notices = prepare(make_plan(chosen).config).notices
    assert [notice.level for notice in notices] == ["info", "warning"]
    assert notices[0].text == "Skipped: 1 not an image."
    assert "are copies of others" in notices[1].text


def test_named_sets_are_not_looked_at_for_faults(digits, monkeypatch):
    """Their faults are known, and every user would be told of them."""
    monkeypatch.setattr(module, "quick_check", lambda _: ["a fault"])
    assert prepare(make_plan(options(digits)).config).notices == []


def test_a_resume_keeps_what_followed_from_the_images(photos, tmp_path):
    chosen = options("unused", data=str(photos), data_dir=None)
    start(chosen, tmp_path / "run")
    start({"epochs": 9}, existing=str(tmp_path / "run"))
    assert runs.record(tmp_path / "run")["derived"] == ["image_size", "channels"]
    assert runs.record(tmp_path / "run")["caches"] == []


def test_caches_are_recorded(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("VAECLI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("vaecli.data.cache.MIN_SIZE", 0)
    start(options("unused", data=str(photos), data_dir=None), tmp_path / "run")
    found = runs.record(tmp_path / "run")["caches"]
    assert sorted(found) == sorted(map(str, (tmp_path / "cache").iterdir()))
    assert len(found) == 2


def test_freed_memory_is_kept_once_the_images_are_loaded(digits, monkeypatch):
    """What reading took is given back first."""
    calls = []
    for name in ("load_all", "keep_freed_memory"):
        real = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *a, real=real, name=name: (calls.append(name), real(*a))[1]
        )
    prepare(make_plan(options(digits)).config)
    assert calls == ["load_all", "keep_freed_memory"]


def test_an_objective_that_torch_cannot_compile_trains_with_a_warning(digits):
    prepared = prepare(make_plan(options(digits, compile=True, preset="rae-gp")).config)
    (notice,) = prepared.notices
    assert notice.level == "warning"
    assert notice.text.startswith("torch cannot compile rae:")
    assert notice.text.endswith(": --compile is ignored.")
    assert not prepared.state.compile


def test_several_processes_train_without_the_compiler_with_a_warning(digits, monkeypatch):
    monkeypatch.setattr(module.processes, "count", lambda: 2)
    prepared = prepare(make_plan(options(digits, compile=True)).config)
    (notice,) = prepared.notices
    assert notice.level == "warning"
    assert notice.text == ("Training by several processes is not compiled: --compile is ignored.")
    assert not prepared.state.compile


@pytest.mark.parametrize("works", [True, False])
def test_without_a_compiler_training_starts_with_a_warning(digits, monkeypatch, works):
    monkeypatch.setattr(module.devices, "can_compile", lambda: works)
    prepared = prepare(make_plan(options(digits, compile=True)).config)
    assert prepared.state.compile == works
    if works:
        assert prepared.notices == []
    else:
        (notice,) = prepared.notices
        assert notice.level == "warning"
        assert notice.text == "torch found no working C++ compiler: --compile is ignored."


def test_a_started_run_is_locked_until_the_end(digits, tmp_path):
    run = tmp_path / "run"
    plan = make_plan(options(digits), run_dir=run)
    with (
        start_run(plan.config, None, run) as started,
        pytest.raises(ConfigError, match="is being trained by process"),
        run_lock(run),
    ):
        pass
    assert started.writer.record.status == "running"
    assert not (run / names.LOCK).exists()


def test_a_resumed_run_starts_where_it_was(digits, run_dir):
    state, folder = start({"epochs": 5}, existing=str(run_dir))
    assert folder == run_dir
    assert len(state.history) == 2
    runs.assert_same_tensors(state.tensors(), runs.tensors(run_dir))
    assert runs.record(run_dir)["status"] == "running"
    assert runs.record(run_dir)["resumes"] == 1


def test_a_run_without_a_checkpoint_is_resumed_with_the_new_options(digits, tmp_path):
    """It was killed in its first epoch; a second kill must not bring the old options back."""
    start(options(digits, epochs=3), tmp_path / "run")
    state, _ = start({"epochs": 9}, existing=str(tmp_path / "run"))
    assert state.config.epochs == 9
    assert runs.config(tmp_path / "run")["epochs"] == 9


def test_a_start_that_fails_leaves_nothing(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError):
        start(options("nowhere"))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError):
        start(options(digits, latent_dim=1, posterior="iaf", prior="codes"))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_start_is_undone_before_its_lock_is_released(digits, tmp_path, monkeypatch):
    """Else another process could start there, and lose what it wrote."""
    clear = directory.clear
    locked = []

    def watched(folder):
        locked.append((folder / names.LOCK).exists())
        clear(folder)

    monkeypatch.setattr(directory, "clear", watched)
    with pytest.raises(DataError):
        start(options("nowhere"), tmp_path / "run")
    assert locked == [True, True]  # at the start, then to undo it
    assert list(tmp_path.iterdir()) == []


def test_a_resume_that_fails_leaves_the_run_as_it_was(run_dir):
    runs.set_record(run_dir, data={"train": "0" * 64, "test": "0" * 64})
    before = {path: path.read_bytes() for path in (run_dir / "config.json", run_dir / "losses.csv")}
    with pytest.raises(ConfigError, match="The data differ from those"):
        start({"epochs": 3}, existing=str(run_dir))
    assert {path: path.read_bytes() for path in before} == before
    assert runs.record(run_dir)["status"] == "completed"
    start({"epochs": 3}, existing=str(run_dir), allow_data_change=True)
    assert runs.record(run_dir)["data"]["train"] == bars(96).fingerprint()


def test_too_little_disk_is_an_error_before_training(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=50_000))
    with pytest.raises(ResourceError, match=r"run needs about \d+ MB of disk, and 0 MB are left"):
        start(options(digits), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_images_that_do_not_fit_in_memory_are_not_read(tmp_path, monkeypatch):
    data = write_idx(tmp_path / "data")
    monkeypatch.setattr(machine, "available_memory", lambda: 96 * 64 - 1)
    with pytest.raises(ResourceError, match=r"train-images-idx3-ubyte\.gz needs 0 MB of memory"):
        start(options(data), tmp_path / "run")
    monkeypatch.setattr(machine, "available_memory", lambda: 96 * 64)
    with pytest.raises(ResourceError, match="Training a model of this width and latent_dim needs"):
        start(options(data), tmp_path / "run")
    monkeypatch.setattr(machine, "available_memory", lambda: 1_000_000)
    state, _ = start(options(data), tmp_path / "run")
    assert state.shape == (1, 8, 8)


def test_a_python_user_needs_no_run_directory(digits):
    config = make_plan(options(digits)).config
    data = vaecli.load(config)
    assert vaecli.start(config, data.train).parameters == prepare(config).state.parameters

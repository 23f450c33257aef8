"""Tests of an export: its files against the model, what is refused, and how files are written."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from tests.conftest import TINY, vaecli
from vaecli.data.splits import load_split
from vaecli.evaluation.bounds import evaluate_bound
from vaecli.evaluation.decoding import sample_images
from vaecli.export import export, graphs, programs
from vaecli.export.export import export_run
from vaecli.export.exported import NotExportable
from vaecli.run.find import open_run
from vaecli.system.errors import ConfigError, ResourceError, RunError
from vaecli.system.seeds import random_stream

pytestmark = pytest.mark.slow

GRAPHS = ["encoder", "decoder", "scorer", "sampler"]


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    """The exported files of a run of two epochs."""
    return export_run(open_run(trained), tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="module")
def conditional(digits, tmp_path_factory):
    """A run of a conditional model with a fitted prior, and its exported files."""
    folder = tmp_path_factory.mktemp("conditional") / "run"
    options = ("--conditional", "--fitted-prior", "mixture:components=2", "--epochs", 1)
    assert vaecli("train", "-q", "--data-dir", digits, *TINY, *options, "--run-dir", folder) == 0
    run = open_run(folder)
    return run, export_run(run, folder / "export")


def path_of(exported, graph, format="onnx"):
    (file,) = [f for f in exported.files if (f.graph, f.format) == (graph, format)]
    return file.path


def onnx_run(exported, graph, **inputs):
    """The outputs of a file in onnxruntime, by name."""
    session = onnxruntime.InferenceSession(path_of(exported, graph))
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def pt2_run(exported, graph, *inputs):
    program = torch.export.load(path_of(exported, graph, "pt2"))
    return program.module()(*inputs)


def test_every_graph_has_both_formats(exported):
    assert [file.path.name for file in exported.files] == [
        f"{graph}.{format}" for graph in GRAPHS for format in ("onnx", "pt2")
    ]
    assert exported.refused == {}
    for file in exported.files:
        assert 0 <= file.max_difference <= 1e-5


@pytest.mark.parametrize("batch", [1, 2, 3, 64, 200])
def test_files_give_what_the_model_gives(trained, exported, batch):
    model, _ = open_run(trained).parts()
    x = torch.rand(batch, 1, 8, 8, generator=torch.Generator().manual_seed(batch))
    q = model.encode(x)
    found = onnx_run(exported, "encoder", image=x.numpy())
    assert np.allclose(found["mean"], q.mean.detach(), atol=1e-5)
    assert np.allclose(found["log_variance"], q.variance.log().detach(), atol=1e-5)
    for ours, theirs in zip(pt2_run(exported, "encoder", x), found.values(), strict=True):
        assert np.allclose(ours.detach(), theirs, atol=1e-5)
    pixels = model.reconstruct(x)
    found = onnx_run(exported, "decoder", latent=found["mean"])["pixels"]
    assert np.allclose(found, pixels, atol=1e-5)
    assert torch.allclose(pt2_run(exported, "decoder", q.mean)[0], pixels, atol=1e-5)


def test_the_scorer_gives_the_bound_of_evaluate(trained, exported):
    """Over the noise of many seeds, for the same images."""
    run = open_run(trained)
    images = load_split(run.config, "test")
    x = images.pixels(slice(None)).numpy()
    random = np.random.default_rng(0)
    scores = []
    for _ in range(200):
        noise = random.standard_normal((len(x), 3), dtype=np.float32)
        found = onnx_run(exported, "scorer", image=x, noise=noise)
        assert np.allclose(found["negative_elbo"], found["distortion"] + found["rate"], atol=1e-3)
        scores.append(found["negative_elbo"].mean())
    expected = [
        evaluate_bound(*run.parts(), images, None, seed)["negative_elbo"] for seed in range(50)
    ]
    error = np.hypot(np.std(scores) / 200**0.5, np.std(expected) / 50**0.5)
    assert abs(np.mean(scores) - np.mean(expected)) < 4 * error


def test_labels_choose_the_class(conditional):
    run, exported = conditional
    model = run.model()
    assert exported.refused == {}
    z = torch.randn(4, 3)
    label = torch.tensor([0, 1, 1, 0])
    expected = model.decode(z, model.one_hot(label))
    found = onnx_run(exported, "decoder", latent=z.numpy(), label=label.numpy())["pixels"]
    assert np.allclose(found, expected, atol=1e-5)
    assert torch.allclose(pt2_run(exported, "decoder", z, label)[0], expected, atol=1e-5)
    other = onnx_run(exported, "decoder", latent=z.numpy(), label=1 - label.numpy())["pixels"]
    assert not np.allclose(other, expected, atol=1e-2)


def test_the_sampler_draws_from_the_fitted_prior(conditional):
    run, exported = conditional
    (file,) = [f for f in exported.files if f.path.name == "sampler.onnx"]
    noise = np.random.default_rng(0).standard_normal((4000, file.inputs[0].shape[1]))
    label = np.arange(4000) % 2
    found = onnx_run(exported, "sampler", noise=noise.astype(np.float32), label=label)["latent"]
    model = run.model()
    torch.manual_seed(0)
    own = model.sample_latent(4000, model.one_hot(torch.from_numpy(label))).numpy()
    for c in (0, 1):
        spread = own[label == c].std(0)
        shift = np.abs(found[label == c].mean(0) - own[label == c].mean(0))
        assert (shift < 0.15 * spread).all()
        assert np.allclose(found[label == c].std(0), spread, rtol=0.1)


def read_metadata(path):
    if path.suffix == ".onnx":
        return {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    files = {programs.METADATA_FILE: ""}
    torch.export.load(path, extra_files=files)
    return json.loads(files[programs.METADATA_FILE])


def test_every_file_says_how_to_use_it(conditional):
    run, exported = conditional
    for file in exported.files:
        about = read_metadata(file.path)
        assert about.items() >= exported.metadata.items()
        assert about["graph"] == file.graph
        assert [port["name"] for port in json.loads(about["inputs"])] == [
            port.name for port in file.inputs
        ]
        assert about["fitted_prior"].startswith("mixture:components=2")
        assert json.loads(about["image_shape"]) == [1, 8, 8]
        assert json.loads(about["latent_shape"]) == [3]
        assert about["latent_dim"] == "3"
        assert about["preset"] == run.config.preset
        assert "8x8" in about["image_preparation"]


def test_the_ports_of_an_onnx_file_are_those_that_are_said(conditional):
    types = {"float32": "tensor(float)", "int64": "tensor(int64)"}
    for file in conditional[1].files:
        if file.format == "onnx":
            onnx.checker.check_model(onnx.load(file.path), full_check=True)
            session = onnxruntime.InferenceSession(file.path)
            for ports, found in (
                (file.inputs, session.get_inputs()),
                (file.outputs, session.get_outputs()),
            ):
                assert [(p.name, types[p.type]) for p in ports] == [(f.name, f.type) for f in found]
                assert [list(p.shape) for p in ports] == [f.shape for f in found]


def test_a_file_names_no_path_of_this_machine_and_holds_only_its_weights(exported):
    for file in exported.files:
        content = [file.path.read_bytes()]
        if file.format == "pt2":
            archive = zipfile.ZipFile(file.path)
            content = [archive.read(name) for name in archive.namelist()]
        for part in content:
            assert b"/vaecli/" not in part
            assert b"site-packages" not in part
    sizes = {file.path.name: file.path.stat().st_size for file in exported.files}
    weights = 4 * (64 * 16 + 16 + 3 * 16 + 16 + 16 * 64 + 64)
    assert sizes["sampler.onnx"] < weights / 2


def test_the_same_run_gives_the_same_bytes(trained, exported, tmp_path):
    again = export_run(open_run(trained), tmp_path)
    for file, first in zip(again.files, exported.files, strict=True):
        assert file.path.read_bytes() == first.path.read_bytes(), file.path.name


def test_a_file_that_differs_from_the_model_is_refused(trained, tmp_path, monkeypatch):
    def shifted(content, inputs):
        return [output + np.float32(2e-2) for output in run_pt2(content, inputs)]

    run_pt2 = export.run_pt2
    monkeypatch.setattr(export, "run_pt2", shifted)
    with pytest.raises(RunError, match=r"The outputs of encoder.pt2 differ by \d\.\de-02 from"):
        export_run(open_run(trained), tmp_path / "out", ["pt2"])
    assert not (tmp_path / "out").exists()


def test_one_refused_graph_leaves_the_others(trained, tmp_path, monkeypatch):
    def refuse(*_):
        raise NotExportable("It is Sunday.")

    monkeypatch.setattr(graphs.ScorerGraph, "__init__", refuse)
    (tmp_path / "scorer.pt2").write_text("of an earlier export")
    (tmp_path / "notes.txt").write_text("of the user")
    found = export_run(open_run(trained), tmp_path, ["pt2"])
    assert found.refused == {"scorer": "It is Sunday."}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "decoder.pt2",
        "encoder.pt2",
        "notes.txt",
        "sampler.pt2",
    ]


def test_without_the_extra_only_pt2_can_be_written(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "onnxscript" else name)
    with pytest.raises(ConfigError) as error:
        export_run(open_run(trained), tmp_path / "a")
    assert str(error.value) == (
        'ONNX files need the package onnxscript: pip install "vaecli[onnx]", or write only '
        "torch.export files by format='pt2'."
    )
    assert not (tmp_path / "a").exists()
    assert len(export_run(open_run(trained), tmp_path / "b", ["pt2"]).files) == 4


def test_a_full_disk_is_met_before_a_file_is_replaced(trained, tmp_path, monkeypatch):
    (tmp_path / "encoder.pt2").write_text("old")
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 100}))
    with pytest.raises(ResourceError):
        export_run(open_run(trained), tmp_path, ["pt2"])
    assert (tmp_path / "encoder.pt2").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_onnxruntime_alone_gives_the_pixels_of_sample(trained, exported, tmp_path):
    """In a process without torch, from the latents of `vaecli sample --seed 7`."""
    run = open_run(trained)
    model = run.model()
    pixels = sample_images(model, run.config, 64, seed=7)[0]
    with random_stream(model.device, 7, "samples"):
        latents = model.sample_latent(64)
    np.savez(tmp_path / "sample.npz", latents=latents, pixels=pixels)
    code = """
import sys
import numpy as np
import onnxruntime
decoder, sample = sys.argv[1:]
with np.load(sample) as stored:
    (pixels,) = onnxruntime.InferenceSession(decoder).run(None, {"latent": stored["latents"]})
    difference = np.abs(pixels - stored["pixels"]).max()
assert pixels.shape == (64, 1, 8, 8)
assert 0 < pixels.min() < pixels.max() < 1
assert not {"torch", "vaecli"} & set(sys.modules)
print(difference)
"""
    words = [sys.executable, "-c", code, path_of(exported, "decoder"), tmp_path / "sample.npz"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert float(done.stdout) <= 1e-5

"""The code of the card loads the exported files, in processes that have no vaecli."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import vaecli
from tests.export.cards import blocks
from vaecli.run.find import open_run

# Runs every block by itself, and keeps the values of its names.
RUN = """
import json, sys
import numpy
KINDS = ("ndarray", "Tensor")
blocks, without = json.loads(sys.argv[1])
for name in without:
    sys.modules[name] = None
for file, code in blocks.items():
    values = {}
    exec(code, values)
    arrays = {n: numpy.asarray(v) for n, v in values.items() if type(v).__name__ in KINDS}
    numpy.savez(file, **arrays)
"""


@pytest.fixture(scope="module")
def exported(pets, tmp_path_factory) -> Path:
    """A whole export of a conditional model, with a card."""
    folder = tmp_path_factory.mktemp("exported") / "out"
    assert vaecli("export", "-r", pets, "-o", folder, "--card") == 0
    return folder


def run(folder: Path, blocks: dict[str, str], *without: str) -> dict[str, dict[str, np.ndarray]]:
    """The arrays that each block has at its end, run without these modules; by its name."""
    command = [sys.executable, "-W", "ignore", "-c", RUN, json.dumps([blocks, without])]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name: dict(np.load(folder / f"{name}.npz")) for name in blocks}


def code_of(folder: Path, file: str) -> str:
    """The block of code under the heading of a file."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    (code,) = blocks("---\n---\n" + text.split(f"### `{file}`\n")[1].split("###")[0], "python")
    return code


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "pt2"])
def test_graphs_are_loaded_and_give_what_the_model_gives(exported, pets, format):
    graphs = ("encoder", "decoder", "sampler", "scorer")
    code = {graph: code_of(exported, f"{graph}.{format}") for graph in graphs}
    other = {"onnx": "torch", "pt2": "onnxruntime"}[format]
    found = run(exported, code, "vaecli", other)
    model = open_run(pets).model()
    labels = torch.from_numpy(found["encoder"]["label"])
    q = model.encode(torch.from_numpy(found["encoder"]["image"]), model.one_hot(labels))
    assert found["encoder"]["mean"].shape == (4, 2)
    assert np.allclose(found["encoder"]["mean"], q.mean.detach(), atol=1e-5)
    assert np.allclose(found["encoder"]["log_variance"], q.variance.log().detach(), atol=1e-4)
    latent = torch.from_numpy(found["decoder"]["latent"])
    pixels = model.decode(latent, model.one_hot(torch.from_numpy(found["decoder"]["label"])))
    assert pixels.shape == (4, 3, 7, 9)
    assert np.allclose(found["decoder"]["pixels"], pixels, atol=1e-5)
    assert np.allclose(found["sampler"]["latent"], found["sampler"]["noise"])  # of N(0, I)
    scores = found["scorer"]
    assert np.allclose(scores["negative_elbo"], scores["distortion"] + scores["rate"], rtol=1e-5)


@pytest.mark.slow
def test_weights_are_loaded_with_what_they_mean(exported, pets):
    keep = "from numpy import array\nnames, about = array([*weights]), array(json.dumps(about))\n"
    code = code_of(exported, "model.safetensors") + keep
    found = run(exported, {"weights": code}, "vaecli")["weights"]
    assert json.loads(str(found["about"]))["class_names"] == ["cat", "dog", "newt"]
    assert {name for name in found["names"] if name.startswith("model.")} == {
        f"model.{name}" for name in open_run(pets).model().state_dict()
    }


@pytest.mark.slow
def test_the_modules_are_really_missing(exported):
    with pytest.raises(AssertionError, match="vaecli"):
        run(exported, {"none": "import vaecli"}, "vaecli")


@pytest.mark.slow
def test_every_file_of_the_export_has_its_code(exported):
    text = (exported / "README.md").read_text(encoding="utf-8")
    files = {path.name for path in exported.iterdir()}
    loaded = {name for name in files if f"### `{name}`" in text}
    assert {name for name in files if name.endswith((".onnx", ".pt2", ".safetensors"))} == loaded
    assert len(loaded) == 9

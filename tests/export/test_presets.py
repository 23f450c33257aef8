"""Presets of different parts are exported, but for what is named here with its reason.

`tests.benchmarks.export_presets` exports all presets.
"""

import pytest

from tests.benchmarks.export_presets import GRAPHS, export_preset
from vaecli.export.export import TOLERANCE

PRESETS = (
    *("sharp-conditional", "vamp", "gmm", "iaf", "vq-vae", "hierarchical", "svae", "sigma-vae"),
    "m2",
)
REFUSED = {
    "m2": {
        "scorer": "The label is a latent of this model, and its bound is a sum over all labels, "
        "which vaecli evaluate computes."
    }
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_exported_or_refused_in_one_sentence(name, tmp_path):
    exported = export_preset(name, tmp_path / "run")
    refused = REFUSED.get(name, {})
    assert exported.refused == refused
    wanted = [*GRAPHS[:4], *["classifier"] * (name == "m2")]
    expected = [(graph, f) for graph in wanted if graph not in refused for f in ("onnx", "pt2")]
    assert [(file.graph, file.format) for file in exported.files] == expected
    assert all(file.max_difference <= TOLERANCE for file in exported.files)

"""The section of a model card on the exported files, and how to load each without vaecli."""

from collections.abc import Sequence

from ..exported import ExportedFile, Port
from ..weights import WEIGHTS
from .facts import Facts
from .markdown import bullets, fence, prose, table

BATCH = 4  # images in the examples
# Values of the inputs in the examples, by library; {} stands for the shape.
NUMPY = {
    "float32": "np.zeros({}, np.float32)",
    "int64": "np.zeros({}, np.int64)",
    "noise": "np.random.default_rng(0).standard_normal({}, np.float32)",
}
TORCH = {
    "float32": "torch.zeros({})",
    "int64": "torch.zeros({}, dtype=torch.int64)",
    "noise": "torch.randn({})",
}
READ_WEIGHTS = (
    "import json",
    "from safetensors import safe_open",
    "",
    f'with safe_open("{WEIGHTS}", framework="pt") as file:',
    '    about = json.loads(file.metadata()["vaecli"])',
    "    weights = {name: file.get_tensor(name) for name in file.keys()}",
)
OF_WEIGHTS = (
    "The weights by name, and the configuration, shape and classes of the images. vaecli reads "
    f"this file as a run: `vaecli sample -r {WEIGHTS}`, or "
    f'`vaecli.open("{WEIGHTS}").model()` in Python.'
)


def files_section(facts: Facts) -> str:
    """Every file with its inputs and outputs, the code that loads it, and what is missing."""
    text = ["## Files"]
    if facts.exported.files:
        graphs: dict[str, list[ExportedFile]] = {}
        for file in facts.exported.files:
            graphs.setdefault(file.graph, []).append(file)
        rows = [row for same in graphs.values() for row in _rows(same)]
        text += [
            "Any number of images can be in a batch. All outputs were compared with those of the "
            "model in vaecli before the files were written.",
            table(["files", "", "name", "type", "shape", "meaning"], rows),
            "The largest differences from vaecli, for values above 1 relative:",
            bullets(f"`{f.path.name}`: {f.max_difference:.2g}" for f in facts.exported.files),
        ]
    if facts.exported.refused:
        text += ["Not exported:"]
        text += [bullets(f"{name}: {prose(why)}" for name, why in facts.exported.refused.items())]
    text += ["## Loading", "None of this code needs vaecli."]
    for file in facts.exported.files:
        code = _onnx(file) if file.format == "onnx" else _pt2(file)
        text += [f"### `{file.path.name}`", fence("python", code)]
    text += [f"### `{WEIGHTS}`", fence("python", READ_WEIGHTS), OF_WEIGHTS]
    return "\n\n".join(text)


def _rows(same: Sequence[ExportedFile]) -> list[list[str]]:
    """The ports of a graph, which may be in several files; their names stand in the first row."""
    file = same[0]
    ports = [("input", port) for port in file.inputs] + [("output", port) for port in file.outputs]
    names = [", ".join(f"`{f.path.name}`" for f in same), *[""] * (len(ports) - 1)]
    return [
        [name, kind, f"`{port.name}`", port.type, _shape(port), prose(port.meaning)]
        for name, (kind, port) in zip(names, ports, strict=True)
    ]


def _shape(port: Port) -> str:
    return " x ".join(map(str, port.shape))


def _onnx(file: ExportedFile) -> list[str]:
    given = ", ".join(f'"{port.name}": {port.name}' for port in file.inputs)
    return [
        "import numpy as np",
        "import onnxruntime",
        "",
        *_examples(file.inputs, NUMPY),
        f'session = onnxruntime.InferenceSession("{file.path.name}")',
        f"{_results(file)} = session.run(None, {{{given}}})",
    ]


def _pt2(file: ExportedFile) -> list[str]:
    given = ", ".join(port.name for port in file.inputs)
    return [
        "import torch",
        "",
        *_examples(file.inputs, TORCH),
        f'program = torch.export.load("{file.path.name}").module()',
        "with torch.no_grad():",
        f"    {_results(file)} = program({given})",
    ]


def _results(file: ExportedFile) -> str:
    return f"[{', '.join(port.name for port in file.outputs)}]"


def _examples(ports: Sequence[Port], values: dict[str, str]) -> list[str]:
    """A line for each input that gives it a value."""
    lines = []
    for port in ports:
        shape = tuple(size if isinstance(size, int) else BATCH for size in port.shape)
        value = values.get(port.name, values[port.type]).format(shape)
        note = "  # images, prepared as above" if port.name == "image" else ""
        lines.append(f"{port.name} = {value}{note}")
    return lines

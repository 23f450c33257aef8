"""What an export wrote: its files, their inputs and outputs, and what could not be exported."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Format = Literal["onnx", "pt2"]


class NotExportable(Exception):
    """A graph that cannot be exported; the message says why, in one sentence."""


@dataclass(frozen=True)
class Port:
    """An input or an output of a graph.

    Attributes:
        name: Its name in the file.
        type: Of its numbers, `float32` or `int64`.
        shape: Sizes of its dimensions; a text names one that may have any size, such as "batch".
        meaning: What it holds, in one sentence.
    """

    name: str
    type: Literal["float32", "int64"]
    shape: tuple[int | str, ...]
    meaning: str


@dataclass(frozen=True)
class ExportedFile:
    """A graph in a file.

    Attributes:
        path: The file.
        graph: What it computes: `encoder`, `decoder`, `scorer` or `sampler`.
        format: ONNX (`onnx`), or a program of torch.export (`pt2`).
        inputs: In the order of the graph.
        outputs: In the order of the graph.
        max_difference: Largest difference of any output from the model's own, over the checked
            batches: absolute, and for values above 1 relative. Of scores: nats per pixel value, and
            for values above one nat per pixel value relative.
    """

    path: Path
    graph: str
    format: Format
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    max_difference: float


@dataclass(frozen=True)
class Exported:
    """The result of an export.

    Attributes:
        files: What was written.
        refused: Why a graph was not exported, in one sentence, by its name.
        metadata: What every file says of the model, by key, as text.
    """

    files: tuple[ExportedFile, ...]
    refused: dict[str, str]
    metadata: dict[str, str]

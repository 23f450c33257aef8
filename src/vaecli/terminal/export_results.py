"""The JSON object of `vaecli export`."""

from typing import Annotated, Literal

from typing_extensions import TypedDict

from .result_keys import key


class Port(TypedDict):
    """An input or an output of a graph."""

    name: Annotated[str, key("Its name in the file.")]
    type: Annotated[Literal["float32", "int64"], key("Type of its numbers.")]
    shape: Annotated[
        list[int | str], key("Sizes; a text, such as batch, names one that may be any.")
    ]
    meaning: Annotated[str, key("What it holds, in a sentence.")]


class ExportedFile(TypedDict):
    """A graph in a file."""

    path: Annotated[str, key("The file.")]
    graph: Annotated[str, key("What it computes, such as encoder.")]
    format: Annotated[Literal["onnx", "pt2"], key("ONNX, or a program of torch.export.")]
    inputs: Annotated[list[Port], key("In the order of the graph.")]
    outputs: Annotated[list[Port], key("In the order of the graph.")]
    max_difference: Annotated[
        float,
        key("Largest difference of an output from that of the model; above 1 relative."),
    ]


class Export(TypedDict):
    """An exported model."""

    files: Annotated[list[ExportedFile], key("Graphs that were written.")]
    refused: Annotated[dict[str, str], key("Why a graph was not exported, by its name.")]
    metadata: Annotated[dict[str, str], key("What every file says of the model, as text.")]
    beside: Annotated[list[str], key("Files of the weights, and of the card with its pictures.")]

"""From a graph to the bytes of a file: a program of torch.export, and ONNX."""

import io
import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.export import Dim, ExportedProgram

from .exported import NotExportable
from .graphs import BATCH, Graph

METADATA_FILE = "vaecli.json"  # in a .pt2 file
OWN_TRACES = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn")
EXAMPLES = 3  # images in the batch of the trace: torch.export takes 0 and 1 for fixed sizes


def example_inputs(graph: Graph, batch: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Random values of the inputs of a graph, by name.

    Args:
        graph: Names the inputs and their shapes.
        batch: Number of images.
        generator: Of the CPU.
    """
    values = {}
    for port in graph.inputs:
        shape = tuple(batch if size == BATCH else int(size) for size in port.shape)
        if port.name == "image":
            values[port.name] = torch.rand(shape, generator=generator)
        elif port.name == "label":
            values[port.name] = torch.randint(graph.model.context, shape, generator=generator)
        else:
            values[port.name] = torch.randn(shape, generator=generator)
    return values


def trace(graph: Graph) -> ExportedProgram:
    """The program of a graph, for batches of any size.

    Raises:
        NotExportable: torch.export cannot trace it, or it draws random numbers of its own.
    """
    inputs = tuple(example_inputs(graph, EXAMPLES, torch.Generator().manual_seed(0)).values())
    batch = Dim(BATCH, min=1)
    try:
        with silence(), torch.no_grad():
            program = torch.export.export(
                graph, inputs, dynamic_shapes=(tuple({0: batch} for _ in inputs),)
            )
    except Exception as error:
        raise NotExportable(f"torch.export cannot trace it: {first_line(error)}") from error
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            _clean(module)
    return program


def _clean(module: torch.fx.GraphModule) -> None:
    """Remove the paths of source files, which say where vaecli was installed.

    Raises:
        NotExportable: A node draws random numbers.
    """
    for node in module.graph.nodes:
        tags = getattr(node.target, "tags", ())
        if torch.Tag.nondeterministic_seeded in tags:
            raise NotExportable(f"It draws random numbers of its own ({node.target}).")
        for key in OWN_TRACES:
            node.meta.pop(key, None)


def to_pt2(program: ExportedProgram, metadata: Mapping[str, str]) -> bytes:
    """The content of a .pt2 file, for `torch.export.load`."""
    buffer = io.BytesIO()
    with silence():
        torch.export.save(program, buffer, extra_files={METADATA_FILE: json.dumps(dict(metadata))})
    return buffer.getvalue()


def run_pt2(content: bytes, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """The outputs of a .pt2 file, on the CPU.

    Args:
        content: The bytes of the file.
        inputs: Arrays by name, in the order of the graph.
    """
    with silence():
        module = torch.export.load(io.BytesIO(content)).module()
    outputs = module(*(torch.from_numpy(value) for value in inputs.values()))
    return [output.detach().numpy() for output in outputs]


@contextmanager
def silence() -> Iterator[None]:
    """Keep what torch's exporters print and warn of from the terminal."""
    loggers = [logging.getLogger(name) for name in ("torch", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with (
            open(os.devnull, "w") as null,
            redirect_stdout(null),
            redirect_stderr(null),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def first_line(error: Exception) -> str:
    """The first line of a message that may have pages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].partition(" For more information")[0] if lines else type(error).__name__

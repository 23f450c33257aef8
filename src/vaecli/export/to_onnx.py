"""From a program of torch.export to the bytes of an ONNX file, and the run of one.

Importing this module needs the extra `onnx`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxscript import opset20 as op
from torch.export import ExportedProgram

from .exported import NotExportable
from .graphs import BATCH, Graph
from .programs import first_line, silence

LOWEST = -3.4e38  # about the lowest float32: -inf minus -inf would be NaN
LARGEST_FILE = 2**31 - 1  # bytes, of protobuf
Array = NDArray[Any]


def _log_sigmoid(x: Any) -> Any:
    return op.Neg(op.Softplus(op.Neg(x)))


def _expm1(x: Any) -> Any:
    return op.Mul(op.Tanh(op.Mul(x, 0.5)), op.Add(op.Exp(x), 1.0))


def _searchsorted(sorted_sequence: Any, values: Any, **_: Any) -> Any:
    last: Any = op.Constant(value_ints=[-1])
    rows: Any = op.Constant(value_ints=[-2])
    below = op.Less(op.Unsqueeze(sorted_sequence, rows), op.Unsqueeze(values, last))
    counted: Any = op.Cast(below, to=onnx.TensorProto.INT64)
    return op.ReduceSum(counted, last, keepdims=0)


def _logsumexp(x: Any, dim: Sequence[int], keepdim: bool = False) -> Any:
    axes: Any = op.Constant(value_ints=list(dim))
    largest = op.Max(op.ReduceMax(x, axes), LOWEST)
    total: Any = op.Log(op.ReduceSum(op.Exp(op.Sub(x, largest)), axes))
    found = op.Add(total, largest)
    return found if keepdim else op.Squeeze(found, axes)


# In place of torch's own translations: the logarithm of a sigmoid that rounds to 0, a difference of
# nearly equal numbers, an operator that is wrong for some rows with -inf (onnxruntime 1.32), none.
TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.ops.aten.log_sigmoid.default: _log_sigmoid,
    torch.ops.aten.expm1.default: _expm1,
    torch.ops.aten.special_expm1.default: _expm1,
    torch.ops.aten.logsumexp.default: _logsumexp,
    torch.ops.aten.searchsorted.Tensor: _searchsorted,
}


def to_onnx(graph: Graph, program: ExportedProgram, metadata: Mapping[str, str]) -> bytes:
    """The content of an .onnx file.

    Args:
        graph: Names the inputs and outputs.
        program: Its program, as `trace` returns it.
        metadata: What the file says of the model, by key.

    Raises:
        NotExportable: It has no ONNX form, or would be too large.
    """
    try:
        with silence():
            converted = torch.onnx.export(
                program,
                dynamo=True,
                verbose=False,
                input_names=[port.name for port in graph.inputs],
                output_names=[port.name for port in graph.outputs],
                custom_translation_table=TRANSLATIONS,
            )
            model = cast(torch.onnx.ONNXProgram, converted).model_proto
    except Exception as error:
        raise NotExportable(f"It has no ONNX form: {_reason(error)}") from error
    _clean(model)
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    if model.ByteSize() > LARGEST_FILE:
        raise NotExportable("Its ONNX file would have more than 2 GB: use --format pt2.")
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def run_onnx(content: bytes, inputs: Mapping[str, Array]) -> list[Array]:
    """The outputs of an ONNX file in onnxruntime, on the CPU.

    Args:
        content: The bytes of the file.
        inputs: Arrays by name.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # fatal errors only: others are raised
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return [np.asarray(output) for output in session.run(None, dict(inputs))]


def _clean(model: onnx.ModelProto) -> None:
    """Call the batch so in every shape, and remove the notes of the exporter."""
    graph = model.graph
    symbols = {port.type.tensor_type.shape.dim[0].dim_param for port in graph.input} - {""}
    for value in [*graph.input, *graph.output, *graph.value_info]:
        del value.metadata_props[:]
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in symbols:
                dim.dim_param = BATCH
    for node in graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    del graph.metadata_props[:]


def _reason(error: Exception) -> str:
    """What the exporter says at the end of a chain of errors."""
    if found := re.search(r"No ONNX function found for <OpOverload\(op='([^']+)'", str(error)):
        return f"there is no translation of {found[1]}."
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    return first_line(error)

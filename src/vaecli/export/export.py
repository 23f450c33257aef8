"""The export of a run: traces its graphs, checks the files against the model, writes them."""

import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

from torch.export import ExportedProgram

from ..run.run import Run
from ..system import files, machine
from ..system.errors import ConfigError, RunError
from .exported import Exported, ExportedFile, Format, NotExportable
from .graphs import Graph, makers
from .metadata import describe, describe_graph
from .programs import first_line, run_pt2, to_pt2, trace
from .verify import Check

FORMATS: tuple[Format, ...] = get_args(Format)
TOLERANCE = 1e-5  # largest difference of a file from the model


def export_run(run: Run, folder: Path, formats: Sequence[Format] = FORMATS) -> Exported:
    """Export the graphs of a trained model that can be exported.

    Every file is checked against the model, on random images and on images that the model made, in
    batches of several sizes. Nothing is written before all are checked. A file of an earlier export
    whose graph cannot be exported now is removed.

    Args:
        run: A run with a checkpoint.
        folder: Where the files go; it is made.
        formats: Formats to write.

    Raises:
        ConfigError: The extra `onnx` is missing, or the folder cannot be written.
        RunError: The checkpoint cannot be read, or no graph can be exported.
    """
    if "onnx" in formats:
        require_onnx()
    require_folder(folder)
    model, objective = run.parts()
    metadata = describe(run, model)
    check = Check(model)
    made: list[tuple[ExportedFile, bytes]] = []
    refused: dict[str, str] = {}
    for name, make in makers(model, objective, run.contents[1].shape).items():
        try:
            graph = make().eval()
            program = trace(graph)
            for format in formats:
                path = folder / f"{name}.{format}"
                made.append(_make(graph, program, metadata, path, format, check))
        except NotExportable as error:
            refused[name] = str(error)
    if not made:
        raise RunError(f"{run.checkpoint} cannot be exported. {next(iter(refused.values()))}")
    stale = [folder / f"{name}.{format}" for name in refused for format in formats]
    _write(folder, made, set(stale) - {file.path for file, _ in made})
    return Exported(tuple(file for file, _ in made), refused, metadata)


def require_onnx() -> None:
    """Raise a `ConfigError` if a package of the extra `onnx` is missing."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        if find_spec(package) is None:
            raise ConfigError(
                f'ONNX files need the package {package}: pip install "vaecli[onnx]", or write only '
                "torch.export files by format='pt2'."
            )


def require_folder(folder: Path) -> None:
    """Raise a `ConfigError` if files cannot be written to a folder, which need not exist yet."""
    try:
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    except OSError as error:
        raise files.write_error(error, str(folder)) from error
    if not existing.is_dir():
        raise ConfigError(f"Cannot write to {folder}: {existing} is not a folder.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError(f"Cannot write to {folder}: {existing} is not writable.")


def _make(
    graph: Graph,
    program: ExportedProgram,
    metadata: Mapping[str, str],
    path: Path,
    format: Format,
    check: Check,
) -> tuple[ExportedFile, bytes]:
    """A file that is checked and not yet written, and its content.

    Raises:
        NotExportable: There is no such file, or its outputs are not those of the model.
    """
    about = {**metadata, **describe_graph(graph)}
    if format == "onnx":
        from .to_onnx import run_onnx, to_onnx

        content = to_onnx(graph, program, about)
        runner = run_onnx
    else:
        content = to_pt2(program, about)
        runner = run_pt2
    try:
        difference = check.max_difference(graph, lambda values: runner(content, values))
    except Exception as error:
        raise NotExportable(f"{path.name} does not run: {first_line(error)}") from error
    if not difference <= TOLERANCE:
        raise NotExportable(
            f"The outputs of {path.name} differ by {difference:.1e} from those of the model, more "
            f"than {TOLERANCE:.0e}."
        )
    file = ExportedFile(path, graph.name, format, graph.inputs, graph.outputs, difference)
    return file, content


def _write(folder: Path, made: Sequence[tuple[ExportedFile, bytes]], stale: Iterable[Path]) -> None:
    """Write all files, and remove stale ones.

    Raises:
        ConfigError: The folder cannot be made or written.
        ResourceError: The disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        machine.require_disk(folder, sum(len(content) for _, content in made))
        for file, content in made:
            files.write_atomic(file.path, content)
        for path in stale:
            if files.is_ordinary(path):
                path.unlink()
    except OSError as error:
        raise files.write_error(error, str(folder)) from error

"""The weights of a model alone, in a checkpoint that names no path of the machine it is from."""

from pathlib import Path

from ..config.config import Config, to_json
from ..config.data_paths import is_path
from ..run import checkpoint, names
from ..run.run import Run

WEIGHTS = "model.safetensors"  # name of the file


def save_weights(run: Run, folder: Path) -> Path:
    """Write the weights of a run, with its fitted prior if it has one, without the optimizer.

    The file is a checkpoint as that of the best epoch: every command that reads a run takes it, and
    `safetensors` reads its tensors. The same checkpoint gives the same bytes. Its header has the
    configuration, shape and classes of the images, and the losses of all epochs.

    Args:
        run: Its checkpoint is read.
        folder: Where the file goes.

    Returns:
        The file, called `WEIGHTS`.

    Raises:
        RunError: There is no checkpoint, or it cannot be read.
        ConfigError: The file cannot be written.
        ResourceError: The disk is full.
    """
    config = without_folders(run.config)  # its error has advice, that of the next line has none
    tensors, header = checkpoint.load(run.checkpoint)
    wanted = (*names.WEIGHTS, names.FITTED_PRIOR)
    kept = {name: tensor for name, tensor in tensors.items() if name.startswith(wanted)}
    path = folder / WEIGHTS
    checkpoint.save(path, kept, {**header, "config": to_json(config)})
    return path


def without_folders(config: Config) -> Config:
    """The configuration with `./photos` for a path such as `/home/me/photos`.

    The path of the data tells whose machine it was, and leads nowhere on another one. Relative to
    the current folder, the data are found wherever they were copied.
    """
    if is_path(config.data):
        config = config.with_values(data=_relative(config.data))
    if config.data_dir is not None:
        config = config.with_values(data_dir=_relative(config.data_dir))
    return config


def _relative(path: str) -> str:
    return f"./{Path(path).name}"

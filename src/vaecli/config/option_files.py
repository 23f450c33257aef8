"""JSON files of options, such as a run's config.json."""

from pathlib import Path
from typing import Any

from ..system import files
from ..system.errors import ConfigError, ConfigFileError
from .config import check_file_values, file_values

MAX_CONFIG_BYTES = 1_000_000


def read_options_file(path: Path) -> dict[str, Any]:
    """The options in a JSON file such as a run's config.json, under their current names.

    Raises:
        ConfigError: The file cannot be read, or holds no JSON object.
        ConfigFileError: A key is unknown, or a value is wrong.
    """
    try:
        values = files.parse_json(files.read_file(path, MAX_CONFIG_BYTES))
    except FileNotFoundError:
        raise ConfigError(f"Cannot read the configuration {path}: there is no such file.") from None
    except OSError as error:
        raise ConfigError(f"Cannot read the configuration {path}: {error.strerror}.") from error
    except files.RepeatedKeyError as error:
        raise ConfigFileError(f"{path}: {error}: leave one out.") from None
    except ValueError as error:  # also not UTF-8, or a number of 5,000 digits
        raise ConfigError(f"{path} is not JSON: {error}.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold one JSON object of options, like a run's config.json.")
    try:
        current = file_values(values)
        check_file_values(current)
    except ConfigError as error:
        raise ConfigFileError(f"{path}: {error}") from None
    return current

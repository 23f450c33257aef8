"""JSON files of options, such as a run's config.json."""

import json
from pathlib import Path
from typing import Any

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
        if not path.is_file():
            raise ConfigError(f"Cannot read the configuration {path}: there is no such file.")
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ConfigError(
                f"{path} is no configuration: it has more than {MAX_CONFIG_BYTES:,} bytes."
            )
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"Cannot read the configuration {path}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:  # also not UTF-8, or a number of 5,000 digits
        raise ConfigError(f"{path} is not JSON: {error}.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold one JSON object of options, like a run's config.json.")
    try:
        current = file_values(values)
        check_file_values(current)
    except ConfigError as error:
        raise ConfigFileError(f"{path}: {error}") from None
    return current

"""Durations such as `1h30m`, as text."""

import re

from ..system.errors import ConfigError

MAX_DURATION = 10 * 365 * 24 * 3600  # seconds


def parse_duration(text: str) -> float:
    """Seconds: `"1h30m"` to 5400.0. The units are d, h, m and s; a number alone is seconds."""
    units = re.fullmatch(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", text, re.ASCII)
    if len(text) > 20 or not units or not any(units.groups()):
        raise ConfigError(f"max_time={text!r}: write a time as 2h, 90m, 1h30m or 45s.")
    days, hours, minutes, seconds = (int(n or 0) for n in units.groups())
    duration = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if not 0 < duration < MAX_DURATION:
        raise ConfigError(f"max_time={text!r}: a time must be above 0 and below 10 years.")
    return float(duration)

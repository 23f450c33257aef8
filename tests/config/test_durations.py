"""The bounds of durations."""

import pytest

from vaecli.config.durations import parse_duration
from vaecli.system.errors import ConfigError


def test_a_duration_is_above_0_and_below_10_years_of_365_days():
    assert parse_duration("1") == 1
    assert parse_duration("3649d23h59m59s") == 10 * 365 * 86400 - 1
    for text in ("0", "3650d", "87600h"):
        with pytest.raises(ConfigError, match="must be above 0 and below 10 years"):
            parse_duration(text)


def test_every_unit_has_its_seconds():
    assert parse_duration("1d2h3m4s") == 86400 + 2 * 3600 + 3 * 60 + 4

"""Durations as text, in seconds."""

import itertools

import pytest

from vaecli.config.durations import MAX_DURATION, parse_duration
from vaecli.system.errors import ConfigError

UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def test_a_duration_is_the_sum_of_its_units():
    """Of every choice of units, in their order."""
    for count in range(1, 5):
        for chosen in itertools.combinations(UNITS, count):
            text = "".join(f"{number}{unit}" for number, unit in enumerate(chosen, start=2))
            seconds = sum(number * UNITS[unit] for number, unit in enumerate(chosen, start=2))
            assert parse_duration(text) == seconds
            assert isinstance(parse_duration(text), float)
            if chosen[-1] == "s":
                assert parse_duration(text[:-1]) == seconds  # a number alone is seconds


@pytest.mark.parametrize("text", ["2h1d", "1m1h", "1s1", "1hh", "h1", " 1h", "1h ", "1H", "+1h"])
def test_units_out_of_order_and_other_texts_are_refused(text):
    with pytest.raises(ConfigError, match="write a time as 2h, 90m, 1h30m or 45s"):
        parse_duration(text)


def test_a_duration_is_above_0_and_below_10_years():
    assert 10 * 365 * UNITS["d"] == MAX_DURATION
    assert parse_duration("1s") == 1
    assert parse_duration(f"{MAX_DURATION - 1}s") == MAX_DURATION - 1
    assert parse_duration("3649d23h59m59s") == MAX_DURATION - 1
    for text in ("0", "0d0h0m0s", f"{MAX_DURATION}s", "3650d", "3649d24h"):
        with pytest.raises(ConfigError, match="must be above 0 and below 10 years"):
            parse_duration(text)


def test_a_text_of_more_than_20_characters_is_no_duration():
    assert parse_duration("0" * 19 + "1") == 1
    with pytest.raises(ConfigError, match="write a time"):
        parse_duration("0" * 20 + "1")

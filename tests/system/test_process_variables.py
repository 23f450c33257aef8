"""What the environment says of a process that is one of several."""

import pytest

from vaecli.system.errors import ConfigError
from vaecli.system.group import join

VARIABLES = {
    "RANK": "0",
    "WORLD_SIZE": "2",
    "LOCAL_RANK": "0",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "1",
}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("RANK", "x", "RANK='x': give a number"),
        ("RANK", "2", "RANK=2 and WORLD_SIZE=2: count from 0"),
        ("RANK", "-1", "RANK=-1 and WORLD_SIZE=2: count from 0"),
        ("LOCAL_RANK", "", "LOCAL_RANK='': give a number"),
        ("MASTER_PORT", "abc", "MASTER_PORT='abc': give a number"),
    ],
)
def test_a_variable_that_makes_no_sense_is_named_at_once(monkeypatch, name, value, message):
    for key, text in {**VARIABLES, name: value}.items():
        monkeypatch.setenv(key, text)
    with pytest.raises(ConfigError, match=message), join():
        pass

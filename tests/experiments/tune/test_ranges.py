"""Ranges of searched options: what they hold, and what text makes them."""

import optuna
import pytest

from vaecli.experiments.tune.ranges import Choices, Numbers, parse_range
from vaecli.system.errors import ConfigError

KINDS = {
    "8..64": int,
    "8..64:log": int,
    "10..40:10": int,
    "0.5..2": float,
    "1e-4..1e-2:log": float,
    "0.1..0.7:0.3": float,
    "-1..1": float,
    "8,16,32": int,
    "0.5,1,2": float,
    "true,false": bool,
    "relu,gelu": str,
}
each_range = pytest.mark.parametrize(("text", "kind"), KINDS.items())


def draw(found, count=30):
    """Values that trials get from a range, as the study stores them."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(count):
        trial = study.ask()
        found.suggest(trial, "x")
        study.tell(trial, 0.0)
    return [trial.params["x"] for trial in study.trials]


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@each_range
def test_the_text_of_a_range_makes_it_again(text, kind):
    found = parse_range(text, kind)
    assert parse_range(str(found), kind) == found


@each_range
def test_trials_get_values_in_the_range_and_of_its_type(text, kind):
    found = parse_range(text, kind)
    values = draw(found)
    assert {type(value) for value in values} == {kind}
    assert all(found.contains(value) for value in values)
    assert len(set(values)) > 1


@each_range
def test_the_examples_are_the_ends_of_the_range(text, kind):
    found = parse_range(text, kind)
    assert all(found.contains(value) for value in found.examples)
    if isinstance(found, Numbers):
        assert found.examples == [found.low, found.high]
        below, above = found.low - 1e-6, found.high + 1e-6
        assert not found.contains(below)
        assert not found.contains(above)


def test_a_logarithmic_range_has_as_many_values_in_each_decade():
    values = draw(parse_range("1e-4..1:log", float), 400)
    for low in (1e-4, 1e-3, 1e-2, 1e-1):
        assert 70 <= sum(low <= value < 10 * low for value in values) <= 130
    whole = draw(parse_range("1..1023:log", int), 400)
    assert 160 <= sum(value < 32 for value in whole) <= 240


def test_values_off_the_step_are_not_in_the_range():
    found = parse_range("10..40:10", int)
    assert [n for n in range(50) if found.contains(n)] == [10, 20, 30, 40]
    tenths = parse_range("0.1..0.3:0.1", float)
    assert tenths.high == 0.3
    assert tenths.contains(0.1 + 0.1)
    assert not tenths.contains(0.15)


def test_a_range_ends_at_its_last_step():
    assert parse_range("8..30:10", int) == Numbers(8, 28, 10)
    assert parse_range("0.1..0.95:0.3", float) == Numbers(0.1, 0.7, 0.3)
    assert parse_range("8..16:8", int) == Numbers(8, 16, 8)


def test_choices_have_the_type_of_the_option():
    assert parse_range("8, 16", int) == Choices((8, 16))
    assert parse_range("1,2", float).values == (1.0, 2.0)
    assert not parse_range("1,2", int).contains("1")


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("1..1", int, "the lower end must be below the upper one"),
        ("2..1", float, "the lower end must be below the upper one"),
        ("0..1:log", float, "must begin above 0"),
        ("1..9:0", int, "the step must be above 0"),
        ("1..9:9", int, "the step is larger than the range"),
        ("0..1:1e-300", float, "the step is too small"),
        ("0..1e308:0.01", float, "the step is too small"),
        ("-1e308..1e308:1", float, "the step is too small"),
        ("1..9:x", int, "'x' is not a whole number"),
        ("1.5..9", int, "'1.5' is not a whole number"),
        ("a..b", float, "'a' is not a number"),
        ("0..inf", float, "'inf' is not a number"),
        ("nan,1", float, "'nan' is not a number"),
        ("5", int, "is one value"),
        ("5,5", int, "names 5 twice"),
        ("relu..gelu", str, "name the values"),
        ("yes,no", bool, "'yes' is not true or false"),
        ("relu,", str, "a value is empty"),
        ("", int, "'' is not a whole number"),
    ],
)
def test_a_wrong_range_is_refused_in_one_sentence(text, kind, words):
    with pytest.raises(ConfigError) as error:
        parse_range(text, kind)
    assert words in str(error.value)
    assert "\n" not in str(error.value)

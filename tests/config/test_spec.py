"""Specs: parsed, resolved against a table, formatted."""

import copy
import pickle
import re
from typing import Literal

import pytest

from vaecli.config.build import TABLES
from vaecli.config.spec import Spec, lookup, parse_spec, part_options
from vaecli.parts.networks import NETWORKS
from vaecli.system.errors import ConfigError


class Toy:
    """A part with an option of every type."""

    def __init__(
        self,
        context_dim: int,
        size: int = 3,
        weight: float = 0.5,
        learned: bool = False,
        mode: Literal["one", "two"] = "one",
    ) -> None:
        self.options = (size, weight, learned, mode)


TOYS = {"toy": Toy}
DEFAULTS = {"size": 3, "weight": 0.5, "learned": False, "mode": "one"}


def test_parsing_splits_and_looks_nothing_up():
    assert Spec.parse("mlp") == Spec("mlp")
    assert Spec.parse("mlp:") == Spec("mlp")
    assert Spec.parse("no-such:a=1,b=x=y") == Spec("no-such", {"a": "1", "b": "x=y"})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("mlp:width", "'mlp:width': write 'width' as option=value."),
        ("mlp:width=1,", "'mlp:width=1,': write '' as option=value."),
        ("mlp:width=1,width=2", "'mlp:width=1,width=2' sets width twice: leave one out."),
    ],
)
def test_a_malformed_spec_is_refused_in_one_sentence(text, reason):
    with pytest.raises(ConfigError) as refused:
        Spec.parse(text)
    assert str(refused.value) == reason
    with pytest.raises(ConfigError) as refused:
        parse_spec("network", text)
    assert str(refused.value) == f"network={reason}"


def test_resolving_fills_in_and_converts_every_option():
    spec = Spec.parse("toy:learned=true,size=7").resolve(TOYS, "toy")
    assert spec == Spec("toy", DEFAULTS | {"learned": True, "size": 7})
    assert list(spec.options) == list(DEFAULTS)  # in the order of the constructor
    assert {option: type(value) for option, value in spec.options.items()} == {
        "size": int,
        "weight": float,
        "learned": bool,
        "mode": str,
    }


@pytest.mark.parametrize("learned", [True, False])
@pytest.mark.parametrize("weight", [0.1, 1e-30, 1e30, 2.0])
def test_a_resolved_spec_is_formatted_so_that_it_parses_again(learned, weight):
    spec = Spec("toy", {"learned": learned, "weight": weight}).resolve(TOYS, "toy")
    again = Spec.parse(str(spec)).resolve(TOYS, "toy")
    assert again == spec
    assert again.options["learned"] is learned


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, table in TABLES.items() for name in table]
)
def test_the_defaults_of_every_part_survive_their_text(kind, name):
    spec = Spec(name).resolve(TABLES[kind], kind)
    assert Spec.parse(str(spec)).resolve(TABLES[kind], kind) == spec


def test_the_text_of_a_spec():
    assert str(Spec("normal")) == "normal"
    assert str(Spec("toy", {"learned": True, "size": 3})) == "toy:learned=true,size=3"
    assert f"{Spec('toy', {'weight': 1.0})}" == "toy:weight=1.0"


def test_values_of_a_python_user_are_checked_too():
    assert Spec("toy", {"size": 4}).resolve(TOYS, "toy").options["size"] == 4
    with pytest.raises(ConfigError, match=r"toy 'toy:size=4.5': 'size' should be a valid integer"):
        Spec("toy", {"size": 4.5}).resolve(TOYS, "toy")


def test_a_resolved_spec_is_not_resolved_again():
    spec = Spec("toy").resolve(TOYS, "toy")
    assert spec.resolve({}, "toy") is spec
    with pytest.raises(ConfigError, match="Unknown network 'toy'"):
        spec.resolve(NETWORKS, "network")  # it is resolved as another kind


def test_options_can_be_set_and_are_checked_when_resolved():
    spec = Spec("toy").resolve(TOYS, "toy").with_options(size=9, mode="two")
    assert spec.resolve(TOYS, "toy") == Spec("toy", DEFAULTS | {"size": 9, "mode": "two"})
    with pytest.raises(ConfigError, match="'mode' should be 'one' or 'two'"):
        spec.with_options(mode="three").resolve(TOYS, "toy")


def test_a_spec_is_a_value():
    options = {"size": 1}
    spec = Spec("toy", options)
    options["size"] = 2
    assert spec == Spec("toy", {"size": 1}) != Spec("toy")
    assert {spec: 1}[Spec("toy", {"size": 1.0})] == 1
    assert pickle.loads(pickle.dumps(spec)) == copy.deepcopy(spec) == spec
    with pytest.raises(AttributeError):
        spec.name = "other"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("mpl", "Unknown network 'mpl'. Did you mean 'mlp'? Choose from: mlp, conv, resnet."),
        ("zzz", "Unknown network 'zzz'. Choose from: mlp, conv, resnet."),
        ("mlp:widht=3", "The network mlp has no option 'widht'. Did you mean 'width'? Choose from"),
        ("mlp:width=wide", "network 'mlp:width=wide': 'width' should be a valid integer"),
    ],
)
def test_a_spec_that_names_nothing_is_answered_with_what_there_is(text, reason):
    with pytest.raises(ConfigError) as refused:
        Spec.parse(text).resolve(NETWORKS, "network")
    assert str(refused.value).startswith(reason)


def test_a_part_without_options_says_so():
    class Plain:
        pass

    with pytest.raises(ConfigError, match=r"The thing plain has no option 'x'. It takes no opti"):
        Spec("plain", {"x": "1"}).resolve({"plain": Plain}, "thing")


def test_unknown_names_are_answered_with_the_nearest():
    assert lookup({"a": 1}, "a", "thing") == 1
    with pytest.raises(ConfigError, match=r"Unknown thing 'zzz'. Choose from: a, b"):
        lookup({"a": 1, "b": 2}, "zzz", "thing")


OUT_OF_RANGE = {
    "network": "mlp:width=0 mlp:depth=1001 conv:width=0 conv:depth=11 resnet:blocks=-1",
    "posterior": """hierarchical:levels=6 ladder:width=0 flow:depth=0 planar:depth=0 iaf:width=0
        quantized:codes=1 quantized:levels=33 quantized:commitment=-1""",
    "prior": """vamp:components=0 mixture:components=0 ring:radius=-1 swiss-roll:turns=0
        flow:width=0 hierarchical:levels=1""",
    "likelihood": "logistic:components=0 logistic:components=101",
    "objective": """elbo:beta=-1 elbo:capacity_weight=-1 iwae:samples=0 iwae:bounds=0 iwae:beta=2
        piwae:samples=-3 renyi:samples=0 dreg:samples=0 wae:weight=-1 swae:projections=0
        beta-tc:beta=-1 factor:depth=0 dip:diagonal=-1 rae:beta=-1 adversarial:weight=-1
        adversarial:depth=0 vae-gan:gradient_penalty=-1 m2:alpha=0""",
}


@pytest.mark.parametrize(
    ("kind", "text"),
    [(kind, text) for kind, texts in OUT_OF_RANGE.items() for text in texts.split()],
)
def test_a_value_out_of_its_range_is_answered_with_the_bound(kind, text):
    with pytest.raises(ConfigError) as refused:
        Spec.parse(text).resolve(TABLES[kind], kind)
    option = re.search(r":(\w+)=", text)[1]
    wanted = rf"{kind} '{text}': '{option}' should be (greater|less) than (or equal to )?[\d.]+\."
    assert re.fullmatch(wanted, str(refused.value))


@pytest.mark.parametrize("value", ["inf", "nan", "-inf"])
def test_numbers_are_finite(value):
    with pytest.raises(ConfigError, match="'alpha' should be a finite number"):
        Spec.parse(f"renyi:alpha={value}").resolve(TABLES["objective"], "objective")


@pytest.mark.parametrize("kind", TABLES)
def test_every_number_is_bounded_or_any_will_do(kind):
    unbounded = {
        f"{name}:{option}"
        for name, part in TABLES[kind].items()
        for option, parameter in part_options(part).items()
        if parameter.annotation in (int, float)
    }
    assert unbounded == ({"renyi:alpha"} if kind == "objective" else set())

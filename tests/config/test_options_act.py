"""Every option of every part changes what is built or computed."""

from typing import get_args

import pytest
import torch

from tests.builders import build
from tests.conftest import bars
from vaecli.config.build import TABLES, make_optimizer, resolve
from vaecli.config.config import Config
from vaecli.config.spec import part_options
from vaecli.evaluation.fitting import fit_prior, make_fitted_prior
from vaecli.system.errors import ConfigError

SHAPE = (1, 8, 8)
IMAGES = bars(5)
EPOCH = 1.1  # no schedule of the values below has ended
SMALL = {"mlp": "width=8", "conv": "width=4", "resnet": "width=4"}
PARTNERS = {
    ("posterior", "quantized"): {"prior": "codes"},
    ("posterior", "vmf"): {"prior": "sphere"},
    ("prior", "ring"): {"latent_dim": 2},
    ("prior", "swiss-roll"): {"latent_dim": 2},
    ("objective", "rae"): {"posterior": "dirac"},
    ("fitted_prior", "mixture"): {"conditional": False},
    ("fitted_prior", "autoregressive"): {"posterior": "quantized:codes=4", "prior": "codes"},
}
# A fit as it is by default would take many images, or long.
BRIEF = {"mixture": "components=4", "autoregressive": "width=8,epochs=2"}
MANY_IMAGES = bars(60)
OPTIONS = [
    (kind, name, option)
    for kind, table in TABLES.items()
    for name, part in table.items()
    for option in part_options(part)
]


def other_values(parameter):
    """Values to try in place of the default; some may be out of range."""
    default = parameter.default
    if isinstance(default, bool):
        return [not default]
    if isinstance(default, str):
        return [value for value in get_args(parameter.annotation) if value != default]
    if isinstance(default, int):
        return [default + 1, default + 2, 1]
    return [2 * default + 0.5, default / 2, 3.0, 0.5]


def outcome(kind, name, options):
    """Sizes of the parameters, loss and gradient, and parameters after two steps."""
    values = ",".join(f"{option}={value}" for option, value in options.items())
    if kind == "network" and "width" not in options:
        values = ",".join(filter(None, [values, SMALL[name]]))
    settings = {"latent_dim": 4, "conditional": True, "network": "mlp:width=8,depth=1"}
    settings |= PARTNERS.get((kind, name), {})
    settings[kind] = f"{name}:{values}" if values else name
    config = Config(**settings)
    if kind == "fitted_prior":
        return fit(config, {option.partition("=")[0] for option in values.split(",")})
    x, c = IMAGES.pixels(slice(None)), IMAGES.one_hot_labels(slice(None))
    model, objective = build(config, SHAPE, 2, IMAGES.mean, len(IMAGES))
    optimizer = make_optimizer(resolve(config), model, objective)
    found = [torch.tensor([float(n) for p in model.parameters() for n in p.shape])]
    found += [torch.tensor([float(n) for p in objective.parameters() for n in p.shape])]
    for _ in range(2):
        torch.manual_seed(0)
        loss = objective(model, x, c, EPOCH).loss
        loss.backward()
        found.append(loss.detach())
        optimizer.step()
    found.append(next(model.parameters()).detach().clone())
    return found


def fit(config, given):
    """The tensors and some samples of the fitted prior of an untrained model."""
    spec = config.fitted_prior
    brief = dict(option.split("=") for option in BRIEF[spec.name].split(","))
    more = {option: value for option, value in brief.items() if option not in given}
    config = resolve(config.with_values(fitted_prior=spec.with_options(**more)))
    model, _ = build(config, SHAPE, 2, IMAGES.mean, len(IMAGES))
    prior = make_fitted_prior(config, model, MANY_IMAGES)
    list(fit_prior(prior, model, MANY_IMAGES, 0))
    torch.manual_seed(0)
    c = MANY_IMAGES.one_hot_labels(slice(None)) if model.context else None
    return [*prior.state_dict().values(), prior(c).sample((9,))]


def differ(a, b):
    if len(a) != len(b):
        return True
    return any(x.shape != y.shape or not torch.allclose(x, y) for x, y in zip(a, b, strict=True))


def acts(kind, name, option, beside):
    """Whether some value of the option makes a difference, beside these values of others."""
    try:
        before = outcome(kind, name, beside)
    except ConfigError:
        return False
    for value in other_values(part_options(TABLES[kind][name])[option]):
        try:
            after = outcome(kind, name, {**beside, option: value})
        except ConfigError:  # out of range, or excluded by what stands beside it
            continue
        if differ(before, after):
            return True
    return False


@pytest.mark.parametrize(("kind", "name", "option"), OPTIONS)
def test_every_option_acts(kind, name, option):
    """Alone, or beside another option, as a schedule of a capacity does."""
    others = part_options(TABLES[kind][name])
    first_word = option.partition("_")[0]
    names = sorted(others.keys() - {option}, key=lambda other: other != first_word)
    beside = [{}, *({other: value} for other in names for value in other_values(others[other]))]
    assert any(acts(kind, name, option, values) for values in beside)

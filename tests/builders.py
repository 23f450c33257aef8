"""Models and parts of configurations and specs as a user writes them, not yet resolved."""

from vaecli.config import build as builder
from vaecli.config.build import TABLES, resolve
from vaecli.config.spec import Spec


def build(config, *arguments, **options):
    """The model and the objective of a configuration; the rest as in `vaecli.config.build`."""
    return builder.build(resolve(config), *arguments, **options)


def make_part(spec, kind, **offered):
    """The part that a spec such as `"mlp:width=4"` names."""
    return builder.make_part(Spec.parse(spec).resolve(TABLES[kind], kind), kind, **offered)

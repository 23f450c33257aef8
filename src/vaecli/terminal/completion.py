"""Completion of presets, parts and run directories in bash, zsh and fish.

It runs at every press of the tab key, so it imports no torch: names of parts are read from the
source text of their tables.
"""

import ast
from collections.abc import Callable
from pathlib import Path

from ..config import defaults
from ..config.presets import PRESETS

# The table of each kind of part, and where in the package it is written.
TABLES = {
    "posterior": ("POSTERIORS", "parts/posteriors.py"),
    "prior": ("PRIORS", "parts/priors/__init__.py"),
    "likelihood": ("LIKELIHOODS", "parts/likelihoods.py"),
    "objective": ("OBJECTIVES", "objectives/__init__.py"),
    "network": ("NETWORKS", "parts/networks.py"),
    "optimizer": ("OPTIMIZERS", "parts/optimizers.py"),
}
PACKAGE = Path(__file__).parent.parent


def complete_preset(incomplete: str) -> list[str]:
    """The presets that begin with what was typed."""
    return [name for name in PRESETS if name.startswith(incomplete)]


def complete_run(incomplete: str) -> list[str]:
    """The run directories under runs/ that begin with what was typed."""
    folders = sorted(path.parent for path in Path(defaults.RUNS).glob("*/config.json"))
    return [str(folder) for folder in folders if str(folder).startswith(incomplete)]


def complete_part(kind: str) -> Callable[[str], list[str]]:
    """A function that completes the names of the parts of this kind."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in part_names(kind) if name.startswith(incomplete)]

    return complete


def complete_preset_or_part(incomplete: str) -> list[str]:
    """The presets and parts that begin with what was typed."""
    names = [*PRESETS, *(name for kind in TABLES for name in part_names(kind))]
    unique = dict.fromkeys(names)  # some names are of a preset and of a part
    return [name for name in unique if name.startswith(incomplete)]


def part_names(kind: str) -> list[str]:
    """The names of the parts of this kind, in the order of their table."""
    table, module = TABLES[kind]
    for node in ast.parse((PACKAGE / module).read_text(encoding="utf-8")).body:
        match node:
            case (
                ast.AnnAssign(target=ast.Name(id=name), value=ast.Dict(keys=keys))
                | ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(keys=keys))
            ) if name == table:
                return [str(key.value) for key in keys if isinstance(key, ast.Constant)]
    raise LookupError(f"{module} has no table {table}")

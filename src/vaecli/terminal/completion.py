"""Completion of presets, parts, data sets, run directories and classes in bash, zsh and fish.

It runs at every press of the tab key, so it imports no torch: names of parts are read from the
source text of their tables.
"""

import ast
from collections.abc import Callable, Mapping
from pathlib import Path

import typer

from ..config import defaults
from ..config.preset_table import PRESETS
from ..data.readers.public_sets import PUBLIC_SETS
from ..system.errors import ConfigError

# Where the tables of each kind of part are written, and what they are called.
TABLES = {
    "posterior": {"parts/posteriors/__init__.py": "POSTERIORS"},
    "prior": {"parts/priors/fixed.py": "FIXED_PRIORS", "parts/priors/learned.py": "LEARNED_PRIORS"},
    "likelihood": {"parts/likelihoods.py": "LIKELIHOODS"},
    "objective": {"objectives/__init__.py": "OBJECTIVES"},
    "network": {"parts/networks.py": "NETWORKS"},
    "optimizer": {"parts/optimizers.py": "OPTIMIZERS"},
    "fitted_prior": {"parts/priors/__init__.py": "FITTED_PRIORS"},
}
PACKAGE = Path(__file__).parent.parent

REQUEST = "_VAECLI_COMPLETE"  # set by the shell that wants a completion, or its script
SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")


def refuse_broken_request(environment: Mapping[str, str]) -> None:
    """Raise a `ConfigError` if the variables that ask for a completion are not those of a shell."""
    request = environment.get(REQUEST)
    if not request:
        return
    action, _, shell = request.partition("_")
    words = environment.get("COMP_WORDS", "").split()
    is_bash = (action, shell) == ("complete", "bash")
    misses_words = not words or not environment.get("COMP_CWORD", "").isdecimal()
    if action not in ("complete", "source") or shell not in SHELLS or (is_bash and misses_words):
        raise ConfigError(
            f"{REQUEST}={request} is for completion scripts only: unset it, or get such a script "
            "with --show-completion."
        )


def complete_preset(incomplete: str) -> list[str]:
    """The presets that begin with what was typed."""
    return [name for name in PRESETS if name.startswith(incomplete)]


def complete_public_set(incomplete: str) -> list[str]:
    """The data sets to download that begin with what was typed."""
    return [name for name in PUBLIC_SETS if name.startswith(incomplete)]


def complete_data_set(incomplete: str) -> list[str]:
    """The data sets that begin with what was typed."""
    return [name for name in ("mnist", *PUBLIC_SETS) if name.startswith(incomplete)]


def complete_run(incomplete: str) -> list[str]:
    """The run directories under runs/ that begin with what was typed."""
    folders = sorted(path.parent for path in Path(defaults.RUNS).glob("*/config.json"))
    return [str(folder) for folder in folders if str(folder).startswith(incomplete)]


def complete_class(context: typer.Context, incomplete: str) -> list[str]:
    """The classes of the run of `-r`, or of the newest, that begin with what was typed; and all.

    Names with line breaks and the like, which a shell cannot take, are left out.
    """
    from ..run.class_names import read_class_names  # takes pydantic

    classes = ["all", *read_class_names(context.params.get("run_dir"))]
    return [name for name in classes if name.startswith(incomplete) and name.isprintable()]


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
    names = []
    for module, table in TABLES[kind].items():
        names += _keys(PACKAGE / module, table)
    return names


def _keys(path: Path, table: str) -> list[str]:
    """The keys of a dictionary that a module defines, read from its text."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case (
                ast.AnnAssign(target=ast.Name(id=name), value=ast.Dict(keys=keys))
                | ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(keys=keys))
            ) if name == table:
                return [str(key.value) for key in keys if isinstance(key, ast.Constant)]
    raise LookupError(f"{path} has no table {table}")
